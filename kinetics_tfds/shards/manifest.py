"""`manifest.parquet`, beside the shards: the final state of every annotation row."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
from etils import epath

from kinetics_tfds.annotations.clip import Clip, Split
from kinetics_tfds.errors import VerifyError, WorkerError
from kinetics_tfds.planning.plan import PlannedClip, SplitPlan
from kinetics_tfds.shards.parquet import open_parquet, parquet_writer
from kinetics_tfds.shards.report import ClipReport, ClipState, ShardReport

FILE_NAME = "manifest.parquet"

SCHEMA = pa.schema(
    [
        ("split", pa.string()),
        ("id", pa.string()),
        ("youtube_id", pa.string()),
        ("time_start", pa.float64()),  # seconds in the original video
        ("time_end", pa.float64()),
        ("label", pa.string()),  # raw class name; null where the row has none
        ("state", pa.string()),  # written, missing, failed or excluded
        ("reason", pa.string()),  # of a failure or exclusion; empty otherwise
        ("detail", pa.string()),  # one line for people
        ("shard", pa.int32()),  # number within the split; null where no record was planned
        ("index", pa.int32()),  # number of the record within the shard; null where there is none
        ("path", pa.string()),  # the clip's file, relative to the folder of clips; null where none was looked for
        ("frames", pa.int32()),
        ("bytes", pa.int64()),  # of the serialised record
        ("digest", pa.string()),  # blake2b of the serialised record, 32 hexadecimal digits; empty where there is none
    ]
)
_ROWS_AT_ONCE = 20_000


def write_manifest(
    folder: epath.PathLike, plans: Mapping[Split, SplitPlan], reports: Mapping[Split, Iterable[ShardReport | None]]
) -> None:
    """Writes the manifest of a build, a shard at a time.

    Args:
        folder: the dataset's folder.
        plans: of every split that has rows.
        reports: of each split that has shards, every shard's report in order; may read them one by one.
    """
    with parquet_writer(epath.Path(folder) / FILE_NAME, SCHEMA) as out:
        batch: list[dict[str, Any]] = []
        for split, plan in plans.items():
            for row in _split_rows(plan, reports.get(split, ())):
                batch.append(row)
                if len(batch) >= _ROWS_AT_ONCE:
                    out.write_table(pa.Table.from_pylist(batch, schema=SCHEMA))
                    batch = []
        out.write_table(pa.Table.from_pylist(batch, schema=SCHEMA))


def read_manifest(data_path: epath.PathLike, columns: Sequence[str] | None = None) -> pa.Table:
    """Returns the manifest of a prepared dataset, one row an annotation row.

    Planned rows come first, split by split in the order of shards and records; then missing and excluded ones.

    Args:
        data_path: the dataset's folder (`builder.data_path`), or one of its files.
        columns: names of the columns to read; all where None.

    Raises:
        VerifyError: there is no manifest, or it cannot be read.
    """
    path = epath.Path(data_path) / FILE_NAME
    try:
        with open_parquet(path) as file:
            return file.read(columns=None if columns is None else list(columns))
    except (OSError, pa.ArrowException) as error:
        raise VerifyError(
            f"Cannot read {os.fspath(path)}: {error}",
            "Name the folder of a dataset that this project built; it holds manifest.parquet beside the shards.",
        ) from error


def _split_rows(plan: SplitPlan, reports: Iterable[ShardReport | None]) -> Iterator[dict[str, Any]]:
    for shard, report in zip(plan.shards(), reports, strict=True):
        if report is None:
            raise WorkerError(f"The sidecar of shard {shard.name} is gone.", "Run the same command again.")
        for planned, came in zip(shard.clips, report.clips, strict=True):
            yield _planned_row(planned, shard.index, came)
    for clip in plan.missing:
        yield _row(clip, ClipState.MISSING)
    for clip, reason in plan.excluded.items():
        yield _row(clip, ClipState.EXCLUDED, reason=str(reason))


def _planned_row(planned: PlannedClip, shard: int, came: ClipReport) -> dict[str, Any]:
    row = _row(planned.clip, came.state, reason=came.reason)
    row.update(
        detail=came.detail,
        shard=shard,
        index=came.index,
        path=planned.media.path,
        frames=came.frames,
        bytes=came.bytes,
        digest=came.digest,
    )
    return row


def _row(clip: Clip, state: ClipState, *, reason: str = "") -> dict[str, Any]:
    return {
        "split": str(clip.split),
        "id": clip.id,
        "youtube_id": clip.youtube_id,
        "time_start": clip.time_start,
        "time_end": clip.time_end,
        "label": clip.label,
        "state": str(state),
        "reason": reason,
        "detail": "",
        "shard": None,
        "index": None,
        "path": None,
        "frames": 0,
        "bytes": 0,
        "digest": "",
    }
