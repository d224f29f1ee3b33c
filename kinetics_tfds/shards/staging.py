"""The folder in which finished shards wait until all are there.

It lies beside the folders that TFDS lists and cleans, and its name carries the build's fingerprint:

```
<data_dir>/kinetics600/jpeg256/.staging/
  1.0.0.lock
  1.0.0-3f9a1c02b7de/
    plan.json       what the fingerprint covers, for people and for comparing
    plan.parquet    the planned clips, a row group a shard, so that a worker reads only its own
    shards/         finished shards under their final names
    reports/        one sidecar a shard, written after it: a shard without one counts as not there
    errors/         what stopped a worker, for the process that started it
    stop            tells workers to stop; removed when a build goes on
```
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import functools
import json
import os
import threading
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from etils import epath

from kinetics_tfds import errors, frame_table
from kinetics_tfds.annotations.clip import Clip, Split, clip_columns, clip_schema
from kinetics_tfds.clips.media import MediaFile, Span
from kinetics_tfds.errors import KineticsError, WorkerError
from kinetics_tfds.file_systems import is_local
from kinetics_tfds.parquet import open_parquet, parquet_writer
from kinetics_tfds.planning.fingerprint import BuildIdentity
from kinetics_tfds.planning.plan import PlannedClip, ShardPlan, SplitPlan
from kinetics_tfds.shards.report import ShardReport

_PLAN_SCHEMA = clip_schema(
    ("shard", pa.int32()), ("num_shards", pa.int32()), ("path", pa.string()), ("span", pa.string())
)
_TEMPORARY = "incomplete."
_READS_AT_ONCE = 16


class Staging:
    """One build's staging folder.

    Attributes:
        path: the folder.
        fingerprint: of the build.
    """

    def __init__(self, path: epath.PathLike, fingerprint: str) -> None:
        self.path = epath.Path(path)
        self.fingerprint = fingerprint
        self._reading = threading.Lock()

    @property
    def shards(self) -> epath.Path:
        """Where finished shards lie."""
        return self.path / "shards"

    def temporary(self, file_name: str) -> epath.Path:
        """Returns a name for an unfinished file that no other worker uses."""
        return self.shards / f"{_TEMPORARY}{uuid.uuid4().hex}.{file_name}"

    def load_identity(self) -> BuildIdentity:
        """Returns what `plan.json` says, whatever its fingerprint; any error of the file or its content is raised."""
        return BuildIdentity(**json.loads((self.path / "plan.json").read_text())["covers"])

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
        for folder in (self.shards, self.path / "reports", self.path / "errors"):
            folder.mkdir(parents=True, exist_ok=True)
        with (
            _writing(self.path / "plan.parquet") as temporary,
            parquet_writer(temporary, _PLAN_SCHEMA) as writer,
        ):
            for plan in plans.values():
                for shard in plan.shards():
                    writer.write_table(_to_table(shard))
        text = json.dumps({"fingerprint": identity.fingerprint, "covers": identity.to_json()}, indent=2)
        with _writing(self.path / "plan.json") as temporary:
            temporary.write_text(text + "\n")

    def remove(self) -> None:
        """Removes the folder, `plan.json` first: what an interrupted removal leaves is not taken for a plan."""
        (self.path / "plan.json").unlink(missing_ok=True)
        self.path.rmtree()

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
        return open_parquet(self.path / "plan.parquet")

    def write_frame_table(self, shard_file: str, records: Iterable[np.ndarray]) -> None:
        """Writes where the frames of a shard's records lie."""
        with _writing(self.shards / frame_table.file_name(shard_file)) as temporary:
            temporary.write_bytes(frame_table.to_bytes(records))

    def write_report(self, report: ShardReport) -> None:
        """Writes a shard's sidecar; from then on the shard counts as finished."""
        with _writing(self.path / "reports" / f"{report.name}.json") as temporary:
            temporary.write_text(report.text)

    def read_report(self, name: str) -> ShardReport | None:
        """Returns a finished shard's sidecar, or None where there is none that can be used."""
        try:
            report = ShardReport.from_text((self.path / "reports" / f"{name}.json").read_text())
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return report if report.fingerprint == self.fingerprint else None

    def report_names(self) -> set[str]:
        """Returns the names of the shards that have a sidecar."""
        folder = self.path / "reports"
        if is_local(folder):  # called every second or so: half a millisecond a thousand shards
            names = os.listdir(folder) if folder.is_dir() else []
        else:
            names = [file.name for file in folder.iterdir()]
        return {name.removesuffix(".json") for name in names if name.endswith(".json")}

    def finished(self, name: str) -> ShardReport | None:
        """Returns a shard's report if sidecar and shard both exist, the shard in its full size."""
        report = self.read_report(name)
        if report is None:
            return None
        try:
            size = (self.shards / report.file_name).stat().length
        except OSError:
            return None
        return report if size == report.file_bytes else None

    def read_finished(self, names: Iterable[str]) -> dict[str, ShardReport]:
        """Returns the reports of those of the shards that are finished, by name; reads several at a time."""
        with concurrent.futures.ThreadPoolExecutor(_READS_AT_ONCE) as threads:
            return {report.name: report for report in threads.map(self.finished, names) if report is not None}

    def forget(self, name: str) -> None:
        """Removes a shard's sidecar, so that the shard is written again."""
        (self.path / "reports" / f"{name}.json").unlink(missing_ok=True)

    def write_error(self, error: KineticsError) -> None:
        """Leaves an error for the process that started the build: Beam itself hands on only text."""
        values = {"type": type(error).__name__, "problem": error.problem, "next_step": error.next_step}
        with _writing(self.path / "errors" / f"{time.time_ns()}-{uuid.uuid4().hex[:8]}.json") as temporary:
            temporary.write_text(json.dumps(values))

    def read_error(self) -> KineticsError | None:
        """Returns the first error a worker left, or None."""
        for file in sorted((self.path / "errors").glob("*.json")):
            values = json.loads(file.read_text())
            kind = getattr(errors, values["type"], WorkerError)
            return kind(values["problem"], values["next_step"])
        return None

    def ask_to_stop(self) -> None:
        """Tells all workers to stop at their next clip."""
        (self.path / "stop").write_text("stop\n")

    def asked_to_stop(self) -> bool:
        """Returns whether workers should stop."""
        return (self.path / "stop").exists()

    def clean(self) -> None:
        """Removes what a killed run left behind: unfinished files, errors, the wish to stop."""
        (self.path / "stop").unlink(missing_ok=True)
        for file in (self.path / "errors").glob("*.json"):
            file.unlink(missing_ok=True)
        for folder in (self.path, self.shards, self.path / "reports", self.path / "errors"):
            for file in folder.glob(f"{_TEMPORARY}*"):
                file.unlink(missing_ok=True)


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


@dataclasses.dataclass
class _writing:  # noqa: N801 - used as a context manager only
    """Gives a temporary path, and renames it to the wanted one when all went well."""

    path: epath.Path

    def __enter__(self) -> epath.Path:
        self._temporary = self.path.parent / f"{_TEMPORARY}{uuid.uuid4().hex}.{self.path.name}"
        return self._temporary

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._temporary.replace(self.path)
        else:
            self._temporary.unlink(missing_ok=True)
