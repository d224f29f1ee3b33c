"""A whole run: for each source in order, pass after pass, until nothing more can be tried there.

What is to be tried is read from the ledger at the beginning of every pass, so a run that was killed and one that goes
on are the same thing.
"""

from __future__ import annotations

import dataclasses
import itertools
import secrets
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

from kinetics_tfds.acquire.config import AcquireConfig
from kinetics_tfds.acquire.ledger.attempt import Attempt
from kinetics_tfds.acquire.ledger.attempts_by_clip import AttemptsByClip
from kinetics_tfds.acquire.ledger.ledger import LedgerWriter, read_ledger
from kinetics_tfds.acquire.outcome import OutcomeClass, Reason
from kinetics_tfds.acquire.rate_limit import SourceStoppedError
from kinetics_tfds.acquire.run.progress import Progress
from kinetics_tfds.acquire.run.schedule import (
    NEVER,
    RetryRules,
    Schedule,
    jitter,
    make_schedule,
    next_try,
    save_settings,
)
from kinetics_tfds.acquire.run.stop import check_stop, stopping
from kinetics_tfds.acquire.run.unit_worker import Task, Worker, cache_of, new_attempt, rate_limiter_of
from kinetics_tfds.acquire.run.work_list import FOLDER, WorkList, read_work, write_work
from kinetics_tfds.acquire.siblings import find_siblings
from kinetics_tfds.acquire.source import PlanContext, Source, StoppedError, Unit
from kinetics_tfds.acquire.store.clip_store import ClipStore, open_store
from kinetics_tfds.acquire.store.intact import intact_clips
from kinetics_tfds.acquire.store.run_lock import run_lock
from kinetics_tfds.annotations.clip import Clip
from kinetics_tfds.annotations.versions import KineticsVersion
from kinetics_tfds.durations import format_duration
from kinetics_tfds.errors import AcquireError


@dataclasses.dataclass(frozen=True, kw_only=True)
class Run:
    """One call of the command.

    Attributes:
        version: the annotation version.
        clips: the wanted rows.
        rows: all rows of the version; the wanted ones where empty. They tell of files named by a video's id alone whose
            clip they are not.
        store: the store's root.
        config: the settings.
        all_sources: names of the config's sources, those included that this run leaves out; its own where empty.
        force: classes to try again whatever their age.
        run_pass: does the work of one pass; in this process by default.
        say: takes lines for people.
        interval: seconds between two lines of progress.
        name: names the run.
    """

    version: KineticsVersion
    clips: Sequence[Clip]
    rows: Sequence[Clip] = ()
    store: str
    config: AcquireConfig
    all_sources: Sequence[str] = ()
    force: frozenset[OutcomeClass] = frozenset()
    run_pass: Callable[[Task, WorkList], None] = lambda task, work: run_pass_here(task, work)
    say: Callable[[str], None] = print
    interval: float = 10.0
    name: str = dataclasses.field(
        default_factory=lambda: f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{secrets.token_hex(3)}"
    )


@dataclasses.dataclass(frozen=True)
class Summary:
    """What the wanted rows have come to when a run ends.

    Attributes:
        had: rows that the store had before.
        stored: rows that were stored by the run.
        left: the others.
        pending: those of them that the same command will try again, after a while.
    """

    had: int
    stored: int
    left: int
    pending: int


def acquire(run: Run) -> Summary:
    """Fills a store.

    Raises:
        SourceStoppedError: a source refused or failed again and again; the others were tried after it.
        AcquireError: the run had to stop (disk, a signal), or another run is filling the store. What was reached is
            kept.
    """
    store = open_store(run.store)
    with run_lock(store, stopping.set):
        _clean(store)  # after a killed run
        try:
            return _Acquisition(run, store).run()
        finally:
            _clean(store)


def _clean(store: ClipStore) -> None:
    store.clear_scratch()
    store.remove_hidden(FOLDER)


class _Acquisition:
    """A run at work on its store."""

    def __init__(self, run: Run, store: ClipStore) -> None:
        self._run, self._store = run, store
        self._began = time.time()
        self._rules = RetryRules(run.config.retry, self._began, run.force)
        self._siblings = find_siblings(run.rows or run.clips)
        self._had = frozenset(intact_clips(run.clips, store, run.version, self._siblings))
        self._numbers = itertools.count()

    def run(self) -> Summary:
        run = self._run
        save_settings(self._store, run.all_sources or [source.name for source in run.config.sources], run.config.retry)
        run.say(f"{len(run.clips):,} rows wanted, {len(self._had):,} of them in {self._store.root}")
        stopped: list[SourceStoppedError] = []
        for source in run.config.sources:
            try:
                self._exhaust(source)
            except SourceStoppedError as error:
                run.say(f"{source.name}: {error.problem}")
                stopped.append(error)
        if stopped:
            raise stopped[0]
        return self._summary()

    def _summary(self) -> Summary:
        attempts, rules = AttemptsByClip(read_ledger(self._store)), RetryRules(self._run.config.retry)
        names = [source.name for source in self._run.config.sources]
        left = [clip for clip in self._run.clips if not self._have(clip, attempts)]
        pending = [
            clip
            for clip in left
            if any(next_try(clip.key, attempts.get(clip.key, name), rules) < NEVER for name in names)
        ]
        had = len(self._had)
        return Summary(had, len(self._run.clips) - had - len(left), len(left), len(pending))

    def _have(self, clip: Clip, attempts: AttemptsByClip) -> bool:
        return clip in self._had or attempts.stored_since(clip.key, self._began)

    def _exhaust(self, source: Source) -> None:
        """Runs passes over one source until no row can be tried there within this run."""
        try:
            while self._run_pass(source):
                pass
        except SourceStoppedError:
            self._revoke(self._failures(source)[0])
            raise
        failures, answered = self._failures(source)
        failures = [attempt for attempt in failures if attempt.may_be_the_sources]
        if failures and not answered:
            self._revoke(failures)
            raise SourceStoppedError(
                f"{source.name} gave no answer about any clip, the last time: "
                f"{failures[-1].reason}: {failures[-1].message}",
                "Correct what it says, or try again later: run the same command again. No try was counted.",
            )

    def _run_pass(self, source: Source) -> bool:
        """Tries what is due, after waiting where it is due later; returns False where nothing is."""
        run = self._run
        attempts = AttemptsByClip(read_ledger(self._store))
        due = make_schedule(
            run.clips, lambda clip: self._have(clip, attempts), attempts, source.name, self._rules, time.time()
        )
        if not due.now:
            if due.later:
                self._wait(source, due.later_at, due.later)
            else:
                self._say_rest(source, due)
            return due.later > 0
        work = self._write_work(source, due, attempts)
        if work.units:
            limiter = rate_limiter_of(source, run.config, run.name)
            with Progress(source, work, self._store, run.say, run.interval, limiter.waiting_until):
                run.run_pass(Task(run.name, run.store, source.name, run.config, run.version.name), work)
        self._store.remove_hidden(work.folder)
        return True

    def _failures(self, source: Source) -> tuple[list[Attempt], bool]:
        """Returns this run's failures since a source's last answer, oldest first, and whether it answered at all."""
        answered, failures = 0.0, []
        for attempt in read_ledger(self._store):
            if (attempt.source, attempt.run) != (source.name, self._run.name):
                continue
            if attempt.is_answer:
                answered = max(answered, attempt.time)
            elif attempt.is_failure:
                failures.append(attempt)
        since = (attempt for attempt in failures if attempt.time > answered)
        return sorted(since, key=lambda attempt: attempt.time), answered > 0

    def _revoke(self, failures: Sequence[Attempt]) -> None:
        """Lets tries not count: for each row, the first of them becomes one that was the source's fault."""
        first = {attempt.clip.key: attempt for attempt in reversed(failures)}
        with LedgerWriter(self._store) as ledger:
            ledger.write(
                dataclasses.replace(attempt, reason=Reason.SOURCE_FAILED, time=time.time())
                for attempt in first.values()
            )

    def _write_work(self, source: Source, due: Schedule, attempts: AttemptsByClip) -> WorkList:
        run = self._run
        context = PlanContext(
            run.version.name, cache_of(source, run.config), check_stop, run.say, siblings=self._siblings
        )
        folder = f"{FOLDER}/{source.name}-{next(self._numbers)}"
        with LedgerWriter(self._store) as ledger:
            units = self._planned(due.now, context, source, attempts, ledger)
            return write_work(self._store, folder, units, len(due.now), attempts, source.name)

    def _planned(
        self,
        clips: Sequence[Clip],
        context: PlanContext,
        source: Source,
        attempts: AttemptsByClip,
        ledger: LedgerWriter,
    ) -> Iterator[Unit]:
        """Yields the units; rows that the source surely does not have are recorded."""
        try:
            for item in source.plan(clips, context):
                if isinstance(item, Unit):
                    yield item
                    continue
                ledger.write(
                    new_attempt(
                        clip, source, self._run.name, "", attempts.next_number(clip.key, source.name)
                    ).with_outcome(item.outcome, time.time())
                    for clip in item.clips
                )
        except StoppedError:
            raise
        except AcquireError as error:  # no such folder, an index that cannot be read: the other sources are tried
            raise SourceStoppedError(error.problem, error.next_step) from error

    def _wait(self, source: Source, until: float, rows: int) -> None:
        left = max(until - time.time(), 0.0)
        self._run.say(f"{source.name}: {rows:,} rows are tried again in {format_duration(left)}")
        while (left := until - time.time()) > 0:
            check_stop()
            time.sleep(min(left, 0.2))

    def _say_rest(self, source: Source, due: Schedule) -> None:
        parts = []
        if due.final:
            parts.append(f"{due.final:,} rows will not be tried again (--retry=CLASS forces it)")
        if due.another_day:
            hours = self._run.config.retry.recheck_hours
            parts.append(f"{due.another_day:,} are unclear and are checked again {hours:g} h later")
        if parts:
            self._run.say(f"{source.name}: {'; '.join(parts)}")


def run_pass_here(task: Task, work: WorkList) -> None:
    """Does a pass in this process."""
    store = open_store(task.store)
    names = (work.shard_name(number) for number in range(work.shards))
    with Worker(task) as worker:
        worker.run(itertools.chain.from_iterable(read_work(store, name) for name in names))


def sample_rows(clips: Iterable[Clip], classes: Collection[str] | None, max_clips: int | None) -> tuple[Clip, ...]:
    """Returns the rows that a run is to get.

    Args:
        clips: all rows.
        classes: raw class names to keep; None for all, those without a class included.
        max_clips: at most so many; the same ones every time, and spread over all classes.
    """
    sampled = [clip for clip in clips if classes is None or clip.label in classes]
    if max_clips is not None and max_clips < len(sampled):
        sampled.sort(key=lambda clip: (jitter(clip.key), clip))
        sampled = sorted(sampled[:max_clips])
    return tuple(sampled)
