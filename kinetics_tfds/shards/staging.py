"""What a build knows of its finished shards, until the dataset is committed.

Shards are written straight to the dataset's folder, under their final names. The staging folder lies beside the folders
that TFDS lists, and its name carries the build's fingerprint:

```
<data_dir>/kinetics600/jpeg256/
  1.0.0/                  finished shards; a dataset from the moment that it holds `dataset_info.json`
  .staging/
    1.0.0.lock
    1.0.0.runs/           see run_folder
    1.0.0-3f9a1c02b7de/
      plan.json           what the fingerprint covers, for people and for comparing
      plan.parquet        the planned clips, one row group per shard, so that a worker reads only its own
      reports/            one sidecar per shard, written after it: a shard without one does not count
      writing/            unfinished files, on disks only: objects of a bucket appear whole
```
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import functools
import hashlib
import json
import os
import re
import threading
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from etils import epath

from kinetics_tfds import frame_table
from kinetics_tfds.annotations.clip import Clip, Split, clip_columns, clip_schema
from kinetics_tfds.clips.media import MediaFile, Span
from kinetics_tfds.errors import WorkerError
from kinetics_tfds.file_systems import for_each, is_local, list_names, read_text, remove_file, remove_tree, writing
from kinetics_tfds.parquet import open_parquet, parquet_writer
from kinetics_tfds.planning.fingerprint import BuildIdentity
from kinetics_tfds.planning.plan import PlannedClip, ShardPlan, SplitPlan
from kinetics_tfds.retrying import with_retries
from kinetics_tfds.shards.lock import runs_path, staging_path
from kinetics_tfds.shards.report import ShardReport
from kinetics_tfds.shards.run_folder import RunFolder, list_runs

_PLAN_SCHEMA = clip_schema(
    ("shard", pa.int32()), ("num_shards", pa.int32()), ("path", pa.string()), ("span", pa.string())
)
_READS_AT_ONCE = 16

# Any reader that lists files by pattern would take these for shards.
SHARD_LIKE = re.compile(r"\.(tfrecord|array_record|riegeli)\b|-\d{5}-of-\d{5}")


class Staging:
    """One build's staging folder, as one run sees it.

    Attributes:
        data_path: the dataset's folder, where finished shards lie.
        fingerprint: of the build; where only the folder is known, the part of it that its name holds.
        path: the staging folder.
        run: of this process, or of the process that started this worker.
    """

    def __init__(self, data_path: epath.PathLike, fingerprint: str, run: str = "none") -> None:
        self.data_path = epath.Path(data_path)
        self.fingerprint = fingerprint
        self.path = staging_path(self.data_path, fingerprint)
        self.run = RunFolder(runs_path(self.data_path) / run)
        self._reading = threading.Lock()

    def writing(self, target: epath.Path) -> contextlib.AbstractContextManager[epath.Path]:
        """Gives a local path to write to; see `file_systems.writing`."""
        return writing(target, self._writing, f"{self.run.id}.")

    @property
    def _writing(self) -> epath.Path:
        return self.path / "writing"

    def load_identity(self) -> BuildIdentity:
        """Returns what `plan.json` says, whatever its fingerprint; any error of the file or its content is raised."""
        return BuildIdentity(**json.loads(read_text(self.path / "plan.json"))["covers"])

    def read_identity(self) -> BuildIdentity:
        """Returns what the fingerprint covers.

        Raises:
            WorkerError: the folder is not there, or is of another build.
        """
        try:
            identity = self.load_identity()
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise WorkerError(
                f"Cannot read the plan in {self.path}: {type(error).__name__}: {error}",
                "Check that this worker reaches the data_dir under the same path and may read it.",
            ) from error
        if identity.fingerprint != self.fingerprint:
            raise WorkerError(
                f"The plan in {self.path} is of another build ({identity.fingerprint[:12]}).",
                "Run the build again; two builds of one dataset must not run at once.",
            )
        return identity

    def write_plan(self, identity: BuildIdentity, plans: Mapping[Split, SplitPlan]) -> None:
        """Writes the plan; `plan.json` last, so that it vouches for the rest."""
        with self.writing(self.path / "plan.parquet") as local, parquet_writer(local, _PLAN_SCHEMA) as writer:
            for plan in plans.values():
                for shard in plan.shards():
                    writer.write_table(_to_table(shard))
        text = json.dumps({"fingerprint": identity.fingerprint, "covers": identity.to_json()}, indent=2)
        with self.writing(self.path / "plan.json") as local:
            local.write_text(text + "\n")

    def has_plan(self) -> bool:
        """Returns whether the plan was written."""
        plan = self.path / "plan.json"
        return with_retries("read", plan, plan.exists)

    def remove(self) -> None:
        """Removes the folder, `plan.json` first: what an interrupted removal leaves is not taken for a plan."""
        remove_file(self.path / "plan.json")
        if not is_local(self.path):  # TensorFlow would remove them one by one
            for_each(self.forget, self.report_names())
        remove_tree(self.path)

    def read_shard(self, number: int) -> ShardPlan:
        """Returns one shard's plan.

        Args:
            number: counts the shards of all splits in the plan's order, from 0.
        """
        with self._reading:  # a reader is not for two threads at once
            return _from_table(self._plan.read_row_group(number))

    def read_shards(self) -> Iterator[ShardPlan]:
        """Yields every shard's plan, in order."""
        for number in range(self._plan.num_row_groups):
            yield self.read_shard(number)

    @functools.cached_property
    def _plan(self) -> pq.ParquetFile:
        plan = self.path / "plan.parquet"
        return with_retries("read", plan, open_parquet, plan)

    def write_frame_table(self, shard_file: str, records: Iterable[np.ndarray]) -> str:
        """Writes where the frames of a shard's records lie; returns the file's sha256 in hexadecimal digits."""
        content = frame_table.to_bytes(records)
        with self.writing(self.data_path / frame_table.file_name(shard_file)) as local:
            local.write_bytes(content)
        return hashlib.sha256(content).hexdigest()

    def write_report(self, report: ShardReport) -> None:
        """Writes a shard's sidecar; from then on the shard counts as finished."""
        with self.writing(self._report_path(report.name)) as local:
            local.write_text(report.text)

    @property
    def kept_path(self) -> epath.Path:
        """Where an update says what an earlier version holds of the planned clips; see `kept`."""
        return self.path / "kept.parquet"

    def read_report(self, name: str) -> ShardReport | None:
        """Returns a finished shard's sidecar, or None where there is none that can be used."""
        try:
            report = ShardReport.from_text(read_text(self._report_path(name)))
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None
        return report if report.fingerprint == self.fingerprint else None

    def report_time(self, name: str) -> float:
        """Returns when a finished shard's sidecar was written, in seconds since 1970."""
        path = self._report_path(name)
        return os.stat(path).st_mtime if is_local(path) else with_retries("read", path, lambda: path.stat().mtime)

    def report_names(self) -> set[str]:
        """Returns the names of the shards that have a sidecar."""
        names = list_names(self.path / "reports")
        return {name.removesuffix(".json") for name in names if name.endswith(".json") and name[0] != "."}

    def finished(self, name: str) -> ShardReport | None:
        """Returns a shard's report if sidecar and shard both exist, the shard in its full size."""
        report = self.read_report(name)
        if report is None:
            return None
        shard = self.data_path / report.file_name
        try:
            size = with_retries("read", shard, lambda: shard.stat().length)
        except FileNotFoundError:
            return None
        return report if size == report.file_bytes else None

    def read_finished(self, names: Iterable[str]) -> dict[str, ShardReport]:
        """Returns the reports of those of the shards that are finished, by name; reads several at a time."""
        with concurrent.futures.ThreadPoolExecutor(_READS_AT_ONCE) as threads:
            return {report.name: report for report in threads.map(self.finished, names) if report is not None}

    def forget(self, name: str) -> None:
        """Removes a shard's sidecar, so that the shard is written again."""
        remove_file(self._report_path(name))

    def _report_path(self, name: str) -> epath.Path:
        return self.path / "reports" / f"{name}.json"

    def remove_strays(self, planned: Collection[str]) -> None:
        """Removes the shards of other plans from the dataset's folder, which is no dataset yet.

        Args:
            planned: names of the shards that it will hold.
        """
        planned = {name for shard in planned for name in (shard, frame_table.file_name(shard))}
        strays = [name for name in list_names(self.data_path) if name not in planned and SHARD_LIKE.search(name)]
        for_each(lambda name: remove_file(self.data_path / name), strays)

    def clean(self) -> None:
        """Removes what runs that are over left behind; workers of others may still be writing their files."""
        now = self.run.beat_time()
        others = [other for other in list_runs(self.run.path.parent) if other.id != self.run.id]
        over = [other for other in others if other.is_over(now)]
        going_on = {self.run.id, *(other.id for other in others if other not in over)}
        if is_local(self.path):
            for name in list_names(self._writing):
                if name.split(".")[1] not in going_on:
                    remove_file(self._writing / name)
        for other in over:
            other.remove()


def _to_table(shard: ShardPlan) -> pa.Table:
    columns = {
        **clip_columns(planned.clip for planned in shard.clips),
        "shard": [shard.index] * len(shard.clips),
        "num_shards": [shard.num_shards] * len(shard.clips),
        "path": [planned.media.path for planned in shard.clips],
        "span": [str(planned.media.span) for planned in shard.clips],
    }
    return pa.table(columns, schema=_PLAN_SCHEMA)


def _from_table(table: pa.Table) -> ShardPlan:
    rows: list[dict[str, Any]] = table.to_pylist()
    clips = tuple(PlannedClip(Clip.from_row(row), MediaFile(row["path"], Span(row["span"]))) for row in rows)
    return ShardPlan(clips[0].clip.split, rows[0]["shard"], rows[0]["num_shards"], clips)
