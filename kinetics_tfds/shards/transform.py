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
from typing import Any, ClassVar

import apache_beam as beam
from apache_beam.metrics import Metrics
from apache_beam.options.pipeline_options import GoogleCloudOptions, PipelineOptions

from kinetics_tfds.errors import KineticsError, StorageError, WorkerError
from kinetics_tfds.retrying import classify
from kinetics_tfds.shards.progress import LIVE
from kinetics_tfds.shards.report import ClipState
from kinetics_tfds.shards.staging import Staging
from kinetics_tfds.shards.write import BuildJob, ShardOutcome, ShardWriter, StoppedError

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
            help="Decode failed clips again: those of staged shards, or in an update of a finished dataset.",
        )
        parser.add_argument(
            "--replace",
            action="store_true",
            default=False,
            help="After an update, remove the version that was updated.",
        )


def with_update(options: PipelineOptions | None, *, replace: bool) -> PipelineOptions:
    """Returns the options with those of an update; `take_update_option` reads them."""
    options = options or PipelineOptions([])
    options.view_as(GoogleCloudOptions).update = True
    options.view_as(BuildOptions).replace = replace
    return options


def take_update_option(options: PipelineOptions | None) -> bool:
    """Returns whether the options ask for an update where there is a finished dataset: by `update` or `retry_failed`.

    Takes `update` out, which Beam has for its own jobs on Dataflow.
    """
    if options is None:
        return False
    theirs = options.view_as(GoogleCloudOptions)
    update, theirs.update = bool(theirs.update), False
    return update or options.view_as(BuildOptions).retry_failed


class WriteShards(beam.PTransform):
    """Writes the shards of the given numbers; the output is each written shard's name.

    Applied to a pipeline's root.
    """

    def __init__(self, job: BuildJob, numbers: list[int]) -> None:
        super().__init__()
        self._job = job
        self._numbers = numbers

    def expand(self, pcoll):  # no type hints: Beam would log each that it cannot use
        """Applies the transform to a pipeline's root."""
        return (
            pcoll
            | "ShardNumbers" >> beam.Create(self._numbers)
            # Without it, Beam fuses everything and one worker gets all the shards.
            | "Spread" >> beam.Reshuffle()
            | "WriteShard" >> beam.ParDo(_WriteShard(self._job))
        )


class _WriteShard(beam.DoFn):
    """Writes shards in threads of its own, two at most: one that ends and one that begins.

    An error that says what a user can do about it goes to the staging folder, and the pipeline ends without it: no
    runner would gain by trying again. Any other error is Beam's, which may try again.
    """

    def __init__(self, job: BuildJob) -> None:
        self._job = job

    def setup(self) -> None:
        self._shared: _Shared | None = None
        try:
            self._shared = _Shared.join(self._job)
        except KineticsError as error:
            _report(Staging(self._job.data_path, self._job.fingerprint, self._job.run), error)
        self._threads = concurrent.futures.ThreadPoolExecutor(2, thread_name_prefix="write-shard")
        self._in_hand: collections.deque[concurrent.futures.Future[ShardOutcome | None]] = collections.deque()

    def process(self, number: int) -> Iterator[str]:
        if self._shared is None:
            return
        all_requested = threading.Event()
        self._in_hand.append(self._threads.submit(self._write, self._shared, number, all_requested))
        try:
            all_requested.wait()
            # All clips of the shard before were decoded ahead of this one's last: that shard is as good as written.
            while len(self._in_hand) > 1:
                yield from self._collect()
        except (Exception, KeyboardInterrupt):
            self._shared.writer.staging.run.ask_to_stop()  # or the other thread would finish its shard first
            raise

    def finish_bundle(self):
        window = beam.transforms.window.GlobalWindow()
        while self._in_hand:
            for name in self._collect():
                yield beam.utils.windowed_value.WindowedValue(name, window.max_timestamp(), [window])

    def teardown(self) -> None:
        self._threads.shutdown(wait=True)
        if self._shared is not None:
            self._shared.leave()

    def _write(self, shared: _Shared, number: int, all_requested: threading.Event) -> ShardOutcome | None:
        try:
            return shared.writer.write(number, shared.pool, all_requested.set)
        except StoppedError:
            return None
        except KineticsError as error:
            _report(shared.writer.staging, error)
            return None
        except Exception as error:
            if classify(error) is None:
                raise
            _report(shared.writer.staging, _cannot_write(shared.writer.staging, error))
            return None
        finally:
            all_requested.set()

    def _collect(self) -> list[str]:
        outcome = self._in_hand.popleft().result()
        if outcome is None:
            return []
        _count(outcome)
        LIVE.forget(outcome.report.name)
        return [outcome.report.name]


def _cannot_write(staging: Staging, error: Exception) -> WorkerError:
    return WorkerError(
        f"Cannot write to {staging.data_path}: {type(error).__name__}: {str(error).strip()[:300]}",
        "Make room there, or put right what the message says; the same command goes on: finished shards are kept.",
    )


def _report(staging: Staging, error: KineticsError) -> None:
    try:
        staging.run.write_error(error)
    except StorageError:
        raise error from None  # Beam hands on its text at least
    staging.run.ask_to_stop()


def _count(outcome: ShardOutcome) -> None:
    """Adds a shard to Beam's metrics; only the thread that runs the DoFn may."""
    report = outcome.report
    Metrics.counter(_NAMESPACE, "shards").inc()
    Metrics.counter(_NAMESPACE, "clips").inc(report.written)
    for reason, clips in report.failures.items():
        Metrics.counter(_NAMESPACE, f"failed_{reason}").inc(clips)
    frames = Metrics.distribution(_NAMESPACE, "frames_per_clip")
    size = Metrics.distribution(_NAMESPACE, "bytes_per_clip")
    for clip in report.read_clips():
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
    _known: ClassVar[dict[BuildJob, _Shared]] = {}

    def __init__(self, job: BuildJob) -> None:
        self._job = job
        self._users = 0
        self.writer = ShardWriter(job, on_clip=LIVE.add)
        self.pool = self.writer.open_pool()

    @classmethod
    def join(cls, job: BuildJob) -> _Shared:
        """Returns the process's pool and writer for a build; made by the first who asks."""
        with cls._lock:
            shared = cls._known.get(job)
            if shared is None:
                shared = cls._known[job] = _Shared(job)
            shared._users += 1
            return shared

    def leave(self) -> None:
        """Closes both when the last user has left."""
        with self._lock:
            self._users -= 1
            if self._users or self._known.pop(self._job, None) is None:
                return
        self.pool.close()


def close_pools() -> None:
    """Ends the decode workers of this process that a failed pipeline has left."""
    with _Shared._lock:
        left = list(_Shared._known.values())
        _Shared._known.clear()
    for shared in left:
        shared.pool.close()
