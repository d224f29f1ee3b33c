"""How a pass is going: a line every few seconds, read from the ledger that all workers write to, wherever they are."""

from __future__ import annotations

import collections
import threading
import time
from collections.abc import Callable

from kinetics_tfds.acquire.ledger.ledger import FOLDER, read_ledger
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


class Progress:
    """Follows one pass while its block runs: `say` gets a line every `interval` seconds, and one at the end.

    `waiting_until` returns until when the source is left alone, seconds since 1970; 0 if it is not.
    """

    def __init__(
        self,
        source: Source,
        work: WorkList,
        store: ClipStore,
        say: Callable[[str], None],
        interval: float,
        waiting_until: Callable[[], float],
    ) -> None:
        self._source, self._work, self._store, self._say = source, work, store, say
        self._interval, self._waiting_until = interval, waiting_until
        self._read = store.hidden_sizes(FOLDER)
        self._began = time.monotonic()
        self._counts: collections.Counter[OutcomeClass] = collections.Counter()
        self._units: set[int] = set()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True, name="acquire-progress")

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
        for attempt in read_ledger(self._store, self._read):
            if attempt.source == self._source.name:
                self._units.add(hash(attempt.unit))
                self._counts[attempt.outcome_class] += 1
        self._say(self._line())

    def _line(self) -> str:
        clips, units, work = self._counts.total(), len(self._units), self._work
        elapsed = max(time.monotonic() - self._began, 1e-9)
        words = ", ".join(f"{self._counts[kind]:,} {word}" for kind, word in _WORDS.items() if self._counts[kind])
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
