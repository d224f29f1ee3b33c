from __future__ import annotations

import contextlib
import itertools
import json
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinetics_tfds.acquire.outcome import Outcome, Reason
from kinetics_tfds.acquire.rate_limit import RateLimiter, SourceStoppedError
from kinetics_tfds.acquire.source import RateLimit, StoppedError
from kinetics_tfds.locks import try_lock

REFUSED = Outcome(Reason.BOT_CHECK, "confirm you're not a bot")


class Clock:
    """A clock that moves only when somebody sleeps.

    Attributes:
        leap: the least that a sleep moves it; large ones make long waits short to test.
    """

    def __init__(self, leap: float = 1e-3) -> None:
        self.now = 1_000_000.0
        self.leap = leap

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        self.now += max(seconds, self.leap if seconds >= 0.5 else 1e-3)


def make(folder, clock: Clock, run: str = "run1", **rate_limit) -> RateLimiter:
    return RateLimiter(folder, "youtube", RateLimit(**rate_limit), run, clock, clock.sleep)


@settings(max_examples=25, deadline=None)
@given(
    limit=st.integers(1, 20), pause=st.tuples(st.floats(0, 60), st.floats(0, 60)).map(sorted), units=st.integers(1, 60)
)
def test_never_more_units_an_hour_nor_shorter_pauses(tmp_path_factory, limit, pause, units):
    clock = Clock(leap=300.0)
    limiter = make(tmp_path_factory.mktemp("b"), clock, units_per_hour=limit, pause=tuple(pause))
    begun = []
    for _ in range(units):
        with limiter.permit() as began:
            begun.append(clock())
            limiter.answered(began)
    for place, moment in enumerate(begun):
        assert sum(moment - 3600 + 1e-6 < other <= moment for other in begun) <= limit  # times are floats
        if place:
            assert moment - begun[place - 1] >= pause[0] - 1e-6


def test_a_new_process_has_no_fresh_budget(tmp_path):
    clock = Clock()
    for number in range(3):
        with make(tmp_path, clock, run=f"run{number}", units_per_hour=2).permit():
            pass
    assert clock() >= 1_000_000 + 3600


def test_waits_grow_and_then_the_run_stops(tmp_path):
    clock = Clock()
    limiter = make(tmp_path, clock, max_refusals=4, first_wait=100.0, longest_wait=300.0)
    asked = []
    for _ in range(4):
        with limiter.permit() as began:
            asked.append(clock())
            limiter.refused(REFUSED, began)
    waits = [after - before for before, after in itertools.pairwise(asked)]
    assert 100 <= waits[0] <= 126
    assert 200 <= waits[1] <= 251
    assert 300 <= waits[2] <= 301
    for other in (limiter, make(tmp_path, clock, max_refusals=4)):  # another process of the same run
        with pytest.raises(StoppedError, match="4 refusals in a row"), other.permit():
            pass
    later = make(tmp_path, clock, run="run2", max_refusals=4)
    with later.permit() as began:  # the command given again goes on, after the wait
        assert clock() - asked[-1] >= 300
        later.answered(began)
    assert later.waiting_until() == 0


def test_a_good_answer_closes_the_breaker(tmp_path):
    clock = Clock()
    limiter = make(tmp_path, clock, max_refusals=2, first_wait=10.0)
    for _ in range(5):
        with limiter.permit() as began:
            limiter.refused(REFUSED, began)
        with limiter.permit() as began:
            limiter.answered(began)


def test_retry_after_is_honoured(tmp_path):
    clock = Clock()
    limiter = make(tmp_path, clock, first_wait=1.0, longest_wait=2.0)
    with limiter.permit() as began:
        limiter.refused(Outcome(Reason.RATE_LIMITED, "429", retry_after=5000.0), began)
    before = clock()
    with limiter.permit() as began:
        limiter.answered(began)
    assert clock() - before >= 5000


def test_many_refusals_of_one_moment_are_one_trip(tmp_path):
    clock = Clock()
    limiter = make(tmp_path, clock, concurrency=3, max_refusals=2, first_wait=10.0)
    with limiter.permit() as one, limiter.permit() as two, limiter.permit() as three:
        for began in (one, two, three):
            limiter.refused(REFUSED, began)
    with limiter.permit() as began:
        limiter.answered(began)


def test_after_a_trip_one_asks_alone(tmp_path):
    clock = Clock()
    limiter = make(tmp_path, clock, concurrency=2, first_wait=10.0)
    with limiter.permit() as began:
        limiter.refused(REFUSED, began)
    with limiter.permit() as probe:
        began = clock()
        with pytest.raises(InterruptedError), limiter.permit(check=lambda: _raise_after(clock, began + 5)):
            pass
        limiter.answered(probe)
        with limiter.permit() as began:
            limiter.answered(began)


def test_a_probe_that_never_answers_frees_its_place(tmp_path):
    clock = Clock()
    limiter = make(tmp_path, clock, first_wait=10.0)
    with limiter.permit() as began:
        limiter.refused(REFUSED, began)
    with pytest.raises(ValueError), limiter.permit():
        raise ValueError
    before = clock()
    with limiter.permit() as began:
        limiter.answered(began)
    assert clock() - before < 1


FAILED = Outcome(Reason.CONNECTION, "connection refused")


def test_failures_in_a_row_stop_the_run(tmp_path):
    clock = Clock()
    limiter = make(tmp_path, clock, max_failures=3)
    for failure in (FAILED, FAILED, None, FAILED, FAILED):
        with limiter.permit() as began:
            if failure is None:
                limiter.answered(began)
            else:
                limiter.failed(failure)
    make(tmp_path, clock, max_failures=3).failed(FAILED)  # in another process of the run
    with pytest.raises(SourceStoppedError, match="3 units in a row failed, the last one: connection"), limiter.permit():
        pass
    with make(tmp_path, clock, run="run2", max_failures=3).permit():
        pass


def _probe_and_hang(folder, probing) -> None:
    with RateLimiter(folder, "youtube", RateLimit(first_wait=0.01), "run").permit():
        probing.set()
        time.sleep(600)


def test_a_probe_that_is_killed_is_not_waited_for(tmp_path):
    limiter = RateLimiter(tmp_path, "youtube", RateLimit(first_wait=0.01), "run")
    with limiter.permit() as began:
        limiter.refused(REFUSED, began)
    context = multiprocessing.get_context("spawn")
    probing = context.Event()
    process = context.Process(target=_probe_and_hang, args=(tmp_path, probing))
    process.start()
    assert probing.wait(60)
    # Nobody else asks while it lives.
    end = time.time() + 1
    with pytest.raises(InterruptedError), limiter.permit(check=lambda: _raise_after(time.time, end)):
        pass
    os.kill(process.pid or 0, signal.SIGKILL)
    process.join(10)
    end = time.time() + 60
    with limiter.permit(check=lambda: _raise_after(time.time, end)) as began:
        limiter.answered(began)


def _raise_after(clock: Callable[[], float], moment: float) -> None:
    if clock() > moment:
        raise InterruptedError


def test_a_clock_that_was_set_back_locks_nobody_out(tmp_path):
    clock = Clock()
    with make(tmp_path, clock, units_per_hour=1, pause=(10.0, 10.0)).permit():
        pass
    clock.now -= 1e6
    before = clock()
    with make(tmp_path, clock, units_per_hour=1, pause=(10.0, 10.0)).permit():
        pass
    assert clock() - before <= 3601


def test_a_spoilt_state_file_is_begun_anew(tmp_path):
    limiter = make(tmp_path, Clock())
    (tmp_path / "youtube.json").write_bytes(b'{"begun": [1')
    with limiter.permit() as began:
        limiter.answered(began)


def _press(folder) -> None:
    """Takes permits until all of the hour are gone; tells of each in a file, and whether a third was in flight."""
    limiter = RateLimiter(folder, "youtube", RateLimit(units_per_hour=40, concurrency=2), "run")

    def check() -> None:
        if len(json.loads((folder / "youtube.json").read_text()).get("begun", [])) >= 40:
            raise TimeoutError

    def work() -> None:
        with contextlib.suppress(TimeoutError):
            while True:
                with limiter.permit(check) as began:
                    places = (try_lock(folder / f"place{number}") for number in range(2))
                    place = next((lock for lock in places if lock is not None), None)
                    with open(folder / "told", "a") as file:
                        file.write("third\n" if place is None else "permit\n")
                    time.sleep(0.01)
                    if place is not None:
                        os.close(place)
                    limiter.answered(began)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_processes_share_one_budget_and_survive_each_others_deaths(tmp_path):
    context = multiprocessing.get_context("fork")
    (tmp_path / "youtube.json").write_text("{}")
    told = tmp_path / "told"
    told.touch()
    processes = [context.Process(target=_press, args=(tmp_path,)) for _ in range(4)]
    for process in processes:
        process.start()
    while len(told.read_text().splitlines()) < 5:
        time.sleep(0.01)
    os.kill(processes[0].pid or 0, signal.SIGKILL)
    for process in processes:
        process.join(60)
    lines = told.read_text().splitlines()
    assert 36 <= len(lines) <= 40  # a killed process may have begun two and told of none
    assert lines.count("third") <= 2  # the kernel frees what the killed one held in some order
