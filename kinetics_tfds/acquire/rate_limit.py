"""One limiter for all workers of a machine, and one breaker: what YouTube counts is the address, not the process.

The state of a source's limiter is one small JSON file under a lock that dies with its holder. All processes of all
runs on the machine share it, and it outlives them: a run that was killed and started again has no fresh limiter.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import json
import os
import pathlib
import random
import threading
import time
from collections.abc import Callable, Iterator

from kinetics_tfds.acquire.outcome import Outcome, OutcomeClass
from kinetics_tfds.acquire.source import RateLimit, StoppedError

_HOUR = 3600.0
_PROBE_SECONDS = 900.0  # how long a try after a trip may take before another process tries in its place
_LONGEST_SLEEP = 0.5


@dataclasses.dataclass
class _State:
    """What all processes share about one source. Times are seconds since 1970.

    Attributes:
        begun: when the units of the last hour began, oldest first.
        next_unit: no unit may begin before.
        refusals: run-level answers in a row.
        open_until: nobody may ask before.
        probing_until: somebody is trying alone whether all is well again, and has until then; who does holds a lock.
        stopped: the run that gave up, and why.
        last: the last run-level answer.
    """

    begun: list[float] = dataclasses.field(default_factory=list)
    next_unit: float = 0.0
    refusals: int = 0
    open_until: float = 0.0
    probing_until: float = 0.0
    stopped: list[str] = dataclasses.field(default_factory=list)
    last: str = ""


class Permit:
    """A permission to fetch one unit; the outcome must be reported to it."""

    def __init__(self, limiter: RateLimiter, began: float, probe: int | None) -> None:
        self._rate_limiter = limiter
        self._began = began
        self._probe = probe

    def report(self, outcome: Outcome | None) -> None:
        """Tells how the unit went: a run-level outcome refusals the breaker, any other (or None) closes it."""
        probe, self._probe = self._probe, None
        self._rate_limiter._report(outcome, self._began, probe)

    def _end(self) -> None:
        if self._probe is not None:
            self._rate_limiter._give_up_probe(self._probe)


class RateLimiter:
    """Says when the next unit of a source may begin, over all processes of this machine.

    Args:
        folder: local folder of the shared state.
        name: the source's.
        rate_limit: the limits.
        run: names the run: one that gave up stays stopped in all its processes, and the next one starts afresh.
        clock: seconds since 1970.
        sleep: waits so many seconds.
    """

    def __init__(
        self,
        folder: pathlib.Path,
        name: str,
        rate_limit: RateLimit,
        run: str,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        safe = "".join(c if c.isalnum() or c in "-_" else "_" for c in name)
        self._folder = folder
        self._path = folder / f"{safe}.json"
        self._lock = folder / f"{safe}.lock"
        self._probe = folder / f"{safe}.probe"
        self._slots = [folder / f"{safe}.slot{number}" for number in range(rate_limit.concurrency)]
        # Threads of one process wait here, where they are woken; only what is between processes must be polled for.
        self._places = threading.Semaphore(rate_limit.concurrency)
        self._limit = rate_limit
        self._run = run
        self._clock = clock
        self._sleep = sleep
        self._random = random.Random()
        folder.mkdir(parents=True, exist_ok=True)

    @contextlib.contextmanager
    def permit(self, check: Callable[[], None] = lambda: None) -> Iterator[Permit]:
        """Waits until a unit may begin, and holds a place among those in flight until the block ends.

        Args:
            check: called while waiting; raises to end the wait.

        Raises:
            StoppedError: the breaker has given up for this run.
        """
        with self._slot(check):
            permit = self._wait_for_permit(check)
            try:
                yield permit
            finally:
                permit._end()

    def waiting_until(self) -> float:
        """Returns when the breaker lets somebody ask again, seconds since 1970; 0 if it is closed."""
        with self._state() as state:
            return state.open_until if state.refusals else 0.0

    @contextlib.contextmanager
    def _slot(self, check: Callable[[], None]) -> Iterator[None]:
        while not self._places.acquire(timeout=_LONGEST_SLEEP):
            check()
        try:
            slot = self._wait_for_slot(check)
            try:
                yield
            finally:
                os.close(slot)
        finally:
            self._places.release()

    def _wait_for_slot(self, check: Callable[[], None]) -> int:
        while True:
            check()
            for path in self._slots:
                descriptor = _try_lock(path)
                if descriptor is not None:
                    return descriptor
            self._sleep(self._random.uniform(0.02, 0.1))

    def _wait_for_permit(self, check: Callable[[], None]) -> Permit:
        while True:
            check()
            with self._state() as state:
                self._raise_if_stopped(state)
                now = self._clock()
                wait = self._wait(state, now)
                if wait <= 0:
                    probe = None
                    if state.refusals > 0:
                        probe = _try_lock(self._probe)
                        state.probing_until = now + _PROBE_SECONDS
                    if self._limit.units_per_hour is not None:
                        state.begun.append(now)
                    if self._limit.pause[1] > 0:
                        state.next_unit = now + self._random.uniform(*self._limit.pause)
                    return Permit(self, now, probe)
            self._sleep(min(wait, _LONGEST_SLEEP))

    def _wait(self, state: _State, now: float) -> float:
        """Returns the seconds until a unit may begin."""
        rate_limit = self._limit
        # A clock that was set back must not lock the source for ever.
        state.begun = [began for began in state.begun if now - _HOUR < began <= now + 1]
        longest = max(rate_limit.longest_wait, rate_limit.pause[1])
        state.next_unit = min(state.next_unit, now + longest)
        waits = [state.next_unit - now]
        if rate_limit.units_per_hour is not None and len(state.begun) >= rate_limit.units_per_hour:
            waits.append(state.begun[-rate_limit.units_per_hour] + _HOUR - now)
        if state.refusals:
            waits.append(state.open_until - now)
            if state.probing_until > now and self._prober_lives():
                waits.append(state.probing_until - now)  # one at a time until an answer is good again
        return max(waits)

    def _prober_lives(self) -> bool:
        """A process that is killed lets go of its lock; its answer is not waited for."""
        descriptor = _try_lock(self._probe)
        if descriptor is not None:
            os.close(descriptor)
        return descriptor is None

    def _raise_if_stopped(self, state: _State) -> None:
        if state.stopped and state.stopped[0] == self._run:
            until = time.strftime("%H:%M:%S", time.localtime(state.open_until))
            raise StoppedError(
                f"The run stopped asking {self._path.stem}: {self._limit.max_refusals} refusals in a row, "
                f"the last one: {state.stopped[1]}",
                f"Leave it alone until {until} or longer (with another address, or cookies, it may be sooner), "
                "then run the same command again: it goes on where it stopped.",
            )
        if state.stopped:  # by an earlier run: this one may try once the wait is over
            state.stopped = []
            state.refusals = min(state.refusals, 1)

    def _report(self, outcome: Outcome | None, began: float, probe: int | None) -> None:
        refused = outcome is not None and outcome.outcome_class is OutcomeClass.RUN_LEVEL
        with self._state() as state, _closing(probe):
            now = self._clock()
            if not refused:
                if began >= state.open_until:  # an answer to a question from before a trip says nothing
                    state.refusals, state.open_until, state.probing_until = 0, 0.0, 0.0
                return
            assert outcome is not None
            retry_after = outcome.retry_after or 0.0
            if began < state.open_until:
                # Asked before the trip, refused after it: the same refusal, though it may ask for a longer wait.
                state.open_until = max(state.open_until, now + retry_after)
                return
            state.refusals += 1
            growing = self._limit.first_wait * 2.0 ** (state.refusals - 1) * self._random.uniform(1.0, 1.25)
            state.open_until = now + max(retry_after, min(growing, self._limit.longest_wait))
            state.probing_until = 0.0
            state.last = outcome.message
            if state.refusals >= self._limit.max_refusals:
                state.stopped = [self._run, f"{outcome.reason}: {outcome.message}"]

    def _give_up_probe(self, probe: int) -> None:
        with self._state() as state, _closing(probe):
            state.probing_until = 0.0

    @contextlib.contextmanager
    def _state(self) -> Iterator[_State]:
        """Gives the shared state under its lock, and writes it back if it changed."""
        descriptor = os.open(self._lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            try:
                text = self._path.read_text(encoding="utf-8")
                state = _State(**json.loads(text))
            except (OSError, ValueError, TypeError):
                text, state = "", _State()  # the first run, or a file that a power cut emptied
            yield state
            after = json.dumps(dataclasses.asdict(state))
            if after != text:
                beside = self._path.with_suffix(".new")
                beside.write_text(after, encoding="utf-8")
                os.replace(beside, self._path)
        finally:
            os.close(descriptor)


def _try_lock(path: pathlib.Path) -> int | None:
    """Returns a descriptor that holds the file's lock until it is closed, or its process ends; None if another does."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


@contextlib.contextmanager
def _closing(descriptor: int | None) -> Iterator[None]:
    try:
        yield
    finally:
        if descriptor is not None:
            os.close(descriptor)
