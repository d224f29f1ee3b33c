"""Collections without records: a clip store or folder of clips, and the bare rows of a version."""

from __future__ import annotations

import collections
import posixpath
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from kinetics_tfds.acquire.reports.clip_status import RowStatus, find_statuses
from kinetics_tfds.acquire.run.rows import read_rows
from kinetics_tfds.acquire.store.clip_store import open_store
from kinetics_tfds.annotations.clip import Clip, clip_columns
from kinetics_tfds.annotations.versions import KineticsVersion
from kinetics_tfds.browse.clip_table import SCHEMA, ClipTable
from kinetics_tfds.browse.collection import MediaPath, StoredClip
from kinetics_tfds.clips.media import MediaFile, Span
from kinetics_tfds.planning.plan import PlannedClip


class _RowCollection:
    """What both have in common; implements `Collection` but for the media."""

    kind: str

    def __init__(self, title: str, place: str, rows: pa.Table) -> None:
        self.title, self.place = title, place
        self.table = ClipTable(rows)
        self._rows = rows

    def facts(self) -> Mapping[str, Any]:
        """Returns nothing: the summary says all."""
        return {}

    def row(self, row: int) -> Mapping[str, Any]:
        """Returns the columns of a row."""
        return self._rows.slice(row, 1).to_pylist()[0]

    def record(self, row: int) -> StoredClip | str | None:
        """Returns None: there are no records."""
        del row
        return None

    def alike(self, row: int) -> Sequence[str]:
        """Returns nothing: only datasets are inspected."""
        del row
        return ()

    def planned(self, row: int) -> PlannedClip | None:
        """Returns None: a row alone has no file."""
        del row
        return None

    def media(self, row: int) -> MediaPath | None:
        """Returns None: a row alone has no file."""
        del row
        return None


class VersionRows(_RowCollection):
    """The rows of annotation lists, each with a link to its video."""

    kind = "version"

    def __init__(self, version: KineticsVersion, clips: Sequence[Clip]) -> None:
        super().__init__(version.title, "", _table(clips, {"id": [clip.id for clip in clips]}))


class ClipStoreFiles(_RowCollection):
    """The files of a clip store, or of any folder of clips, and what is known of the rows without one."""

    kind = "store"

    def __init__(self, root: str, version: KineticsVersion, lists: Sequence[str] = ()) -> None:
        """Reads lists, files and the ledger.

        Args:
            root: the store or folder.
            version: of Kinetics.
            lists: annotation files, where the folder holds none.

        Raises:
            KineticsError: they cannot be read.
        """
        store = open_store(root, create=False)
        clips = read_rows(version, store, lists, keep=False).clips
        statuses = list(find_statuses(clips, store, version))
        sizes = store.sizes(status.path for status in statuses if status.path is not None)
        columns = {
            "id": [clip.id for clip in clips],
            "state": [str(status.status) for status in statuses],
            "reason": [status.reason for status in statuses],
            "source": [status.attempt.source if status.attempt is not None else "" for status in statuses],
            "path": [status.path for status in statuses],
            "bytes": [sizes.get(status.path) if status.path is not None else None for status in statuses],
        }
        super().__init__(f"{version.title} in {posixpath.basename(store.root)}", store.root, _table(clips, columns))
        self._statuses: Sequence[RowStatus] = statuses
        files = collections.Counter(status.path for status in statuses)
        self._whole_videos = {path for path, rows in files.items() if rows > 1}  # of which several rows are parts

    def row(self, row: int) -> Mapping[str, Any]:
        """Returns the columns of a row, and what the ledger says of its most telling attempt."""
        attempt = self._statuses[row].attempt
        told = {} if attempt is None else {"message": attempt.message, "sha256": attempt.sha256, "cut": attempt.cut}
        return {**super().row(row), **{name: value for name, value in told.items() if value}}

    def planned(self, row: int) -> PlannedClip | None:
        """Returns the clip and its file."""
        path, clip = self._statuses[row].path, self._statuses[row].clip
        if path is None:
            return None
        return PlannedClip(clip, MediaFile(path, Span.WHOLE if path in self._whole_videos else Span.UNKNOWN))

    def media(self, row: int) -> MediaPath | None:
        """Returns the clip's file; the browser plays a whole video between the clip's times."""
        path, clip = self._statuses[row].path, self._statuses[row].clip
        if path is None:
            return None
        file = posixpath.join(self.place, path)
        return MediaPath(file, clip.time_start, clip.time_end) if path in self._whole_videos else MediaPath(file)


def _table(clips: Sequence[Clip], columns: Mapping[str, Sequence[Any]]) -> pa.Table:
    texts = dict.fromkeys(("state", "reason", "source"), [""] * len(clips))
    numbers = dict.fromkeys(("path", "frames", "bytes"), [None] * len(clips))
    return pa.table({**clip_columns(clips), **texts, **numbers, **columns}, schema=SCHEMA)
