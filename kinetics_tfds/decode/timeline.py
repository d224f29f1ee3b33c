"""When frames are shown: the clip's window in a file, and the grid that frames are resampled to.

All times are exact fractions of a second, so that ties fall the same way on every machine.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

# Files cut to a length end up to this much early without being short: the last frame is shown a little longer.
_END_TOLERANCE = Fraction(1, 10)
_LONGEST_END_TOLERANCE = Fraction(1, 2)


def seconds(value: float) -> Fraction:
    """Returns a time given as a float as the simple fraction that was meant (0.1 is 1/10)."""
    return Fraction(value).limit_denominator(1_000_000)


def frame_rate(value: float) -> Fraction:
    """Returns frames a second as the simple fraction that was meant (29.97002997 is 30000/1001)."""
    return Fraction(value).limit_denominator(100_000)


def grid_size(duration: Fraction, fps: Fraction) -> int:
    """Returns how many frames `duration` seconds give at `fps`: the nearest whole number, halves up."""
    return math.floor(duration * fps + Fraction(1, 2))


def covered(length: Fraction, playable: Fraction, frame_interval: Fraction) -> Fraction:
    """Returns the seconds of a clip that count as there.

    Args:
        length: of the clip, by its annotation.
        playable: from the clip's start to the end of its last frame.
        frame_interval: usual time between frames; a clip that lacks less than one and a half of them is not short.
    """
    tolerance = min(max(_END_TOLERANCE, frame_interval * 3 / 2), _LONGEST_END_TOLERANCE)
    return length if playable >= length - tolerance else playable


class NearestGrid:
    """Says, frame by frame, how many points of the grid start + k/fps each frame is nearest to.

    A point halfway between two frames takes the earlier one. Points before the first frame take the first.
    """

    def __init__(self, start: Fraction, fps: Fraction, size: int) -> None:
        self._start = start
        self._fps = fps
        self._size = size
        self._next = 0

    def chooser(self, tick: Fraction) -> Callable[[int, int, int], bool]:
        """Returns a function that says whether any point is nearest to a frame.

        It takes the times of the frame before it, its own, and of the frame after it, in ticks of `tick` seconds, and
        reckons with whole numbers: it is called for each packet.
        """
        rate, offset = self._fps * tick / 2, self._start * self._fps
        scale = math.lcm(rate.denominator, offset.denominator)
        each, first = int(rate * scale), int(offset * scale)

        def wants(before: int, shown: int, following: int) -> bool:
            return ((before + shown) * each - first) // scale < ((shown + following) * each - first) // scale

        return wants

    def take_until(self, shown: Fraction, following: Fraction) -> int:
        """Returns how many further points are nearest to the frame at `shown`, given the time of the frame after it."""
        # Point k is nearest to `shown` while start + k/fps <= midpoint.
        last = math.floor(((shown + following) / 2 - self._start) * self._fps)
        count = max(0, min(last, self._size - 1) - self._next + 1)
        self._next += count
        return count

    def take_rest(self, size: int) -> int:
        """Returns how many points are left for the last frame when the grid ends at `size` points."""
        count = max(0, size - self._next)
        self._next += count
        return count
