"""What counts as damage, and how it is told from a file that is merely short or odd."""

from __future__ import annotations

from fractions import Fraction

from kinetics_tfds.clips.containers import Container
from kinetics_tfds.decode.container import Media
from kinetics_tfds.decode.structure import Structure
from kinetics_tfds.decode.types import FailureReason

# A file may end this much before its headers' promise: rounding, and last frames that the headers count as longer.
_PROMISE_TOLERANCE = Fraction(1, 4)

# The longest time between two frames that may be meant. Slide shows and screen recordings have longer ones, but few
# frames altogether: theirs is counted in usual frame intervals.
LONGEST_GAP = Fraction(1)
_LONGEST_GAP_INTERVALS = 15

# How many frames may be decoded between a frame's decoding and its being shown, and some.
_LONGEST_REORDERING = 32

# Codecs of which every packet that is shown gives exactly one frame, at its own time.
_ONE_FRAME_A_PACKET = frozenset({"h264", "hevc", "av1"})


class Damaged(Exception):  # noqa: N818 (never leaves this folder: it becomes a failure, or a kept clip's note)
    """Damage was found while a clip was being read.

    Attributes:
        reason: `corrupt`, `truncated` or `no_video`.
        detail: one line for people.
    """

    def __init__(self, reason: FailureReason, detail: str) -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail


class MissingFrames:
    """Notices packets whose frame never came, though the decoder reported no error.

    Times are presentation times in ticks of the stream. Packets that precede a key frame in time but follow it in the
    file may be undecodable where a file was cut, and do not count.
    """

    def __init__(self, media: Media) -> None:
        # AVI carries no presentation times, so there is nothing to hold against the frames.
        self._active = media.codec in _ONE_FRAME_A_PACKET and media.kind is not Container.AVI
        self._sent: dict[int, int | None] = {}  # presentation time -> decoding time
        self._seen: set[int] = set()
        self._clashes = 0
        self._first: int | None = None
        self._last: int | None = None
        self._shown = 0
        self._repeated = 0

    def sent(self, pts: int | None, dts: int | None) -> None:
        """Notes a packet that should give a frame."""
        if self._active and pts is not None:
            # Some recorders write frames without a duration: these have both their times in common with the next.
            self._clashes += self._sent.get(pts, dts) != dts
            self._sent[pts] = dts

    def shown(self, pts: int | None, interlaced: bool) -> None:
        """Notes a frame that came."""
        self._shown += 1
        if interlaced or pts is None:
            self._active = False  # two fields, each in a packet of its own, give one frame
        if not self._active or pts is None:
            return
        self._seen.add(pts)
        self._first = pts if self._first is None else min(self._first, pts)
        self._last = pts if self._last is None else max(self._last, pts)

    def repeated(self) -> None:
        """Notes that the frame shown last had the time of an earlier one, and was dropped."""
        self._repeated += 1

    def check(self, at_end: bool) -> None:
        """Looks for frames missing between the first and the last shown, or also after it at the file's end.

        Raises:
            Damaged: there are some.
        """
        if self._repeated > max(3, self._shown / 10):
            raise Damaged(FailureReason.CORRUPT, f"{self._repeated} of {self._shown} frames have the times of others")
        if not self._active or self._first is None or self._last is None:
            return
        if self._clashes:
            raise Damaged(FailureReason.CORRUPT, f"{self._clashes} packets have the presentation time of another")
        missing = sum(1 for pts in self._sent.keys() - self._seen if self._first < pts and (at_end or pts < self._last))
        if missing:
            raise Damaged(FailureReason.CORRUPT, f"{missing} packets gave no frame")


def check_end(
    media: Media, structure: Structure, packets: int | None, reached: Fraction, wanted: Fraction, interval: Fraction
) -> None:
    """Checks a file that ended before the clip did.

    Args:
        media: the file.
        structure: what its sizes said.
        packets: how many of the video stream were read, or None where it was not read from the beginning.
        reached: presentation time at which its last frame ends.
        wanted: presentation time at which the clip would end.
        interval: usual time between frames.

    Raises:
        Damaged: the file ends before its own promise. A file that is short by its own account is not damaged.
    """
    if structure.truncated:
        raise Damaged(FailureReason.TRUNCATED, structure.truncated)
    if packets is not None and packets < media.indexed_frames:
        detail = f"{packets} of the {media.indexed_frames} frames of its index were found"
        raise Damaged(FailureReason.CORRUPT, detail)
    # Matroska's sizes were checked, and say more.
    promised = media.promised_end if media.kind is not Container.MATROSKA else None
    if promised is None:
        return
    if reached < min(promised, wanted) - max(_PROMISE_TOLERANCE, 3 * interval):
        detail = f"its frames end at {float(reached):.2f} s, its headers promise {float(promised):.2f} s"
        raise Damaged(FailureReason.TRUNCATED, detail)


def check_reordering(media: Media, pts: int, dts: int) -> None:
    """Raises Damaged for a packet of an MP4 file whose two times, in ticks, lie too far apart.

    Only MP4 stores both; and leaves out, unasked, what is to be shown outside of its edit list.
    """
    apart = abs(pts - dts) * media.time_base
    if media.kind is Container.MOV and apart > max(LONGEST_GAP, _LONGEST_REORDERING * media.frame_interval):
        at, shown = float(dts * media.time_base), float(pts * media.time_base)
        raise Damaged(FailureReason.CORRUPT, f"the data at {at:.3f} s is to be shown at {shown:.3f} s")


def check_gap(before: Fraction, after: Fraction, interval: Fraction) -> None:
    """Checks the time between two frames that come after each other.

    Args:
        before: presentation time of the one.
        after: of the other.
        interval: usual time between frames.

    Raises:
        Damaged: it is so long that frames must have been lost between them.
    """
    gap = after - before
    if gap > LONGEST_GAP and gap > _LONGEST_GAP_INTERVALS * interval:
        detail = f"no frame is shown between {float(before):.3f} s and {float(after):.3f} s"
        raise Damaged(FailureReason.CORRUPT, detail)


def check_flaws(structure: Structure, end: Fraction | None, including: bool = False) -> None:
    """Raises Damaged for what may touch frames shown before `end` (or at it), or any frame if `end` is None."""
    if end is None and structure.truncated:
        raise Damaged(FailureReason.TRUNCATED, structure.truncated)
    for flaw in structure.flaws:
        if end is None or flaw.time is None or flaw.time < end or (including and flaw.time == end):
            raise Damaged(FailureReason.CORRUPT, flaw.detail)
