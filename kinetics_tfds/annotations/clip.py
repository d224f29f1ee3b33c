"""One annotated clip: what a row of the official lists says, and the columns in which every table stores it."""

from __future__ import annotations

import dataclasses
import enum
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow

VIDEO_ID = re.compile(r"[A-Za-z0-9_-]{11}")
# The class index of a clip whose label the lists do not give.
UNLABELLED = -1


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
    def key(self) -> str:
        """`{split}/{id}`, unique within a version."""
        return f"{self.split}/{self.id}"

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return self.time_end - self.time_start

    def to_row(self) -> dict[str, Any]:
        """Returns the columns as plain JSON values.

        >>> Clip(Split.TEST, "-abc_DEF123", 7, 17).to_row()
        {'split': 'test', 'youtube_id': '-abc_DEF123', 'time_start': 7.0, 'time_end': 17.0, 'label': None}
        """
        return {
            "split": str(self.split),
            "youtube_id": self.youtube_id,
            "time_start": float(self.time_start),
            "time_end": float(self.time_end),
            "label": self.label,
        }

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Clip:
        """Returns the clip of a row that `to_row` or a table of `clip_schema` gave; other columns are ignored.

        Raises:
            KeyError: a column is missing; only `label` may be.
            ValueError: there is no such split.
        """
        label = row.get("label") or None
        return cls(Split(row["split"]), row["youtube_id"], float(row["time_start"]), float(row["time_end"]), label)


def clip_schema(*more: tuple[str, Any]) -> pyarrow.Schema:
    """Returns the Arrow schema of a table with one clip per row.

    Args:
        *more: name and Arrow type of the columns to add after the clip's own.
    """
    import pyarrow as pa  # here, because decode workers import this module and need no Arrow

    own = [("split", pa.string()), ("youtube_id", pa.string()), ("time_start", pa.float64())]
    return pa.schema([*own, ("time_end", pa.float64()), ("label", pa.string()), *more])


def clip_columns(clips: Iterable[Clip]) -> dict[str, list[Any]]:
    """Returns the clips column by column, for `pyarrow.table(columns, schema=clip_schema(...))`."""
    rows = [clip.to_row() for clip in clips]
    return {name: [row[name] for row in rows] for name in Clip.__dataclass_fields__}
