"""Which frames are wanted, told by reading a little ahead: those that are stored, and those that settle something."""

from __future__ import annotations

import bisect
import collections
from collections.abc import Callable, Iterator
from fractions import Fraction

import av

from kinetics_tfds.decode.damage import Damaged
from kinetics_tfds.decode.timeline import NearestGrid

# H.264 and HEVC reorder up to 16 frames. A neighbour that lies further ahead goes unseen, and the one that is named
# instead is further away.
_VIDEO_AHEAD = 17
_PACKETS_AHEAD = 256
_TIMES_KEPT = 4 * _VIDEO_AHEAD


class WantedFrames:
    """Says which frames are wanted of a clip whose frames go to the points of a grid.

    Attributes:
        start: of the clip in seconds, where that is known before its first frame.
    """

    def __init__(self, tick: Fraction) -> None:
        """Wants every frame at first; `tick` is the seconds of a tick of the stream."""
        self.start: Fraction | None = None
        self._tick = tick
        self._chooser: Callable[[int, int, int], bool] | None = None
        self._end = Fraction(0)

    def begin(self, grid: NearestGrid, end: Fraction) -> None:
        """Called at the clip's first frame: `end` is its end in seconds."""
        self._chooser = grid.chooser(self._tick)
        self._end = end / self._tick

    def __call__(self, before: int, shown: int, after: int) -> bool:
        """Returns whether a frame is wanted, by the times in ticks of the one before it, its own, and the one after."""
        if self._chooser is None:
            return self.start is None or shown * self._tick >= self.start
        return after >= self._end or self._chooser(before, shown, after)


def with_neighbours(
    packets: Iterator[av.Packet], video: av.video.stream.VideoStream
) -> Iterator[tuple[av.Packet, int | None, int | None]]:
    """Yields each packet with the presentation times, in ticks, of the video packets shown before and after it.

    Damage that is met while reading ahead is raised when all packets before it have been yielded.
    """
    waiting: collections.deque[av.Packet] = collections.deque()
    times: list[int] = []
    ahead, ended, damage = 0, False, None
    while True:
        while not ended and ahead < _VIDEO_AHEAD and len(waiting) < _PACKETS_AHEAD:
            try:
                packet = next(packets, None)
            except Damaged as found:
                packet, damage = None, found
            if packet is None:
                ended = True
                break
            waiting.append(packet)
            ahead += packet.stream is video
            if packet.stream is video and packet.size and packet.pts is not None and not packet.is_discard:
                bisect.insort(times, packet.pts)
        if not waiting:
            break
        packet = waiting.popleft()
        ahead -= packet.stream is video
        yield packet, *_around(times, packet.pts)
        del times[:-_TIMES_KEPT]
    if damage is not None:
        raise damage


def _around(times: list[int], pts: int | None) -> tuple[int | None, int | None]:
    if pts is None:
        return None, None
    first, behind = bisect.bisect_left(times, pts), bisect.bisect_right(times, pts)
    return times[first - 1] if first else None, times[behind] if behind < len(times) else None
