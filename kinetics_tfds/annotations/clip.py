"""One annotated clip: what a row of the official lists says."""

from __future__ import annotations

import dataclasses
import enum


class Split(enum.StrEnum):
    """The splits as this project and TFDS name them."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"
    HOLDOUT_TEST = "holdout_test"


@dataclasses.dataclass(frozen=True, slots=True, order=True)
class Clip:
    """One annotation row.

    The identity of a clip within its split is (youtube_id, time_start, time_end), never the video's id alone: one video
    may give several clips.

    Attributes:
        split: the split the row belongs to.
        youtube_id: the 11 characters of the video's YouTube id.
        time_start: where the clip starts in the original video, in seconds.
        time_end: where it ends (exclusive), in seconds.
        label: the raw class name of the official list, or None where the list gives none.

    >>> Clip(Split.VALIDATION, "-abc_DEF123", 7, 17, "abseiling").id
    '-abc_DEF123_000007_000017'
    """

    split: Split
    youtube_id: str
    time_start: float
    time_end: float
    label: str | None = None

    @property
    def id(self) -> str:
        """`{youtube_id}_{start:06d}_{end:06d}`, times in whole seconds (rounded), as in the usual file names."""
        return f"{self.youtube_id}_{round(self.time_start):06d}_{round(self.time_end):06d}"

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return self.time_end - self.time_start
