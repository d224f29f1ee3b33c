"""The pool of worker processes: results, limits, and what is the task's doing and what is not."""

from __future__ import annotations

import math
import operator
import os
import pathlib
import signal
import subprocess
import sys
import textwrap
import time

import psutil
import pytest

from kinetics_tfds.errors import WorkerError
from kinetics_tfds.workers import TaskCrashedError, TaskTimeoutError, WorkerKilledError, WorkerPool, available_cpus

MEMORY = 256 << 20


@pytest.fixture
def pool():
    with WorkerPool(2, memory_bytes=MEMORY) as running:
        yield running


def workers_of(pid: int | None = None) -> list[psutil.Process]:
    found = psutil.Process(pid).children(recursive=True)
    return [process for process in found if "kinetics_tfds.workers" in " ".join(process.cmdline())]


def test_results_and_exceptions_come_back(pool):
    futures = [pool.submit(math.factorial, number, seconds=60) for number in range(50)]
    assert [future.result() for future in futures] == [math.factorial(number) for number in range(50)]
    with pytest.raises(ZeroDivisionError):
        pool.run(operator.truediv, 1, 0, seconds=60)
    assert pool.run(os.getpid, seconds=60) != os.getpid()


def test_there_is_a_worker_for_each_available_cpu():
    with WorkerPool(memory_bytes=MEMORY) as pool:
        assert pool.workers == available_cpus() == len(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    ("function", "argument", "detail"),
    [
        (os._exit, 3, "code 3"),
        (signal.raise_signal, signal.SIGSEGV, "SIGSEGV"),
        (signal.raise_signal, signal.SIGABRT, "SIGABRT"),
    ],
)
def test_a_task_that_ends_its_worker_has_crashed(pool, function, argument, detail):
    with pytest.raises(TaskCrashedError, match=detail):
        pool.run(function, argument, seconds=60)
    assert pool.run(abs, -1, seconds=60) == 1


def test_a_task_over_its_limits_fails_and_the_others_do_not(pool):
    late = pool.submit(time.sleep, 60, seconds=0.5)
    large = pool.submit(bytes, 2 * MEMORY, seconds=60)
    others = [pool.submit(abs, -number, seconds=60) for number in range(10)]
    with pytest.raises(TaskTimeoutError, match=r"0\.5 s"):
        late.result()
    with pytest.raises(MemoryError):
        large.result()
    assert [future.result() for future in others] == list(range(10))


# Functions of a module that workers can import, with effects that outlive them.
TASKS = """
import os, pathlib, signal, time

def ended_at_first(folder, number):
    tries = pathlib.Path(folder, f"tries-{number}")
    tries.write_text(tries.read_text() + "x" if tries.exists() else "x")
    if len(tries.read_text()) == 1:
        os.kill(os.getpid(), number)
    return len(tries.read_text())

def always_killed():
    os.kill(os.getpid(), signal.SIGKILL)

def alone(folder, name, slow_at_first):
    here = pathlib.Path(folder, f"running-{name}")
    here.touch()
    beside = len(list(pathlib.Path(folder).glob("running-*"))) - 1
    again = pathlib.Path(folder, f"again-{name}")
    if slow_at_first and not again.exists():
        again.touch()
        here.unlink()
        time.sleep(60)
    time.sleep(0.05)
    here.unlink()
    return beside
"""


@pytest.fixture
def tasks(tmp_path, monkeypatch):
    (tmp_path / "tasks_of_a_test.py").write_text(TASKS)
    monkeypatch.syspath_prepend(tmp_path)
    import tasks_of_a_test  # pyright: ignore[reportMissingImports]

    yield tasks_of_a_test
    del sys.modules["tasks_of_a_test"]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
def test_a_task_whose_worker_was_killed_is_tried_again(tasks, tmp_path, number):
    with WorkerPool(2, memory_bytes=MEMORY) as pool:
        tries = pool.run(tasks.ended_at_first, str(tmp_path), int(number), seconds=60)
    assert tries == (1 if number == signal.SIGTERM else 2)  # workers leave SIGTERM to their owner


def test_workers_that_are_killed_again_and_again_say_nothing_of_the_task(tasks):
    with WorkerPool(1, memory_bytes=MEMORY) as pool, pytest.raises(WorkerKilledError, match="from outside"):
        pool.run(tasks.always_killed, seconds=60)


def test_a_task_that_took_too_long_is_tried_again_alone(tasks, tmp_path):
    with WorkerPool(2, memory_bytes=MEMORY) as pool:
        slow = pool.submit(tasks.alone, str(tmp_path), "slow", True, seconds=1)
        others = [pool.submit(tasks.alone, str(tmp_path), str(number), False, seconds=60) for number in range(60)]
        assert slow.result() == 0
        assert max(future.result() for future in others) <= 1


def test_abandoned_tasks_free_their_workers(pool):
    futures = [pool.submit(time.sleep, 600, seconds=600) for _ in range(6)]
    while not all(future.running() for future in futures[:2]):
        time.sleep(0.02)
    for future in futures:
        future.abandon()
    assert pool.run(abs, -1, seconds=60) == 1


def test_a_closed_pool_takes_nothing_and_leaves_nothing():
    others = set(workers_of())  # of pools that other tests of this process keep
    pool = WorkerPool(2, memory_bytes=MEMORY)
    futures = [pool.submit(time.sleep, 600, seconds=600) for _ in range(3)]
    while len(workers := set(workers_of()) - others) < 2:
        time.sleep(0.02)
    pool.close()
    assert not any(process.is_running() for process in workers)
    assert all(isinstance(future.exception(), BaseException) if not future.cancelled() else True for future in futures)
    with pytest.raises(RuntimeError, match="closed"):
        pool.submit(abs, 1, seconds=1)


def test_workers_that_cannot_start_are_an_error():
    with (
        WorkerPool(1, memory_bytes=MEMORY, preload=["no_such_module"]) as pool,
        pytest.raises(WorkerError, match="start"),
    ):
        pool.run(abs, -1, seconds=60)


OWNER = """
import sys, time
from kinetics_tfds.workers import WorkerPool
with WorkerPool(2, memory_bytes=1 << 28) as pool:
    futures = [pool.submit(time.sleep, float(sys.argv[1]), seconds=3) for _ in range(2)]
    try:
        print(*(future.result() for future in futures))
    except KeyboardInterrupt:
        print("interrupted")
"""


@pytest.fixture
def owner():
    """Starts a program with two busy workers in a process group of its own."""
    programs = []

    def start(seconds: float) -> subprocess.Popen:
        program = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(OWNER), str(seconds)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        programs.append(program)
        while program.poll() is None and len(workers_of(program.pid)) < 2:
            time.sleep(0.02)
        time.sleep(1)
        return program

    yield start
    for program in programs:
        program.kill()
        program.communicate()


def test_time_in_which_everything_is_suspended_does_not_count(owner):
    program = owner(2)
    os.killpg(program.pid, signal.SIGSTOP)
    time.sleep(4)
    os.killpg(program.pid, signal.SIGCONT)
    assert program.communicate() == ("None None\n", "")


def test_time_in_which_the_owner_is_suspended_does_not_count(owner):
    program = owner(2)
    program.send_signal(signal.SIGSTOP)
    time.sleep(4)
    program.send_signal(signal.SIGCONT)
    assert program.communicate() == ("None None\n", "")


def test_an_interrupt_of_the_whole_group_is_for_the_owner_alone(owner):
    program = owner(600)
    os.killpg(program.pid, signal.SIGINT)
    assert program.communicate(timeout=60) == ("interrupted\n", "")
    assert program.returncode == 0


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_no_worker_outlives_its_owner(owner, number):
    program = owner(600)
    workers = workers_of(program.pid)
    assert len(workers) == 2
    program.send_signal(number)
    program.wait()
    _, alive = psutil.wait_procs(workers, timeout=30)
    assert alive == []


def test_workers_start_without_the_owners_main_module(tmp_path):
    script = pathlib.Path(tmp_path, "program.py")
    script.write_text(
        "import sys\nprint('main')\nfrom kinetics_tfds.workers import WorkerPool\n"
        "with WorkerPool(1, memory_bytes=1 << 28) as pool: print(pool.run(abs, -1, seconds=60))\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("main\n1\n", "")
