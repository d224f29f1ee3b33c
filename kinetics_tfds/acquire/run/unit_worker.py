"""One process at work on a source: fetching in threads, finishing in processes, writing everything down."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import itertools
import logging
import pathlib
import tempfile
import threading
import time
from collections.abc import Iterable
from typing import Any

from kinetics_tfds.acquire.config import AcquireConfig
from kinetics_tfds.acquire.ledger.attempt import Attempt
from kinetics_tfds.acquire.ledger.ledger import LedgerWriter
from kinetics_tfds.acquire.outcome import Outcome, OutcomeClass, Reason, redact
from kinetics_tfds.acquire.rate_limit import RateLimiter
from kinetics_tfds.acquire.run.stop import check_stop, stop_file, stopping
from kinetics_tfds.acquire.run.work_list import WorkItem
from kinetics_tfds.acquire.source import FetchContext, Fetched, FetchFailure, Source
from kinetics_tfds.acquire.sources.download import raise_if_full
from kinetics_tfds.acquire.store.clip_store import clip_path, open_store
from kinetics_tfds.acquire.transcode.clip_file import Finished, Job
from kinetics_tfds.acquire.transcode.pool import result_of_job, shared_pool, submit_job
from kinetics_tfds.annotations.clip import Clip
from kinetics_tfds.decode.types import DecodeLimits
from kinetics_tfds.errors import AcquireError, WorkerError
from kinetics_tfds.workers import TaskFuture

_log = logging.getLogger(__name__)
_SPACE_CHECK_SECONDS = 2.0
# How long threads may take to wind up; one that waits for a stalled connection is left behind then.
_WIND_UP_SECONDS = 2.0


@dataclasses.dataclass(frozen=True)
class Task:
    """What every process of a pass must know: names, the store's root, and the settings."""

    run: str
    store: str
    source: str
    config: AcquireConfig
    version: str


class Worker:
    """Works on units of one source until there are none, or the run stops. Use as a context manager."""

    def __init__(self, task: Task) -> None:
        self.task, self.config = task, task.config
        (self.source,) = task.config.only([task.source]).sources
        self.store = open_store(task.store)
        self.cache = cache_of(self.source, task.config)
        self.limiter = rate_limiter_of(self.source, task.config, task.run)
        self.pool = shared_pool(task.config.workers)
        self._stop_file = stop_file(task.config, task.run)
        self._stack = contextlib.ExitStack()
        self._failure: BaseException | None = None
        self._space_checked = 0.0

    def __enter__(self) -> Worker:
        self.scratch = self._stack.enter_context(self.store.scratch(self.task.run))
        self.ledger = self._stack.enter_context(LedgerWriter(self.store))
        return self

    def __exit__(self, *unused: object) -> None:
        self._stack.close()

    def run(self, items: Iterable[WorkItem]) -> collections.Counter[OutcomeClass]:
        """Works through items, several at a time, and returns how many clips ended in which class.

        Raises:
            AcquireError: the run cannot go on (disk full, refusals, a signal). What was in flight is not recorded.
            WorkerError: the processes that cut are killed from outside again and again.
        """
        self.check()  # before a thread of several finds room because another is looking
        counts: collections.Counter[OutcomeClass] = collections.Counter()
        iterator, lock = iter(items), threading.Lock()

        def work() -> None:
            try:
                while self._failure is None:
                    with lock:
                        item = next(iterator, None)
                    if item is None:
                        return
                    done = _UnitRun(self, item).run()
                    with lock:
                        counts.update(done)
            except BaseException as error:  # one thread's end of the run is the end for all
                self._failure = self._failure or error

        # Units that wait for their clips to be finished hold a thread, but no slot at the source. Daemons: at the end,
        # Python must not wait for a thread that waits for a server.
        size = self.source.rate_limit.concurrency + self.pool.workers
        threads = [threading.Thread(target=work, daemon=True, name="acquire-unit") for _ in range(size)]
        for thread in threads:
            thread.start()
        self._join(threads)
        if self._failure is not None:
            raise_if_full(self._failure, self.scratch)
            raise self._failure
        check_stop()
        self.ledger.flush()
        return counts

    def _join(self, threads: list[threading.Thread]) -> None:
        give_up = None
        for thread in threads:
            while thread.is_alive() and (give_up is None or time.monotonic() < give_up):
                thread.join(0.1)
                if give_up is None and self._ending():
                    give_up = time.monotonic() + _WIND_UP_SECONDS

    def _ending(self) -> bool:
        return self._failure is not None or stopping.is_set() or self._stop_file.exists()

    def check(self) -> None:
        """Raises where work must end: a signal, another thread's failure, a full disk."""
        check_stop(self._ending())
        if time.monotonic() - self._space_checked > _SPACE_CHECK_SECONDS:
            self._space_checked = time.monotonic()
            self.store.check_space(int(self.config.min_free_gb * 1e9))


class _UnitRun:
    """One unit on its way through a worker."""

    def __init__(self, worker: Worker, item: WorkItem) -> None:
        self._worker, self._unit = worker, item.unit
        self._open = {
            clip: new_attempt(clip, worker.source, worker.task.run, item.unit.key, number)
            for clip, number in zip(item.unit.clips, item.attempts, strict=True)
        }
        self._ended: dict[Clip, Attempt] = {}
        self._rejected: set[Clip] = set()  # those of them whose file was of no use
        self._refused: Outcome | None = None
        self._finishing: collections.deque[tuple[Clip, Fetched, Job, TaskFuture]] = collections.deque()
        self._numbers = itertools.count()

    def run(self) -> collections.Counter[OutcomeClass]:
        worker = self._worker
        with tempfile.TemporaryDirectory(dir=worker.scratch, ignore_cleanup_errors=True) as folder:
            try:
                with worker.limiter.permit(worker.check) as began:
                    self._fetch(pathlib.Path(folder))
                    if self._refused is not None:
                        worker.limiter.refused(self._refused, began)
                self._settle(0)
                self._record(tuple(self._open), Outcome(Reason.UNEXPECTED, "the source said nothing of this clip"))
            finally:
                for *_, future in self._finishing:
                    future.abandon()
        ended = self._ended.values()
        failed = next((attempt for attempt in ended if attempt.may_be_the_sources), None)
        if self._refused is None and any(attempt.is_answer for attempt in ended):
            worker.limiter.answered(began)
        elif self._refused is None and failed is not None:
            worker.limiter.failed(Outcome(failed.reason, failed.message))
        return collections.Counter(attempt.outcome_class for attempt in ended)

    def _fetch(self, folder: pathlib.Path) -> None:
        worker = self._worker
        fetching = folder / "fetch"
        fetching.mkdir()
        context = FetchContext(
            scratch=fetching,
            rejected=self._wait_for_rejected,
            check=worker.check,
            log=_log.info,
            cache=worker.cache,
            version=worker.task.version,
        )
        try:
            for item in worker.source.fetch(self._unit, context):
                if isinstance(item, FetchFailure):
                    self._record(item.clips, item.outcome)
                    continue
                for clip in item.clips:
                    if clip in self._rejected:
                        self._rejected.remove(clip)
                        self._open[clip] = self._ended.pop(clip)
                    job = self._job(clip, item, folder, fetching)
                    self._finishing.append((clip, item, job, submit_job(worker.pool, job)))
                # The source goes on while clips are finished, but never far ahead of them.
                self._settle(2 * worker.pool.workers)
        except (AcquireError, WorkerError):
            raise
        except Exception as error:
            outcome = Outcome(Reason.UNEXPECTED, f"{type(error).__name__}: {error}")
            _log.error("%s: unit %s: %s", worker.source.name, redact(self._unit.key), outcome.message)
            self._settle(0)
            self._record(tuple(self._open), outcome)

    def _job(self, clip: Clip, item: Fetched, folder: pathlib.Path, fetching: pathlib.Path) -> Job:
        config = self._worker.config
        owned = fetching in item.video.parents
        return Job(
            clip=clip,
            fetched=dataclasses.replace(item, clips=()),  # one may serve thousands
            target=folder / f"clip{next(self._numbers)}",
            may_move=owned and len(item.clips) == 1,
            cut=config.cut,
            check=config.check,
            limits=DecodeLimits(wall_seconds=config.cut.seconds),
        )

    def _wait_for_rejected(self) -> set[Clip]:
        self._settle(0)
        return set(self._rejected)

    def _settle(self, most: int) -> None:
        """Stores finished clips until at most `most` are left to wait for."""
        while len(self._finishing) > most:
            clip, item, job, future = self._finishing.popleft()
            done = result_of_job(future, job)
            if isinstance(done, Finished):
                self._store(clip, item, done)
            else:
                self._record((clip,), done)
                self._rejected.add(clip)
            last_of_file = all(other.video != item.video for _, other, *_ in self._finishing)
            if last_of_file and self._worker.scratch in item.video.parents:
                item.video.unlink(missing_ok=True)

    def _store(self, clip: Clip, item: Fetched, done: Finished) -> None:
        attempt = self._open.get(clip)
        if attempt is None:
            return
        path = clip_path(clip, done.path.suffix)
        # Recorded first: a crash in between leaves a record without a clip, which is then fetched again, and never a
        # clip that nobody knows the origin of.
        self._record(
            (clip,),
            Outcome(Reason.STORED),
            path=path,
            sha256=done.sha256,
            bytes=done.bytes,
            origin=item.origin,
            cut=done.cut,
            duration=done.duration,
        )
        try:
            self._worker.store.publish(done.path, path)
        except Exception as error:  # buckets' drivers bring their own classes
            self._open[clip] = attempt
            self._record((clip,), Outcome(Reason.UNEXPECTED, f"could not be stored: {error}"))

    def _record(self, clips: tuple[Clip, ...], outcome: Outcome, **stored: Any) -> None:
        ended = {
            clip: self._open.pop(clip).with_outcome(outcome, time.time(), **stored)
            for clip in clips
            if clip in self._open
        }
        self._worker.ledger.write(ended.values())
        self._ended |= ended
        if outcome.outcome_class is OutcomeClass.RUN_LEVEL:
            self._refused = outcome


def new_attempt(clip: Clip, source: Source, run: str, unit: str, number: int) -> Attempt:
    """Returns an attempt that has not ended yet."""
    about = {"clip": clip, "source": source.name, "unit": unit, "fetcher": source.fetcher, "run": run}
    return Attempt(**about, reason=Reason.UNEXPECTED, attempt=number)


def cache_of(source: Source, config: AcquireConfig) -> pathlib.Path:
    """Returns the local folder in which a source keeps what it learns."""
    folder = config.state_folder / "indexes" / source.name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def rate_limiter_of(source: Source, config: AcquireConfig, run: str) -> RateLimiter:
    """Returns the rate limiter that all processes of this machine share for a source."""
    return RateLimiter(config.state_folder / "rate_limit", source.name, source.rate_limit, run)
