"""The Beam side: shard numbers in, written shards out.

The graph holds numbers only; the plan lies in the staging folder. A worker process has one pool of decode workers,
which all its threads share. While the last clips of a shard are in flight the next shard begins, so that decode workers
never wait for a file to end; a worker that dies loses the one or two shards in hand.
"""

from __future__ import annotations

import collections
import concurrent.futures
import threading
from collections.abc import Iterator
from typing import Any

import apache_beam as beam
from apache_beam.metrics import Metrics
from apache_beam.options.pipeline_options import PipelineOptions

from kinetics_tfds.errors import KineticsError
from kinetics_tfds.shards.progress import LIVE
from kinetics_tfds.shards.report import ClipState
from kinetics_tfds.shards.write import BuildJob, ShardOutcome, ShardWriter

_NAMESPACE = "kinetics"


class BuildOptions(PipelineOptions):
    """This project's own pipeline options."""

    @classmethod
    def _add_argparse_args(cls, parser: Any) -> None:
        parser.add_argument(
            "--decode_workers",
            type=int,
            default=None,
            help="Decode processes in each worker process; KINETICS_DECODE_WORKERS, or one a CPU, where not given.",
        )
        parser.add_argument(
            "--max_failure_rate",
            type=float,
            default=None,
            help="The share of the clips on disk that may fail, 0 to 1, instead of the config's.",
        )
        parser.add_argument(
            "--retry_failed",
            action="store_true",
            default=False,
            help="Write staged shards with failed clips again.",
        )


class WriteShards(beam.PTransform):
    """Writes shards by number; the output is each written shard's name.

    `numbers | WriteShards(job)`, or applied to a pipeline's root with the numbers given here.
    """

    def __init__(self, job: BuildJob, numbers: list[int]) -> None:
        super().__init__()
        self._job = job
        self._numbers = numbers

    def expand(self, pcoll: Any) -> Any:
        """Applies the transform to a pipeline's root."""
        return (
            pcoll
            | "ShardNumbers" >> beam.Create(self._numbers)
            # Without it, Beam fuses everything and one worker gets all the shards.
            | "Spread" >> beam.Reshuffle()
            | "WriteShard" >> beam.ParDo(_WriteShard(self._job))
        )


class _WriteShard(beam.DoFn):
    """Writes shards in threads of its own, two at most: one that ends and one that begins."""

    def __init__(self, job: BuildJob) -> None:
        self._job = job

    def setup(self) -> None:
        self._shared = _Shared.join(self._job)
        self._threads = concurrent.futures.ThreadPoolExecutor(2, thread_name_prefix="write-shard")
        self._in_hand: collections.deque[concurrent.futures.Future[ShardOutcome]] = collections.deque()

    def process(self, number: int) -> Iterator[str]:
        all_requested = threading.Event()
        future = self._threads.submit(self._write, number, all_requested)
        self._in_hand.append(future)
        all_requested.wait()
        # The one before has had all its clips decoded before this one's were; it is as good as written.
        while len(self._in_hand) > 1 or (self._in_hand and self._in_hand[0].done()):
            yield self._finish()

    def finish_bundle(self) -> Iterator[Any]:
        while self._in_hand:
            yield beam.utils.windowed_value.WindowedValue(
                self._finish(), beam.transforms.window.GlobalWindow().max_timestamp(), [_global_window()]
            )

    def teardown(self) -> None:
        self._threads.shutdown(wait=True)
        self._shared.leave()

    def _write(self, number: int, all_requested: threading.Event) -> ShardOutcome:
        try:
            return self._shared.writer.write(number, self._shared.pool, all_requested.set)
        except KineticsError as error:
            self._shared.writer.staging.write_error(error)
            raise
        finally:
            all_requested.set()

    def _finish(self) -> str:
        outcome = self._in_hand.popleft().result()
        _count(outcome)
        LIVE.finish(outcome.report.name)
        return outcome.report.name


def _global_window() -> Any:
    return beam.transforms.window.GlobalWindow()


def _count(outcome: ShardOutcome) -> None:
    """Adds a shard to Beam's metrics; only the thread that runs the DoFn may."""
    report = outcome.report
    Metrics.counter(_NAMESPACE, "shards").inc()
    Metrics.counter(_NAMESPACE, "clips").inc(report.written)
    for reason, clips in report.failures.items():
        Metrics.counter(_NAMESPACE, f"failed_{reason}").inc(clips)
    frames = Metrics.distribution(_NAMESPACE, "frames_per_clip")
    size = Metrics.distribution(_NAMESPACE, "bytes_per_clip")
    for clip in report.clips:
        if clip.state is ClipState.WRITTEN:
            Metrics.counter(_NAMESPACE, "frames").inc(clip.frames)
            Metrics.counter(_NAMESPACE, "bytes").inc(clip.bytes)
            frames.update(clip.frames)
            size.update(clip.bytes)
    times = Metrics.distribution(_NAMESPACE, "decode_ms_per_clip")
    for milliseconds in outcome.decode_ms:
        times.update(milliseconds)


class _Shared:
    """The writer and the decode pool that all DoFns of one process and build share."""

    _lock = threading.Lock()
    _known: dict[BuildJob, _Shared] = {}  # noqa: RUF012 - the process's own, on purpose

    def __init__(self, job: BuildJob) -> None:
        self._job = job
        self.users = 0
        self.writer = ShardWriter(job, on_clip=LIVE.add)
        self.pool = self.writer.open_pool()

    @classmethod
    def join(cls, job: BuildJob) -> _Shared:
        """Returns the process's pool and writer for a build; made by the first who asks."""
        with cls._lock:
            shared = cls._known.get(job)
            if shared is None:
                shared = cls._known[job] = _open(job)
            shared.users += 1
            return shared

    def leave(self) -> None:
        """Closes both when the last user has left."""
        with self._lock:
            self.users -= 1
            if self.users == 0:
                del self._known[self._job]
                self.pool.close()


def _open(job: BuildJob) -> _Shared:
    try:
        return _Shared(job)
    except KineticsError as error:
        from kinetics_tfds.shards.staging import Staging

        Staging(job.staging, job.fingerprint).write_error(error)
        raise
