"""The error that a clip's decoding ends in."""

from __future__ import annotations

from kinetics_tfds.decode.types import DecodeFailure, FailureReason
from kinetics_tfds.errors import KineticsError

# What a user can do about each; all but the last lines of a report are read by people who did not make the files.
_NEXT_STEPS = {
    FailureReason.UNREADABLE: "Check that the file is there and that this user may read it.",
    FailureReason.EMPTY: "Fetch the clip again: the file holds nothing.",
    FailureReason.NOT_MEDIA: "Fetch the clip again, or convert it to MP4, MKV, WebM or AVI.",
    FailureReason.NO_VIDEO: "Fetch the clip again with its video stream.",
    FailureReason.UNSUPPORTED_CODEC: "Convert the clip to H.264, HEVC, VP8, VP9, AV1 or MPEG-4.",
    FailureReason.CORRUPT: "Fetch the clip again, or set keep_damaged to keep what plays before the damage.",
    FailureReason.TRUNCATED: "Fetch the clip again, or set keep_damaged to keep what is there.",
    FailureReason.OUT_OF_RANGE: "Check that the file belongs to this video and covers the clip's times.",
    FailureReason.TOO_SHORT: "Lower min_duration to keep shorter clips.",
    FailureReason.TOO_LARGE: "Convert the clip to a smaller picture, or raise the limit.",
    FailureReason.TIMEOUT: "Raise the time limit if the machine is slow; else convert or drop the clip.",
    FailureReason.MEMORY: "Raise the memory limit if the clip is intact; else convert or drop it.",
    FailureReason.CRASHED: "Drop or convert the clip: it ended the process that decoded it.",
}


class DecodeError(KineticsError):
    """A clip that gives no frames.

    Attributes:
        failure: the reason, one of the fixed list, and one line of detail.
    """

    def __init__(self, failure: DecodeFailure) -> None:
        super().__init__(f"{failure.reason}: {failure.detail}", _NEXT_STEPS[failure.reason])
        self.failure = failure

    def __reduce__(self) -> tuple[type[DecodeError], tuple[DecodeFailure]]:
        return DecodeError, (self.failure,)


def failed(reason: FailureReason, detail: str) -> DecodeError:
    """Returns the error for `reason`; `detail` is folded to one line of at most 300 characters."""
    line = " ".join(detail.split())
    return DecodeError(DecodeFailure(reason, line if len(line) <= 300 else line[:299] + "…"))
