"""Runs a planned build through Beam, and turns what may go wrong into one clear error."""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Mapping
from typing import Any

from apache_beam.options.pipeline_options import PipelineOptions

from kinetics_tfds.annotations.clip import Split
from kinetics_tfds.beam.pipeline import run_pipeline
from kinetics_tfds.beam.stalls import Work
from kinetics_tfds.errors import ConfigError, TooManyFailuresError, WorkerError
from kinetics_tfds.planning.plan import SplitPlan
from kinetics_tfds.shards.failures import exceeds
from kinetics_tfds.shards.progress import BuildProgress
from kinetics_tfds.shards.replaced_media import describe_replaced, replaced_media
from kinetics_tfds.shards.report import ShardReport
from kinetics_tfds.shards.staging import Staging
from kinetics_tfds.shards.summary import BuildSummary, format_table, summarise
from kinetics_tfds.shards.transform import BuildOptions, WriteShards, close_pools
from kinetics_tfds.shards.write import BuildJob

WORKERS_VARIABLE = "KINETICS_DECODE_WORKERS"


@dataclasses.dataclass(frozen=True)
class BuildResult:
    """A build whose shards are all written.

    Attributes:
        summary: how many rows ended how.
        reports: of every shard, by name.
    """

    summary: BuildSummary
    reports: Mapping[str, ShardReport]


def run_build(
    staging: Staging,
    job: BuildJob,
    plans: Mapping[Split, SplitPlan],
    *,
    max_failure_rate: float,
    options: PipelineOptions | None = None,
    runner: Any = None,
) -> BuildResult:
    """Writes every planned shard that is not finished yet.

    Args:
        staging: the build's folder.
        job: what workers are told; its `decode_workers` gives way to the options and the environment.
        plans: the planned clips.
        max_failure_rate: the share of the clips on disk that may fail; gives way to the options.
        options: Beam's pipeline options.
        runner: a Beam runner; the options' where None, and FnApiRunner where they name none either.

    Raises:
        TooManyFailuresError: more clips failed than may; finished shards stay staged.
        WorkerError: a worker could not do its part.
    """
    options = options or PipelineOptions([])
    ours = options.view_as(BuildOptions)
    if ours.max_failure_rate is not None:
        max_failure_rate = ours.max_failure_rate
    reports = _reports_to_keep(staging, plans, job.media_root, retry_failed=ours.retry_failed)
    shards = [shard.name for plan in plans.values() for shard in plan.shards()]
    numbers = [number for number, name in enumerate(shards) if name not in reports]
    job = _with_workers(job, ours.decode_workers)
    if reports:
        print(f"kinetics: going on: {len(reports)} of {len(shards)} shards were done already.", file=sys.stderr)
    total = sum(len(plan.clips) for plan in plans.values())
    progress = BuildProgress(staging, total, reports, max_failure_rate=max_failure_rate)
    if numbers:
        with progress:
            _run_pipeline(WriteShards(job, numbers), options, runner, staging, progress, total)
        error = staging.run.read_error()
        if error is not None:
            raise error
    summary = summarise(plans, reports)
    nothing = summary.failed == summary.planned  # TFDS has no datasets without a record
    if progress.stopped or nothing or exceeds(summary.failed, summary.planned, max_failure_rate):
        raise _too_many(summary, max_failure_rate)
    if summary.tried < summary.planned:
        raise WorkerError(
            f"Beam says that it is done, but the shards of {summary.planned - summary.tried} clips are not in "
            f"{staging.path}.",
            "Check that every worker reaches the data_dir under the same path; then run the same command again.",
        )
    return BuildResult(summary, reports)


def _reports_to_keep(
    staging: Staging, plans: Mapping[Split, SplitPlan], media_root: str, *, retry_failed: bool
) -> dict[str, ShardReport]:
    """Returns the reports of finished shards by name, and forgets the sidecars of all that are to be written again."""
    names = staging.report_names()
    reports = staging.read_finished(names)
    if retry_failed:
        reports = {name: report for name, report in reports.items() if not report.failures}
    finished = [shard for plan in plans.values() for shard in plan.shards() if shard.name in reports]
    replaced = {
        shard.name: replaced_media(shard, reports[shard.name].read_clips(), media_root, staging.report_time(shard.name))
        for shard in finished
    }
    if replaced := {name: paths for name, paths in replaced.items() if paths}:
        print(f"kinetics: {describe_replaced(replaced.values())}.", file=sys.stderr)
        reports = {name: report for name, report in reports.items() if name not in replaced}
    for name in names - reports.keys():
        staging.forget(name)
    return reports


def _with_workers(job: BuildJob, from_options: int | None) -> BuildJob:
    workers: Any = from_options
    if workers is None and os.environ.get(WORKERS_VARIABLE):
        workers = os.environ[WORKERS_VARIABLE]
    if workers is None:
        return job
    try:
        count = int(workers)
    except ValueError:
        count = 0
    if count < 1:
        raise ConfigError(
            f"{workers!r} decode workers cannot be started.",
            f"Set --decode_workers or {WORKERS_VARIABLE} to 1 or more, or leave it out for one a CPU.",
        )
    return dataclasses.replace(job, decode_workers=count)


def _run_pipeline(
    transform: WriteShards, options: PipelineOptions, runner: Any, staging: Staging, progress: BuildProgress, total: int
) -> None:
    try:
        run_pipeline(transform, options, Work(progress.clips_done, total, "clips"), runner=runner)
    except Exception:
        found = staging.run.read_error()
        if found is not None:
            raise found from None
        raise
    except KeyboardInterrupt:
        raise WorkerError("The build was interrupted.", "The same command goes on: finished shards are kept.") from None
    finally:
        staging.run.ask_to_stop()  # after an error, threads that still write would only keep this process alive
        close_pools()


def _too_many(summary: BuildSummary, max_failure_rate: float) -> TooManyFailuresError:
    rate = summary.failed / max(1, summary.tried)
    return TooManyFailuresError(
        f"{summary.failed:,} of the {summary.tried:,} clips tried so far failed ({100 * rate:.1f} %, "
        f"max_failure_rate is {100 * max_failure_rate:g} %):\n{format_table(summary)}",
        "What is staged is kept. To go on with these failures, run again with "
        "--beam_pipeline_options=max_failure_rate=0.5 (or your limit); to try failed clips again after putting their "
        "files right, with --beam_pipeline_options=retry_failed.",
    )
