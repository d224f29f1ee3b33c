"""What the page shows: rows, and what can be seen of each clip."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from kinetics_tfds.browse.clip_table import ClipTable
from kinetics_tfds.planning.plan import PlannedClip


@dataclasses.dataclass(frozen=True)
class StoredClip:
    """The frames and sound of one record.

    Attributes:
        fields: every scalar field of the record, as plain JSON values.
        frames: T JPEG images, as stored.
        timestamps: [T] seconds from the clip's start.
        audio: int16 mono samples, little-endian; None where the dataset stores none.
        audio_rate: samples a second, None likewise.
    """

    fields: Mapping[str, Any]
    frames: Sequence[bytes]
    timestamps: Sequence[float]
    audio: bytes | None
    audio_rate: int | None


@dataclasses.dataclass(frozen=True)
class MediaPath:
    """The media file of a clip.

    Attributes:
        path: local path or URL.
        start: where the clip starts in it, in seconds; not 0 for whole videos.
        end: where it ends, None for the file's end.
    """

    path: str
    start: float = 0.0
    end: float | None = None


class Collection(Protocol):
    """Clips to look at.

    Attributes:
        kind: `dataset`, `store`, `folder` or `version`.
        title: names the collection, for people.
        place: the folder it lies in; empty for a version.
        table: the rows.
    """

    kind: str
    title: str
    place: str
    table: ClipTable

    def facts(self) -> Mapping[str, Any]:
        """Returns what is known of the collection as a whole, name to plain JSON value."""
        ...

    def row(self, row: int) -> Mapping[str, Any]:
        """Returns every column that is known of one row, as plain JSON values."""
        ...

    def record(self, row: int) -> StoredClip | str | None:
        """Returns the record of a clip, what is wrong with it in words, or None where the collection has no records."""
        ...

    def alike(self, row: int) -> Sequence[str]:
        """Returns the keys of clips that show the same, as far as that is known."""
        ...

    def planned(self, row: int) -> PlannedClip | None:
        """Returns what decodes the clip, its path relative to `place`; None where there is no file, or a record."""
        ...

    def media(self, row: int) -> MediaPath | None:
        """Returns the media file of a clip, None where there is none."""
        ...
