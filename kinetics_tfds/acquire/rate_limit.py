"""One rate limiter and one circuit breaker for all workers of a machine: YouTube counts addresses, not processes.

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

from kinetics_tfds.acquire.outcome import Outcome
from kinetics_tfds.acquire.source import RateLimit, StoppedError
from kinetics_tfds.locks import try_lock

_HOUR = 3600.0
_LONGEST_SLEEP = 0.5


class SourceStoppedError(StoppedError):
    """A source refuses or fails again and again: this run leaves it alone."""


@dataclasses.dataclass
class _State:
    """What all processes share about one source. Times are seconds since 1970.

    Attributes:
        begun: when the units of the last hour began, oldest first.
        next_unit: no unit may begin before.
        refusals: run-level answers in a row.
        failures: units in a row that failed without saying anything of their clips.
        open_until: nobody may ask before.
        last: the last of those refusals or failures, as text.
        run: the run that was refused or failed.
    """

    begun: list[float] = dataclasses.field(default_factory=list)
    next_unit: float = 0.0
    refusals: int = 0
    failures: int = 0
    open_until: float = 0.0
    last: str = ""
    run: str = ""


class RateLimiter:
    """Says when the next unit of a source may begin, over all processes of this machine.

    Args:
        folder: local folder of the shared state.
        name: the source's.
        limit: the limits.
        run: names the run: one that gave up stays stopped in all its processes, and the next one starts afresh.
        clock: seconds since 1970.
        sleep: waits so many seconds.
    """

    def __init__(
        self,
        folder: pathlib.Path,
        name: str,
        limit: RateLimit,
        run: str,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        safe = "".join(c if c.isalnum() or c in "-_" else "_" for c in name)
        self._path, self._lock = folder / f"{safe}.json", folder / f"{safe}.lock"
        self._slots = [folder / f"{safe}.slot{number}" for number in range(limit.concurrency)]
        # Threads of one process wait here, where they are woken; only what is between processes must be polled for.
        self._threads = threading.Semaphore(limit.concurrency)
        self._limit, self._run, self._clock, self._sleep = limit, run, clock, sleep
        self._random = random.Random()
        folder.mkdir(parents=True, exist_ok=True)

    @contextlib.contextmanager
    def permit(self, check: Callable[[], None] = lambda: None) -> Iterator[float]:
        """Waits until a unit may begin, and holds one of the slots of those in flight until the block ends.

        Args:
            check: called while waiting; raises to end the wait.

        Yields:
            When the unit began: how it ended is told with this moment.

        Raises:
            SourceStoppedError: the breaker has given up for this run.
        """
        with contextlib.ExitStack() as held:
            while not self._threads.acquire(timeout=_LONGEST_SLEEP):
                check()
            held.callback(self._threads.release)
            while True:
                check()
                wait, slot = self._begin()
                if slot is not None:
                    break
                self._sleep(min(wait, _LONGEST_SLEEP))
            held.callback(os.close, slot)
            yield self._clock()

    def answered(self, began: float) -> None:
        """Notes that a unit was answered: what was refused or failed before says nothing any more."""
        with self._state() as state:
            state.failures = 0
            if began >= state.open_until:  # an answer to a question from before a refusal says nothing of it
                state.refusals, state.open_until = 0, 0.0

    def refused(self, outcome: Outcome, began: float) -> None:
        """Notes a run-level outcome: nobody asks for a while, and then one at a time until there is an answer."""
        with self._state() as state:
            now = self._clock()
            asked_until = now + (outcome.retry_after or 0.0)
            if began < state.open_until:
                # Asked before another was refused: the same refusal, though it may ask for a longer wait.
                state.open_until = max(state.open_until, asked_until)
                return
            state.refusals += 1
            growing = self._limit.first_wait * 2.0 ** (state.refusals - 1) * self._random.uniform(1.0, 1.25)
            state.open_until = max(asked_until, now + min(growing, self._limit.longest_wait))
            state.last, state.run = f"{outcome.reason}: {outcome.message}", self._run

    def failed(self, outcome: Outcome) -> None:
        """Notes a unit that failed without a word of its clips: too many in a row end the run at this source."""
        with self._state() as state:
            state.failures += 1
            state.last, state.run = f"{outcome.reason}: {outcome.message}", self._run

    def waiting_until(self) -> float:
        """Returns when the breaker lets somebody ask again, seconds since 1970; 0 if it is closed."""
        with self._state() as state:
            return state.open_until if state.refusals else 0.0

    def _begin(self) -> tuple[float, int | None]:
        """Returns the slot of a unit that may begin now, or how many seconds to wait."""
        with self._state() as state:
            self._raise_if_stopped(state)
            now = self._clock()
            wait = self._wait(state, now)
            if wait > 0:
                return wait, None
            slots = self._slots[:1] if state.refusals else self._slots  # one asks alone after a refusal
            slot = next((lock for path in slots if (lock := try_lock(path)) is not None), None)
            if slot is None:
                return self._random.uniform(0.02, 0.1), None
            if self._limit.units_per_hour is not None:
                state.begun.append(now)
            if self._limit.pause[1] > 0:
                state.next_unit = now + self._random.uniform(*self._limit.pause)
            return 0.0, slot

    def _wait(self, state: _State, now: float) -> float:
        limit = self._limit
        # A clock that was set back must not lock the source for ever.
        state.begun = [began for began in state.begun if now - _HOUR < began <= now + 1]
        state.next_unit = min(state.next_unit, now + max(limit.longest_wait, limit.pause[1]))
        waits = [state.next_unit - now]
        if limit.units_per_hour is not None and len(state.begun) >= limit.units_per_hour:
            waits.append(state.begun[-limit.units_per_hour] + _HOUR - now)
        if state.refusals:
            waits.append(state.open_until - now)
        return max(waits)

    def _raise_if_stopped(self, state: _State) -> None:
        if state.refusals >= self._limit.max_refusals:
            until = time.strftime("%a %H:%M:%S", time.localtime(state.open_until))
            problem = f"{state.refusals} refusals in a row"
            next_step = f"Leave it alone until {until} or longer (with another address, or cookies, it may be sooner)"
        elif state.failures >= self._limit.max_failures:
            problem = f"{state.failures} units in a row failed"
            next_step = (
                "Correct what it says, or try again later. If it is about a site that has changed, upgrade yt-dlp: "
                "pip install --upgrade 'yt-dlp[default]'. No try of these rows was counted"
            )
        else:
            return
        if state.run == self._run:
            raise SourceStoppedError(
                f"The run stopped asking {self._path.stem}: {problem}, the last one: {state.last}",
                f"{next_step}. Then run the same command again: it goes on where it stopped.",
            )
        # By an earlier run: this one may try once the wait is over.
        state.refusals, state.failures = min(state.refusals, 1), 0

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


def least_seconds(units: int, limit: RateLimit) -> float:
    """Returns the least time that so many units of a source take under its rate limit."""
    by_hour = units / limit.units_per_hour * _HOUR if limit.units_per_hour else 0.0
    return max(units * sum(limit.pause) / 2, by_hour)
