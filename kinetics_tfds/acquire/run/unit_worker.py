"""One process at work on a source: fetching in threads, finishing in processes, writing everything down."""

from __future__ import annotations

import collections
import concurrent.futures
import contextlib
import dataclasses
import itertools
import logging
import os
import pathlib
import shutil
import time
from collections.abc import Iterable, Iterator

from kinetics_tfds.acquire.config import AcquireConfig
from kinetics_tfds.acquire.ledger.records import LedgerWriter, Record
from kinetics_tfds.acquire.outcome import Outcome, OutcomeClass, Reason
from kinetics_tfds.acquire.rate_limit import RateLimiter
from kinetics_tfds.acquire.run.stop import stop_file, stopping
from kinetics_tfds.acquire.run.work_list import WorkItem
from kinetics_tfds.acquire.source import FetchContext, Fetched, FetchFailure, Source, StoppedError
from kinetics_tfds.acquire.sources.http import raise_if_full
from kinetics_tfds.acquire.store.clip_store import clip_path, open_store
from kinetics_tfds.acquire.transcode.clip_file import Finished, Job
from kinetics_tfds.acquire.transcode.pool import result_of_job, shared_pool, submit_job
from kinetics_tfds.annotations.clip import Clip
from kinetics_tfds.decode.types import DecodeLimits
from kinetics_tfds.errors import AcquireError, WorkerError
from kinetics_tfds.workers import TaskFuture

_log = logging.getLogger(__name__)
_SPACE_CHECK_SECONDS = 2.0
_FETCH = "fetch"


@dataclasses.dataclass(frozen=True)
class Task:
    """What every process of a pass must know.

    Attributes:
        run: names the run.
        store: the store's root.
        source: name of the source that the pass is about.
        config: the settings.
        version: the annotation version's name.
    """

    run: str
    store: str
    source: str
    config: AcquireConfig
    version: str


class Worker:
    """Works on units of one source until there are none, or the run stops. Use as a context manager.

    Args:
        task: what to do.
    """

    def __init__(self, task: Task) -> None:
        self._task = task
        self._config = task.config
        (self._source,) = task.config.only([task.source]).sources
        self._store = open_store(task.store)
        self._stop_file = stop_file(task.config, task.run)
        self._stack = contextlib.ExitStack()
        self._failure: BaseException | None = None
        self._space_checked = 0.0
        self._numbers = itertools.count()
        self._folders: list[pathlib.Path] = []  # of units that are done, empty

    def __enter__(self) -> Worker:
        self._scratch = self._stack.enter_context(self._store.scratch())
        self._ledger = self._stack.enter_context(LedgerWriter(self._store))
        self._pool = shared_pool(self._config.workers)
        self._rate_limiter = rate_limiter_of(self._source, self._config, self._task.run)
        return self

    def __exit__(self, *unused: object) -> None:
        self._stack.close()

    def run(self, items: Iterable[WorkItem]) -> collections.Counter[OutcomeClass]:
        """Works through items, several at a time, and returns how many clips ended in which class.

        Raises:
            AcquireError: the run cannot go on (disk full, refusals, a signal). What was in flight is not recorded.
        """
        counts: collections.Counter[OutcomeClass] = collections.Counter()
        # Units that wait for their clips to be finished hold a thread, but no place at the source.
        size = self._source.rate_limit.concurrency + self._pool.workers
        with concurrent.futures.ThreadPoolExecutor(size, thread_name_prefix=f"acquire-{self._source.name}") as threads:
            flying: set[concurrent.futures.Future] = set()
            for item in items:
                if self._failure is not None:
                    break
                flying.add(threads.submit(self._try, item))
                if len(flying) >= 2 * size:
                    # Any of them: one long archive or slow video must not leave the other threads without work.
                    done, flying = concurrent.futures.wait(flying, return_when=concurrent.futures.FIRST_COMPLETED)
                    counts += sum((future.result() for future in done), collections.Counter())
            counts += sum((future.result() for future in flying), collections.Counter())
        if self._failure is not None:
            raise_if_full(self._failure, self._scratch / "any")
            raise self._failure
        return counts

    def check(self) -> None:
        """Raises where work must end: a signal, another thread's failure, a full disk."""
        if self._failure is not None or stopping.is_set() or self._stop_file.exists():
            raise StoppedError("The run was asked to stop.", "Run the same command again: it goes on where it stopped.")
        if time.monotonic() - self._space_checked > _SPACE_CHECK_SECONDS:
            self._space_checked = time.monotonic()
            self._store.check_space(int(self._config.min_free_gb * 1e9))

    @contextlib.contextmanager
    def _folder(self) -> Iterator[pathlib.Path]:
        """Gives a folder for a unit, with an empty one in it for its source."""
        try:
            folder = self._folders.pop()
        except IndexError:
            folder = self._scratch / f"{next(self._numbers)}"
            (folder / _FETCH).mkdir(parents=True)
        try:
            yield folder
        finally:
            # Half a million units: making and removing folders would be most of what a row costs that is not there.
            if os.listdir(folder) == [_FETCH] and not os.listdir(folder / _FETCH):
                self._folders.append(folder)
            else:
                shutil.rmtree(folder, ignore_errors=True)

    def _try(self, item: WorkItem) -> collections.Counter[OutcomeClass]:
        try:
            self.check()
            return _Unit(self, item).run()
        except BaseException as error:  # one thread's end of the run is the end for all
            if self._failure is None:
                self._failure = error
            return collections.Counter()


class _Unit:
    """One unit on its way through a worker."""

    def __init__(self, worker: Worker, item: WorkItem) -> None:
        self._worker = worker
        self._unit = item.unit
        self._attempts = dict(zip(item.unit.clips, item.attempts, strict=True))
        self._open = set(item.unit.clips)
        self._counts: collections.Counter[OutcomeClass] = collections.Counter()
        self._refused: Outcome | None = None
        self._pending: collections.deque[tuple[Clip, Fetched, Job, TaskFuture]] = collections.deque()
        self._numbers = itertools.count()

    def run(self) -> collections.Counter[OutcomeClass]:
        worker = self._worker
        with worker._folder() as folder:
            try:
                with worker._rate_limiter.permit(worker.check) as permit:
                    self._fetch(folder)
                    permit.report(self._refused)
                self._settle(0)
                if self._open:
                    self._record(tuple(self._open), Outcome(Reason.UNEXPECTED, "the source said nothing of this clip"))
            finally:
                for *_, future in self._pending:
                    future.abandon()
        return self._counts

    def _fetch(self, folder: pathlib.Path) -> None:
        worker = self._worker
        fetching = folder / _FETCH
        cache = worker._config.state_folder / "indexes" / worker._source.name
        context = FetchContext(
            scratch=fetching, check=worker.check, log=_log.info, cache=cache, version=worker._task.version
        )
        try:
            for item in worker._source.fetch(self._unit, context):
                if isinstance(item, FetchFailure):
                    self._record(item.clips, item.outcome)
                    continue
                for clip in item.clips:
                    job = self._job(clip, item, folder, fetching)
                    self._pending.append((clip, item, job, submit_job(worker._pool, job)))
                # The source goes on while clips are finished, but never far ahead of them.
                self._settle(2 * worker._pool.workers)
        except (AcquireError, WorkerError):
            raise
        except Exception as error:
            _log.exception("%s: unit %s", worker._source.name, self._unit.key)
            self._settle(0)
            self._record(tuple(self._open), Outcome(Reason.UNEXPECTED, f"{type(error).__name__}: {error}"))

    def _job(self, clip: Clip, item: Fetched, folder: pathlib.Path, fetching: pathlib.Path) -> Job:
        config = self._worker._config
        owned = fetching in item.video.parents
        return Job(
            video=str(item.video),
            audio=str(item.audio) if item.audio else None,
            span=item.span,
            time_start=clip.time_start,
            time_end=clip.time_end,
            target=str(folder / f"clip{next(self._numbers)}"),
            may_move=owned and len(item.clips) == 1,
            complete=item.complete,
            cut=config.cut,
            check=config.check,
            limits=DecodeLimits(wall_seconds=config.cut.seconds),
        )

    def _settle(self, most: int) -> None:
        """Stores finished clips until at most `most` are left to wait for."""
        while len(self._pending) > most:
            clip, item, job, future = self._pending.popleft()
            done = result_of_job(future, job)
            if isinstance(done, Finished):
                self._store(clip, item, done)
            else:
                self._record((clip,), done)
            last_of_file = all(other.video != item.video for _, other, *_ in self._pending)
            if last_of_file and self._worker._scratch in item.video.parents:
                item.video.unlink(missing_ok=True)

    def _store(self, clip: Clip, item: Fetched, done: Finished) -> None:
        finished = pathlib.Path(done.path)
        path = clip_path(clip, finished.suffix)
        # Written down first: a crash in between leaves a record whose clip still lies in scratch, where `recover` finds
        # it, and never a clip that nobody knows the origin of.
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
            self._worker._store.publish(finished, path)
        except Exception as error:
            self._counts[OutcomeClass.DONE] -= 1
            self._open.add(clip)
            self._record((clip,), Outcome(Reason.UNEXPECTED, f"could not be stored: {error}"))

    def _record(self, clips: tuple[Clip, ...], outcome: Outcome, **stored) -> None:
        clips = tuple(clip for clip in clips if clip in self._open)
        if outcome.outcome_class is OutcomeClass.RUN_LEVEL:
            self._refused = outcome
        worker = self._worker
        now = time.time()
        worker._ledger.write(
            make_record(
                clip, outcome, worker._source, worker._task.run, self._unit.key, self._attempts[clip], now, **stored
            )
            for clip in clips
        )
        self._open.difference_update(clips)
        self._counts[outcome.outcome_class] += len(clips)


def make_record(
    clip: Clip, outcome: Outcome, source: Source, run: str, unit: str, attempt: int, now: float, **stored
) -> Record:
    """Returns the ledger's record of one attempt."""
    return Record(
        split=str(clip.split),
        youtube_id=clip.youtube_id,
        time_start=clip.time_start,
        time_end=clip.time_end,
        source=source.name,
        unit=unit,
        outcome_class=outcome.outcome_class,
        reason=outcome.reason,
        message=outcome.message,
        time=now,
        attempt=attempt,
        fetcher=source.fetcher,
        run=run,
        **stored,
    )


def cache_of(source: Source, config: AcquireConfig) -> pathlib.Path:
    """Returns the local folder in which a source keeps what it learns."""
    folder = config.state_folder / "indexes" / source.name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def rate_limiter_of(source: Source, config: AcquireConfig, run: str) -> RateLimiter:
    """Returns the rate limiter that all processes of this machine share for a source."""
    return RateLimiter(config.state_folder / "rate_limit", source.name, source.rate_limit, run)
