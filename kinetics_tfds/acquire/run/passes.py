"""A whole run: for each source in order, pass after pass, until nothing is due any more.

Where a row stands is read from the ledger at the beginning of every pass, so a run that was killed and one that goes on
are the same thing.
"""

from __future__ import annotations

import collections
import dataclasses
import itertools
import secrets
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

from kinetics_tfds.acquire.config import AcquireConfig
from kinetics_tfds.acquire.ledger.attempts import AttemptsByClip, KeySet
from kinetics_tfds.acquire.ledger.records import LedgerWriter, Record, clip_key, read_ledger
from kinetics_tfds.acquire.outcome import OutcomeClass
from kinetics_tfds.acquire.run.progress import Progress, shown
from kinetics_tfds.acquire.run.schedule import RetryRules, Schedule, jitter, make_schedule
from kinetics_tfds.acquire.run.stop import stopping
from kinetics_tfds.acquire.run.unit_worker import Task, Worker, cache_of, make_record
from kinetics_tfds.acquire.run.work_list import WorkList, next_attempt, read_work, write_work
from kinetics_tfds.acquire.siblings import Siblings, find_siblings, others_of
from kinetics_tfds.acquire.source import FetchFailure, PlanContext, Source, StoppedError, Unit
from kinetics_tfds.acquire.store.clip_store import Store, open_store
from kinetics_tfds.acquire.store.reclaim import recover
from kinetics_tfds.annotations.clip import Clip
from kinetics_tfds.annotations.versions import KineticsVersion
from kinetics_tfds.clips.listing import Listing
from kinetics_tfds.clips.match import match_clips
from kinetics_tfds.durations import format_duration

RunPass = Callable[[Task, WorkList], None]
Counts = collections.Counter[OutcomeClass]


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
    force: frozenset[OutcomeClass] = frozenset()
    run_pass: RunPass = lambda task, work: work_here(task, work)
    say: Callable[[str], None] = print
    interval: float = 10.0
    name: str = dataclasses.field(
        default_factory=lambda: f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{secrets.token_hex(3)}"
    )


@dataclasses.dataclass(frozen=True)
class Summary:
    """Where the wanted rows stand when a run ends.

    Attributes:
        had: rows that the store had before.
        stored: rows that were stored by the run.
        left: the others.
        counts: attempts of this run by class.
    """

    had: int
    stored: int
    left: int
    counts: Mapping[OutcomeClass, int]


def acquire(run: Run) -> Summary:
    """Fills a store, and returns what came of it.

    Raises:
        AcquireError: the run had to stop (refusals, disk, a signal); what was reached is kept.
    """
    store = open_store(run.store)
    began = time.time()
    if recovered := recover(store):
        run.say(f"{recovered:,} clips that a killed run had just finished were brought in")
    siblings = find_siblings(run.rows or run.clips)
    had = have_keys(run.clips, store.listing(), run.version, siblings)
    run.say(f"{len(run.clips):,} rows wanted, {len(had):,} of them in {store.root}")
    records = _Records()
    with store.run_folder(run.name) as folder:
        for source in run.config.sources:
            _exhaust(run, source, store, folder, _Begun(had, siblings, began), records)
    states = AttemptsByClip(read_ledger(store))
    stored = sum(states.stored_since(key, began) for clip in run.clips if (key := clip_key(clip)) not in had)
    return Summary(len(had), stored, len(run.clips) - len(had) - stored, dict(records.counts))


def have_keys(clips: Sequence[Clip], listing: Listing, version: KineticsVersion, siblings: Siblings) -> KeySet:
    """Returns the keys of the rows that a store has a file for.

    Args:
        clips: the rows.
        listing: of the store.
        version: of Kinetics.
        siblings: as `find_siblings` gives them for all rows of the version.
    """
    wanted = set(clips)
    found = match_clips((*clips, *others_of(wanted, siblings)), listing, version).found
    return KeySet(clip_key(clip) for clip in found if clip in wanted)


@dataclasses.dataclass(frozen=True)
class _Have:
    """The rows that are in the store by now: before the run, or stored by it."""

    had: KeySet
    states: AttemptsByClip
    began: float

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and (key in self.had or self.states.stored_since(key, self.began))


@dataclasses.dataclass(frozen=True)
class _Begun:
    """What was so when the run began."""

    had: KeySet
    siblings: Siblings
    at: float


class _Records:
    def __init__(self) -> None:
        self.counts: Counts = collections.Counter()


def _exhaust(run: Run, source: Source, store: Store, folder: str, begun: _Begun, records: _Records) -> None:
    """Runs passes over one source until no row is due there within this run."""
    rules = RetryRules(run.config.retry, begun.at, run.force)
    # Tries of a row are limited and refusals by the breaker, but not those of a video that is refused alone: too many
    # passes in a row that only met refusals are the end.
    numbers, idle_passes = itertools.count(), 0
    while idle_passes <= run.config.retry.attempts + source.rate_limit.max_refusals:
        states = AttemptsByClip(read_ledger(store))
        due = make_schedule(run.clips, _Have(begun.had, states, begun.at), states, source.name, rules, time.time())
        if not due.now and due.last_at is None:
            _say_rest(run, source, due)
            return
        if not due.now:
            assert due.last_at is not None
            _wait(run, source, due.last_at, due.later)
            continue
        work = _write_pass(run, source, store, f"{folder}/{source.name}-{next(numbers)}", due, states, begun.siblings)
        del states, due
        idle_passes += 1
        if not work.units:
            continue
        task = Task(run.name, run.store, source.name, run.config, run.version.name)
        progress = Progress(source.name, work, source.rate_limit)
        try:
            with shown(progress, store, run.say, run.interval):
                run.run_pass(task, work)
        finally:
            records.counts += progress.counts
        if any(kind is not OutcomeClass.RUN_LEVEL for kind in progress.counts):
            idle_passes = 0
        store.remove_hidden(work.folder)


def _write_pass(
    run: Run, source: Source, store: Store, folder: str, due: Schedule, states: AttemptsByClip, siblings: Siblings
) -> WorkList:
    cache = cache_of(source, run.config)
    context = PlanContext(version=run.version.name, cache=cache, check=_check, log=run.say, siblings=siblings)
    with LedgerWriter(store) as ledger:
        units = _without_missed(source.plan(due.now, context), source, run.name, states, ledger)
        return write_work(store, folder, units, len(due.now), states, source.name)


def _check() -> None:
    if stopping.is_set():
        raise StoppedError("The run was asked to stop.", "Run the same command again: it goes on where it stopped.")


def _without_missed(
    planned: Iterable[Unit | FetchFailure],
    source: Source,
    run: str,
    states: AttemptsByClip,
    ledger: LedgerWriter,
) -> Iterator[Unit]:
    """Yields the units; rows that the source surely does not have are recorded, a thousand at a time."""
    batch: list[Record] = []
    for item in planned:
        if isinstance(item, Unit):
            yield item
            continue
        for clip in item.clips:
            attempt = next_attempt(clip, states, source.name)
            batch.append(make_record(clip, item.outcome, source, run, "", attempt, time.time()))
        if len(batch) >= 1000:
            ledger.write(batch)
            batch.clear()
    ledger.write(batch)


def _wait(run: Run, source: Source, until: float, rows: int) -> None:
    run.say(f"{source.name}: {rows:,} rows are tried again in {format_duration(max(until - time.time(), 0))}")
    while (left := until - time.time()) > 0:
        _check()
        time.sleep(min(left, 0.2))


def _say_rest(run: Run, source: Source, due: Schedule) -> None:
    parts = []
    if due.done_with:
        parts.append(f"{due.done_with:,} rows will not be tried again (--retry=CLASS forces it)")
    if due.another_day:
        parts.append(
            f"{due.another_day:,} are unclear and are checked again {run.config.retry.recheck_hours:g} h later"
        )
    if parts:
        run.say(f"{source.name}: {'; '.join(parts)}")


def work_here(task: Task, work: WorkList) -> None:
    """Does a pass in this process."""
    store = open_store(task.store)
    names = (work.shard_name(number) for number in range(work.shards))
    with Worker(task) as worker:
        worker.run(itertools.chain.from_iterable(read_work(store, name) for name in names))


def choose(clips: Iterable[Clip], classes: Collection[str] | None, max_clips: int | None) -> tuple[Clip, ...]:
    """Returns the rows that a run is to get.

    Args:
        clips: all rows.
        classes: raw class names to keep; None for all, those without a class included.
        max_clips: at most so many; the same ones every time, and spread over all classes.
    """
    chosen = [clip for clip in clips if classes is None or clip.label in classes]
    if max_clips is not None and max_clips < len(chosen):
        chosen.sort(key=lambda clip: (jitter(clip_key(clip)), clip))
        chosen = sorted(chosen[:max_clips])
    return tuple(chosen)
