"""How a pass is going: a line every few seconds, read from the ledger that all workers write to, wherever they are."""

from __future__ import annotations

import collections
import threading
import time
from collections.abc import Callable

from kinetics_tfds.acquire.ledger.attempt import Attempt
from kinetics_tfds.acquire.ledger.ledger_files import LedgerTail
from kinetics_tfds.acquire.outcome import OutcomeClass
from kinetics_tfds.acquire.rate_limit import least_seconds
from kinetics_tfds.acquire.run.work_list import WorkList
from kinetics_tfds.acquire.source import Source
from kinetics_tfds.acquire.store.clip_store import ClipStore
from kinetics_tfds.durations import format_duration

_WORDS = {
    OutcomeClass.DONE: "stored",
    OutcomeClass.PERMANENT: "not there",
    OutcomeClass.NEEDS_ACCESS: "need access",
    OutcomeClass.TRANSIENT: "to try again",
    OutcomeClass.AMBIGUOUS: "unclear",
    OutcomeClass.RUN_LEVEL: "refused",
}


class FailureStreak:
    """The attempts at one source since its last answer about a clip, all of which may have failed for its own fault.

    Attributes:
        attempts: those attempts; they do not count if the run gives the source up.
        answered: whether the source said anything of any clip in this run.
    """

    def __init__(self) -> None:
        self.attempts: list[Attempt] = []
        self.answered = False

    def add(self, attempt: Attempt) -> None:
        """Takes the next attempt."""
        if attempt.blames_source:
            self.attempts.append(attempt)
        elif attempt.unit and attempt.outcome_class not in (OutcomeClass.TRANSIENT, OutcomeClass.RUN_LEVEL):
            self.attempts.clear()
            self.answered = True


class Progress:
    """Follows one pass while its block runs: `say` gets a line every `interval` seconds, and one at the end.

    Args:
        source: the pass's source.
        work: the pass's work list.
        store: whose ledger to read.
        say: takes lines for people.
        interval: seconds.
        waiting_until: returns until when the source is left alone, seconds since 1970; 0 if it is not.
        streak: is told of every attempt.

    Attributes:
        counts: attempts so far by outcome class.
    """

    def __init__(
        self,
        source: Source,
        work: WorkList,
        store: ClipStore,
        say: Callable[[str], None],
        interval: float,
        waiting_until: Callable[[], float],
        streak: FailureStreak,
    ) -> None:
        self._source, self._work, self._say, self._interval = source, work, say, interval
        self._waiting_until, self._streak = waiting_until, streak
        self._tail = LedgerTail(store)
        self._began = time.monotonic()
        self._units: set[int] = set()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True, name="acquire-progress")
        self.counts: collections.Counter[OutcomeClass] = collections.Counter()

    def __enter__(self) -> Progress:
        self._thread.start()
        return self

    def __exit__(self, *unused: object) -> None:
        self._ended.set()
        self._thread.join()
        self._update()

    def _watch(self) -> None:
        while not self._ended.wait(self._interval):
            self._update()

    def _update(self) -> None:
        for attempt in self._tail.new():
            if attempt.source == self._source.name:
                self._units.add(hash(attempt.unit))
                self.counts[attempt.outcome_class] += 1
                self._streak.add(attempt)
        self._say(self._line())

    def _line(self) -> str:
        clips, units, work = self.counts.total(), len(self._units), self._work
        elapsed = max(time.monotonic() - self._began, 1e-9)
        words = ", ".join(f"{self.counts[kind]:,} {word}" for kind, word in _WORDS.items() if self.counts[kind])
        line = (
            f"{self._source.name}: {clips:,} of {work.clips:,} clips, {units:,} of {work.units:,} units "
            f"({words or 'none yet'}); {units / elapsed * 3600:,.0f} units/h"
        )
        if clips >= work.clips:
            return line
        wait = max(self._waiting_until() - time.time(), 0.0)
        if wait:
            line += f"; left alone for {format_duration(wait)}, as it asked"
        # At the rate so far, or at that of the rate limit if it is slower.
        at_this_rate = (work.clips - clips) * elapsed / clips if clips else 0.0
        left = max(at_this_rate, least_seconds(max(work.units - units, 0), self._source.rate_limit), wait)
        if left:
            end = time.strftime("%a %d %b %H:%M", time.localtime(time.time() + left))
            line += f"; about {format_duration(left)} to go (until {end})"
        return line
