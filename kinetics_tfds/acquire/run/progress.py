"""How a run is going: one line every few seconds, read from the ledger that all workers write to, wherever they are."""

from __future__ import annotations

import collections
import contextlib
import threading
import time
from collections.abc import Callable, Iterator

from kinetics_tfds.acquire.ledger.records import FOLDER, Record, parse_line
from kinetics_tfds.acquire.outcome import OutcomeClass
from kinetics_tfds.acquire.run.work_list import WorkList
from kinetics_tfds.acquire.source import RateLimit
from kinetics_tfds.acquire.store.clip_store import Store
from kinetics_tfds.durations import format_duration

_WORDS = {
    OutcomeClass.DONE: "stored",
    OutcomeClass.PERMANENT: "not there",
    OutcomeClass.NEEDS_ACCESS: "need access",
    OutcomeClass.TRANSIENT: "to try again",
    OutcomeClass.AMBIGUOUS: "unclear",
    OutcomeClass.RUN_LEVEL: "refused",
}


class Tail:
    """Reads what is new in a store's ledger; records that are there at the beginning are passed over."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._read: dict[str, int] = {}
        for _ in self.new():
            pass

    def new(self) -> Iterator[Record]:
        """Yields the records that were written since the last call."""
        for name, size in sorted(self._store.hidden_sizes(FOLDER).items()):
            if size <= self._read.get(name, 0):
                continue
            for line in self._store.read_lines(name, self._read.get(name, 0)):
                if not line.endswith(b"\n"):
                    break  # being written
                self._read[name] = self._read.get(name, 0) + len(line)
                record = parse_line(line)
                if record is not None:
                    yield record


class Progress:
    """The state of one pass.

    Args:
        source: the source's name.
        work: the pass's work list.
        rate_limit: of the source.
        clock: seconds.
    """

    def __init__(
        self, source: str, work: WorkList, rate_limit: RateLimit, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._source = source
        self._work = work
        self._limit = rate_limit
        self._clock = clock
        self._began = clock()
        self._units: set[int] = set()
        self._clips = 0
        self.counts: collections.Counter[OutcomeClass] = collections.Counter()

    def add(self, record: Record) -> None:
        """Counts a record of this pass's source."""
        if record.source == self._source:
            self._units.add(hash(record.unit))
            self._clips += 1
            self.counts[record.outcome_class] += 1

    def remaining_seconds(self) -> float | None:
        """Returns about how long the pass will take: at the rate so far, or at the rate_limit' if that is slower."""
        left = self._work.clips - self._clips
        estimates = []
        elapsed = self._clock() - self._began
        if self._clips and elapsed > 0:
            estimates.append(left * elapsed / self._clips)
        estimates.append(self._limited_seconds(max(self._work.units - len(self._units), 0)))
        return max(estimates) if any(estimates) else None

    def _limited_seconds(self, units: int) -> float:
        return units_seconds(units, self._limit)

    def line(self) -> str:
        """Returns one line for people."""
        elapsed = max(self._clock() - self._began, 1e-9)
        words = ", ".join(f"{self.counts[kind]:,} {word}" for kind, word in _WORDS.items() if self.counts[kind])
        rate = len(self._units) / elapsed * 3600
        line = (
            f"{self._source}: {self._clips:,} of {self._work.clips:,} clips, {len(self._units):,} of "
            f"{self._work.units:,} units ({words or 'none yet'}); {rate:,.0f} units/h"
        )
        left = self.remaining_seconds()
        if left is not None and self._clips < self._work.clips:
            end = time.strftime("%a %d %b %H:%M", time.localtime(time.time() + left))
            line += f"; about {format_duration(left)} to go (until {end})"
        return line


def units_seconds(units: int, rate_limit: RateLimit) -> float:
    """Returns the least time that units of a source take at its rate_limit, in seconds."""
    by_pause = units * sum(rate_limit.pause) / 2
    by_hour = units / rate_limit.units_per_hour * 3600 if rate_limit.units_per_hour else 0.0
    return max(by_pause, by_hour)


@contextlib.contextmanager
def shown(progress: Progress, store: Store, say: Callable[[str], None], interval: float) -> Iterator[None]:
    """Says a line every `interval` seconds, and one at the end, while the block runs."""
    tail = Tail(store)
    done = threading.Event()

    def update() -> None:
        for record in tail.new():
            progress.add(record)
        say(progress.line())

    def watch() -> None:
        while not done.wait(interval):
            update()

    thread = threading.Thread(target=watch, daemon=True, name="acquire-progress")
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        update()
