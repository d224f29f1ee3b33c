"""`manifest.parquet`, beside the shards: the final state of every annotation row."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import pyarrow as pa
from etils import epath

from kinetics_tfds.annotations.clip import Clip, Split, clip_columns, clip_schema
from kinetics_tfds.clips.media import MediaFile
from kinetics_tfds.errors import VerifyError
from kinetics_tfds.parquet import open_parquet, parquet_writer
from kinetics_tfds.planning.plan import SplitPlan
from kinetics_tfds.shards import checksums
from kinetics_tfds.shards.report import ClipReport, ClipState, ShardReport

FILE_NAME = "manifest.parquet"

# `label` is the raw class name, null where the row has none.
SCHEMA = clip_schema(
    ("state", pa.string()),  # written, missing, failed or excluded
    ("reason", pa.string()),  # of a failure or exclusion; empty otherwise
    ("detail", pa.string()),  # one line for people
    ("shard", pa.int32()),  # number within the split; null where no record was planned
    ("index", pa.int32()),  # number of the record within the shard; null where there is none
    ("path", pa.string()),  # the clip's file, relative to the folder of clips; null where none was looked for
    ("frames", pa.int32()),
    ("bytes", pa.int64()),  # of the serialised record
    ("digest", pa.string()),  # blake2b of the serialised record, 32 hexadecimal digits; empty where there is none
    ("media_bytes", pa.int64()),  # size of the clip's file; 0 where it gave no frames and may do so another time
    ("media_digest", pa.string()),  # of what the file holds (clips.content.read_content); empty likewise
    ("crc32c", pa.int64()),  # of the serialised record; 0 where there is none
    ("span", pa.string()),  # what the file's name says that it covers; null where no file was looked for
).insert(1, pa.field("id", pa.string()))
_ROWS_AT_ONCE = 20_000


def write_manifest(
    folder: epath.PathLike, plans: Mapping[Split, SplitPlan], reports: Mapping[str, ShardReport]
) -> None:
    """Writes the manifest of a finished build.

    Args:
        folder: the dataset's folder.
        plans: of every split that has rows.
        reports: of all its shards, by name.
    """
    rows = (row for plan in plans.values() for row in _split_rows(plan, reports))
    with parquet_writer(epath.Path(folder) / FILE_NAME, SCHEMA) as out:
        while batch := list(itertools.islice(rows, _ROWS_AT_ONCE)):
            out.write_table(_to_table(batch))


def read_manifest(data_path: epath.PathLike, columns: Sequence[str] | None = None) -> pa.Table:
    """Returns the manifest of a prepared dataset, one row an annotation row.

    Planned rows come first, split by split in the order of shards and records; then missing and excluded ones.

    Args:
        data_path: the dataset's folder (`builder.data_path`), or one of its files.
        columns: names of the columns to read; all where None.

    Raises:
        VerifyError: there is no manifest, it cannot be read, or it is not what the build wrote.
    """
    path = epath.Path(data_path) / FILE_NAME
    if checksums.is_intact(path) is False:
        raise VerifyError(
            f"{os.fspath(path)} was changed since the build: its checksum is not that in {checksums.FILE_NAME}.",
            "`kinetics verify` lists everything that is wrong; copy the file again, or build again with --overwrite.",
        )
    try:
        with open_parquet(path) as file:
            return file.read(columns=None if columns is None else list(columns))
    except (OSError, ValueError, pa.ArrowException) as error:
        raise VerifyError(
            f"Cannot read {os.fspath(path)}: {error}",
            "Name the folder of a dataset that this project built; it holds manifest.parquet beside the shards.",
        ) from error


class _Row(NamedTuple):
    clip: Clip
    report: ClipReport
    shard: int | None = None
    media: MediaFile | None = None


def _split_rows(plan: SplitPlan, reports: Mapping[str, ShardReport]) -> Iterator[_Row]:
    for shard in plan.shards():
        for planned, clip_report in zip(shard.clips, reports[shard.name].read_clips(), strict=True):
            yield _Row(planned.clip, clip_report, shard.index, planned.media)
    for clip in plan.missing:
        yield _Row(clip, ClipReport(ClipState.MISSING))
    for clip, reason in plan.excluded.items():
        yield _Row(clip, ClipReport(ClipState.EXCLUDED, reason=str(reason)))


def _to_table(rows: Sequence[_Row]) -> pa.Table:
    columns = {
        **clip_columns(row.clip for row in rows),
        **{field: [getattr(row.report, field) for row in rows] for field in ClipReport.__dataclass_fields__},
        "id": [row.clip.id for row in rows],
        "shard": [row.shard for row in rows],
        "path": [None if row.media is None else row.media.path for row in rows],
        "span": [None if row.media is None else str(row.media.span) for row in rows],
    }
    return pa.table(columns, schema=SCHEMA)
