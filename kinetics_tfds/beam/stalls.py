"""Notices that a job stands still, says so, and ends it where the user wants that.

Some engines wait for ever for a worker that died: Beam's Python job service is one.
"""

from __future__ import annotations

import dataclasses
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from apache_beam.options.pipeline_options import (
    FlinkRunnerOptions,
    GoogleCloudOptions,
    PipelineOptions,
    PortableOptions,
    SparkRunnerOptions,
    StandardOptions,
)

from kinetics_tfds.durations import format_duration
from kinetics_tfds.errors import WorkerError


class StallOptions(PipelineOptions):
    """When a job counts as standing still."""

    @classmethod
    def _add_argparse_args(cls, parser: Any) -> None:
        parser.add_argument(
            "--stall_warning",
            type=float,
            default=10.0,
            metavar="MINUTES",
            help="After how many minutes in which nothing was finished a message says where to look.",
        )
        parser.add_argument(
            "--stall_timeout",
            type=float,
            default=None,
            metavar="MINUTES",
            help="After how many such minutes the command ends with an error; never where not given.",
        )


@dataclasses.dataclass(frozen=True)
class Work:
    """What a job has to do, as the process that started it sees it.

    Attributes:
        done: returns how much is finished; any change is progress. Called from a thread of its own.
        total: how much there is.
        unit: what is counted: `shards`.
        announced: whether a line says now and then how far it is; for jobs that have no other progress.
    """

    done: Callable[[], int]
    total: int
    unit: str
    announced: bool = False


class StallWatch:
    """Watches a job from a thread of its own, as a context manager around it.

    Attributes:
        error: set once the job has stood still for `--stall_timeout`. Inside a runner that blocks this process's main
            thread, the thread is interrupted too, as Ctrl-C would; leaving the context raises the error.
    """

    def __init__(self, work: Work, options: PipelineOptions) -> None:
        settings = options.view_as(StallOptions)
        self._work = work
        self._where = where_to_look(options)
        self._warn_after = 60 * settings.stall_warning
        self._end_after = None if settings.stall_timeout is None else 60 * settings.stall_timeout
        self._look_every = min(max(min(self._warn_after, self._end_after or self._warn_after) / 10, 0.1), 30.0)
        self._left = threading.Event()
        self._thread = threading.Thread(target=self._run, name="kinetics-stalls", daemon=True)
        self._main_waits = threading.current_thread() is threading.main_thread()
        self.error: WorkerError | None = None

    def __enter__(self) -> StallWatch:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        self._left.set()
        self._thread.join()
        if self.error is not None and kind is not None and error is not self.error:
            raise self.error from None

    def waits_elsewhere(self) -> None:
        """Says that the caller looks at `error` itself from here on, and needs no interrupt."""
        self._main_waits = False

    def _run(self) -> None:
        before, since = self._done(0), time.monotonic()
        warned = said = since
        while not self._left.wait(self._look_every):
            done, now = self._done(before), time.monotonic()
            if done != before:
                before, since, warned = done, now, now
                if self._work.announced and now - said >= _ANNOUNCE_SECONDS:
                    said = now
                    print(f"kinetics: {done:,} of {self._work.total:,} {self._work.unit}", file=sys.stderr)
            elif self._end_after is not None and now - since >= self._end_after:
                self.error = WorkerError(
                    f"{self._problem(done, now - since)} (--stall_timeout).", f"{self._where} {_NEXT}"
                )
                if self._main_waits:
                    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
                return
            elif now - warned >= self._warn_after:
                warned = now
                print(f"kinetics: {self._problem(done, now - since)}.\n  {self._where} {_STILL}", file=sys.stderr)

    def _done(self, before: int) -> int:
        try:
            return self._work.done()
        except Exception:  # a bucket that cannot be listed right now is no news
            return before

    def _problem(self, done: int, seconds: float) -> str:
        return (
            f"Nothing has finished for {format_duration(seconds)}: "
            f"{done:,} of {self._work.total:,} {self._work.unit} are done, the others are waited for"
        )


_ANNOUNCE_SECONDS = 30.0
_NEXT = "Then run the same command again: what is finished is kept."
_STILL = (
    "If a worker died, this job may wait for ever: stop it with Ctrl-C and run the same command again, which keeps "
    "what is finished. --stall_timeout=MINUTES ends such a job by itself."
)


def where_to_look(options: PipelineOptions) -> str:
    """Returns a sentence that says where a runner and its workers tell what they do."""
    runner = (options.view_as(StandardOptions).runner or "").rpartition(".")[2].lower().removesuffix("runner")
    portable = options.view_as(PortableOptions)
    workers = f"the workers' own ({portable.environment_type or 'DOCKER'} {portable.environment_config or ''})"
    if runner == "dataflow":
        cloud = options.view_as(GoogleCloudOptions)
        return (
            f"Look at the job in https://console.cloud.google.com/dataflow/jobs?project={cloud.project} "
            "(its worker logs, and whether workers could be started)."
        )
    if runner == "flink":
        return f"Look at Flink's page at {options.view_as(FlinkRunnerOptions).flink_master} and {workers}."
    if runner == "spark":
        return f"Look at the page of {options.view_as(SparkRunnerOptions).spark_master_url} and {workers}."
    if runner in ("portable", "prism"):
        return (
            f"Look at the log of the job service ({portable.job_endpoint or 'started by this command'}) and {workers}."
        )
    return "Look at this machine: memory, disks, and the folders that are read and written."
