"""Records that an earlier version of a dataset holds already: copied as they are, while only the rest is decoded.

Which ones is decided when the build is planned, and written beside the plan: `kept.parquet`, one row group per shard,
one row per planned clip. A worker looks at the clip's file and at the record before it copies; where either is not what
the earlier build saw, the clip is decoded after all.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import json
import posixpath
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from typing import Any

import google_crc32c
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from etils import epath

from kinetics_tfds import frame_table, tfrecord
from kinetics_tfds.clips.content import read_content
from kinetics_tfds.clips.media import MediaContent
from kinetics_tfds.decode.types import DecodedClip, DecodeFailure
from kinetics_tfds.errors import WorkerError
from kinetics_tfds.parquet import open_parquet, parquet_writer
from kinetics_tfds.planning.plan import PlannedClip, ShardPlan
from kinetics_tfds.shards.checksums import is_intact
from kinetics_tfds.shards.records import RawRecord, hash_record, link_or_copy, read_record
from kinetics_tfds.shards.report import ClipReport, ClipState

_CHECKS_AT_ONCE = 8
_TABLES_AT_HAND = 8  # two shards are written at once, and each takes records of two or three

_SCHEMA = pa.schema(
    [
        ("state", pa.string()),  # null where the clip is to be decoded
        ("file", pa.string()),
        ("file_records", pa.int32()),
        ("offset", pa.int64()),
        ("first_frame", pa.int64()),
        ("index", pa.int32()),
        ("reason", pa.string()),
        ("detail", pa.string()),
        ("frames", pa.int32()),
        ("bytes", pa.int64()),
        ("digest", pa.string()),
        ("media_bytes", pa.int64()),
        ("media_digest", pa.string()),
        ("crc32c", pa.int64()),
    ]
)
_PLACE_FIELDS = ("file", "file_records", "offset", "first_frame")
_REPORT_FIELDS = tuple(field.name for field in dataclasses.fields(ClipReport))


@dataclasses.dataclass(frozen=True)
class EarlierVersion:
    """The prepared dataset that records are taken from.

    Attributes:
        folder: where it lies.
        file_format: TFDS's name of its record format.
        needs_media: whether a clip's record is taken only where its file is what it was; without the files, every
            record must be taken.
    """

    folder: str
    file_format: str
    needs_media: bool


@dataclasses.dataclass(frozen=True, slots=True)
class KeptClip:
    """How a clip ended in the earlier version.

    Attributes:
        report: its report there.
        file: the shard that holds its record; empty where it failed.
        file_records: how many records that shard holds.
        offset: where the record starts in the shard, in bytes.
        first_frame: where its frames start in the shard's table of frames.
    """

    report: ClipReport
    file: str = ""
    file_records: int = 0
    offset: int = 0
    first_frame: int = 0


@dataclasses.dataclass(frozen=True, slots=True)
class KeptRecord:
    """How a clip ended in the earlier version, and its record.

    Attributes:
        report: the clip's, with the record's number in the earlier version.
        data: the record; None where the clip failed.
        frames: where its frames lie, `frame_table.ROW` [T]; None where the earlier version does not say.
    """

    report: ClipReport
    data: bytes | None = None
    frames: np.ndarray | None = None


# How each clip of a shard ends, in order.
Outcomes = Generator[DecodedClip | DecodeFailure | KeptRecord]
# Decodes clips, and calls when the last one is on its way.
Decode = Callable[[Sequence[PlannedClip], Callable[[], None]], Outcomes]


def write_kept(
    path: epath.Path, earlier: EarlierVersion, shards: Iterable[ShardPlan], kept: Iterable[KeptClip | None]
) -> None:
    """Writes which of the planned clips an earlier version holds.

    Args:
        path: a local file.
        earlier: the version.
        shards: all planned shards, in order.
        kept: how each of their clips ended in it, in order; None for those that are to be decoded.
    """
    clips = iter(kept)
    schema = _SCHEMA.with_metadata({"earlier": json.dumps(dataclasses.asdict(earlier))})
    with parquet_writer(path, schema) as writer:
        for shard in shards:
            writer.write_table(pa.Table.from_pylist([_to_row(next(clips)) for _ in shard.clips], schema))


class KeptClips:
    """Which of a build's clips an earlier version holds, as a worker sees them."""

    def __init__(self, file: pq.ParquetFile, media_root: str) -> None:
        self._file = file
        self._media_root = media_root
        self._tables: dict[str, np.ndarray | None] = {}  # of the last shards that were asked for
        self._reading = threading.Lock()
        self.earlier = EarlierVersion(**json.loads(file.schema_arrow.metadata[b"earlier"]))

    @classmethod
    def open(cls, path: epath.Path, media_root: str) -> KeptClips | None:
        """Returns what `write_kept` wrote, or None where there is no such file.

        Args:
            path: the file.
            media_root: the folder that the plan's paths are relative to.
        """
        return cls(open_parquet(path), media_root) if path.exists() else None

    def of_shard(self, number: int, shard: ShardPlan) -> dict[int, KeptClip]:
        """Returns what can be taken of a shard, by place in it: the clips whose files are what they were.

        Args:
            number: counts the shards of all splits in the plan's order, from 0.
            shard: the planned shard.
        """
        with self._reading:  # a reader is not for two threads at once
            rows = self._file.read_row_group(number).to_pylist()
        kept = {place: _from_row(row) for place, row in enumerate(rows) if row["state"] is not None}
        if not self.earlier.needs_media:
            return kept
        same = same_files(self._media_root, ((shard.clips[place], clip) for place, clip in kept.items()))
        return {place: clip for (place, clip), is_same in zip(kept.items(), same, strict=True) if is_same}

    def copy_whole_file(
        self, kept: Mapping[int, KeptClip], shard: ShardPlan, file_format: str, path: epath.Path
    ) -> np.ndarray | None:
        """Links or copies the file of the earlier version that holds just the records of a shard, if one does.

        Args:
            kept: what `of_shard` returned.
            shard: the planned shard.
            file_format: TFDS's name of the format to write.
            path: a local path for the shard.

        Returns:
            Where its frames lie, `frame_table.ROW` [N]; None where no file was copied.
        """
        written = [clip for clip in kept.values() if clip.file]
        if len(kept) < len(shard.clips) or not written or file_format != self.earlier.file_format:
            return None
        places = [(clip.file, clip.report.index) for clip in written]
        if places != [(written[0].file, index) for index in range(written[0].file_records)]:
            return None
        frames = self._table(written[0].file)
        source = epath.Path(self.earlier.folder) / written[0].file
        size = written[-1].offset + written[-1].report.bytes + tfrecord.FRAMING_BYTES
        if frames is None or not source.exists() or (file_format == "tfrecord" and source.stat().length != size):
            return None
        link_or_copy(source, path)
        return frames

    def outcomes(
        self, shard: ShardPlan, kept: Mapping[int, KeptClip], decode: Decode, on_all_requested: Callable[[], None]
    ) -> Outcomes:
        """Yields how each clip of a shard ends: as in the earlier version where `kept` has it, or decoded.

        Raises:
            WorkerError: a record is not what was built, and there are no files to decode it from.
        """
        rest = [planned for place, planned in enumerate(shard.clips) if place not in kept]
        if not rest:
            on_all_requested()
        with contextlib.closing(decode(rest, on_all_requested)) as decoded:
            for place, planned in enumerate(shard.clips):
                if place not in kept:
                    yield next(decoded)
                elif (record := self._read(kept[place])) is not None:
                    yield record
                else:
                    with contextlib.closing(decode([planned], lambda: None)) as again:
                        yield next(again)

    def _read(self, clip: KeptClip) -> KeptRecord | None:
        """Returns a clip's record, or None where it is not what the earlier build wrote."""
        if not clip.file:
            return KeptRecord(clip.report)
        report, path = clip.report, posixpath.join(self.earlier.folder, clip.file)
        try:
            raw = read_record(path, self.earlier.file_format, report.index or 0, clip.offset, report.bytes)
        except OSError as error:
            raw = RawRecord(None, str(error))
        if raw.data is not None and raw.problem is None and _is_as_built(raw.data, report):
            table = self._table(clip.file)
            rows = None if table is None else table[clip.first_frame : clip.first_frame + report.frames]
            return KeptRecord(report, raw.data, rows)
        if self.earlier.needs_media:
            return None
        raise WorkerError(
            f"{path} record {report.index} is not what was built: {raw.problem or 'its hash is another one'}.",
            "`kinetics verify` lists everything that is wrong; copy the dataset again, or build it again.",
        )

    def _table(self, shard_file: str) -> np.ndarray | None:
        """Returns where the frames of a shard of the earlier version lie, where it has an intact table of them."""
        with self._reading:
            if shard_file not in self._tables:
                while len(self._tables) >= _TABLES_AT_HAND:
                    self._tables.pop(next(iter(self._tables)))
                path = epath.Path(self.earlier.folder) / frame_table.file_name(shard_file)
                self._tables[shard_file] = frame_table.read_table(path) if is_intact(path) else None
            return self._tables[shard_file]


def same_files(media_root: str, clips: Iterable[tuple[PlannedClip, KeptClip]]) -> Iterator[bool]:
    """Yields of each clip whether its file is what the earlier build saw; looks at several at a time.

    Args:
        media_root: the folder that the plan's paths are relative to.
        clips: planned clips, and how they ended.
    """

    def is_same(pair: tuple[PlannedClip, KeptClip]) -> bool:
        planned, clip = pair
        wanted = MediaContent(clip.report.media_bytes, clip.report.media_digest)
        try:
            return read_content(posixpath.join(media_root, planned.media.path)) == wanted
        except OSError:
            return False

    with concurrent.futures.ThreadPoolExecutor(_CHECKS_AT_ONCE) as threads:
        yield from threads.map(is_same, clips)


def _is_as_built(data: bytes, report: ClipReport) -> bool:
    if report.crc32c:
        return google_crc32c.value(data) == report.crc32c
    return hash_record(data) == report.digest  # older manifests


def _to_row(clip: KeptClip | None) -> dict[str, Any]:
    if clip is None:
        return {}
    return {
        **{name: getattr(clip.report, name) for name in _REPORT_FIELDS},
        **{name: getattr(clip, name) for name in _PLACE_FIELDS},
    }


def _from_row(row: Mapping[str, Any]) -> KeptClip:
    report = ClipReport(**{**{name: row[name] for name in _REPORT_FIELDS}, "state": ClipState(row["state"])})
    return KeptClip(report, **{name: row[name] for name in _PLACE_FIELDS})
