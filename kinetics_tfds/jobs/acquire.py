"""A pass of acquiring as a Beam job, one work item per shard of its work list."""

from __future__ import annotations

import contextlib
import json
import socket
import time
from collections.abc import Callable, Iterator

import apache_beam as beam
from apache_beam.metrics import Metrics
from apache_beam.options.pipeline_options import PipelineOptions

from kinetics_tfds.acquire.ledger.ledger import FOLDER, read_ledger
from kinetics_tfds.acquire.rate_limit import SourceStoppedError
from kinetics_tfds.acquire.run.unit_worker import Task, Worker
from kinetics_tfds.acquire.run.work_list import WorkList, read_work
from kinetics_tfds.acquire.store.clip_store import ClipStore, open_store
from kinetics_tfds.beam.pipeline import run_pipeline
from kinetics_tfds.beam.stalls import Work
from kinetics_tfds.errors import AcquireError, KineticsError

_NAMESPACE = "acquire"


class FetchShards(beam.PTransform):
    """Works through the shards of a pass's work list; the output is (outcome class, clips) of each shard."""

    def __init__(self, task: Task, work: WorkList) -> None:
        super().__init__()
        self._task = task
        self._work = work

    def expand(self, pcoll):
        """Applies the transform to a pipeline's root."""
        return (
            pcoll
            | "ShardNumbers" >> beam.Create(range(self._work.shards))
            # Without it, Beam fuses everything and one worker gets all the shards.
            | "Spread" >> beam.Reshuffle()
            | "Fetch" >> beam.ParDo(_Fetch(self._task, self._work))
        )


class _Fetch(beam.DoFn):
    """Works through shards with one `Worker`. What ends the run is left in the store: trying again would not help."""

    def __init__(self, task: Task, work: WorkList) -> None:
        self._task = task
        self._work = work

    def setup(self) -> None:
        self._stack = contextlib.ExitStack()
        self._worker: Worker | None = None
        self._store = open_store(self._task.store)
        with self._reported():
            self._worker = self._stack.enter_context(Worker(self._task))

    def process(self, number: int) -> Iterator[tuple[str, int]]:
        if self._worker is None:
            return
        with self._reported():
            counts = self._worker.run(read_work(self._store, self._work.shard_name(number)))
            for kind, clips in counts.items():
                Metrics.counter(_NAMESPACE, str(kind)).inc(clips)
                yield str(kind), clips

    def teardown(self) -> None:
        self._stack.close()

    @contextlib.contextmanager
    def _reported(self) -> Iterator[None]:
        try:
            yield
        except KineticsError as error:
            self._worker = None
            told = {"problem": error.problem, "next_step": error.next_step}
            told["kind"] = "source" if isinstance(error, SourceStoppedError) else "run"
            name = f"{self._work.folder}/halt/{socket.gethostname()}-{time.time_ns()}.json"
            self._store.write_hidden(name, json.dumps(told).encode())


def run_pass(task: Task, work: WorkList, options: PipelineOptions) -> None:
    """Does one pass as a Beam job.

    Raises:
        AcquireError: a worker had to stop.
        WorkerError: the job failed, or stood still for longer than `--stall_timeout`.
    """
    store = open_store(task.store)
    run_pipeline(FetchShards(task, work), options, Work(_tried_clips(store), work.clips, "clips"))
    raise_halts(store, work)


def _tried_clips(store: ClipStore) -> Callable[[], int]:
    """Returns a function that counts the clips tried from now on."""
    offsets, tried = store.hidden_sizes(FOLDER), 0

    def count() -> int:
        nonlocal tried
        tried += sum(1 for _ in read_ledger(store, offsets))
        return tried

    return count


def raise_halts(store: ClipStore, work: WorkList) -> None:
    """Raises what made workers of a pass stop, if anything did."""
    for name in store.hidden_sizes(f"{work.folder}/halt"):
        told = json.loads(b"".join(store.read_lines(name)))
        kind = SourceStoppedError if told["kind"] == "source" else AcquireError
        raise kind(told["problem"], told["next_step"])
