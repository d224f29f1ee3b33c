"""The pool of worker processes: results, limits, and what is the task's doing and what is not."""

from __future__ import annotations

import concurrent.futures
import gc
import math
import operator
import os
import pathlib
import signal
import subprocess
import sys
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
import multiprocessing.connection, os, pathlib, signal, struct, time

def ended_at_first(folder, number):
    tries = pathlib.Path(folder, f"tries-{number}")
    tries.write_text(tries.read_text() + "x" if tries.exists() else "x")
    if len(tries.read_text()) == 1:
        os.kill(os.getpid(), number)
    return len(tries.read_text())

def always_killed():
    os.kill(os.getpid(), signal.SIGKILL)

def killed_while_it_answers_at_first(folder):
    seen = pathlib.Path(folder, "seen")
    if not seen.exists():
        seen.touch()

        def send_half(self, data):
            os.write(self.fileno(), struct.pack("!i", len(data)) + data[: len(data) // 2])
            os.kill(os.getpid(), signal.SIGKILL)

        multiprocessing.connection.Connection._send_bytes = send_half
        return None
    return "whole"

def short_of_memory_at_first(folder):
    if not (seen := pathlib.Path(folder, "seen")).exists():
        seen.write_text(str(os.getpid()))
        raise MemoryError
    return seen.read_text()

def meets(folder, name, other):
    pathlib.Path(folder, name).touch()
    while not pathlib.Path(folder, other).exists():
        time.sleep(0.01)

def sleep(attempts, tenths):
    pathlib.Path(attempts, str(os.getpid())).touch()
    for _ in range(tenths):
        time.sleep(0.1)

class StrangeError(Exception):
    def __init__(self, one, two):
        super().__init__(one)

def raises_strange_error():
    raise StrangeError("one", "two")

def prints():
    print("disturbing", flush=True)
    return os.read(0, 10)

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


def test_a_task_whose_worker_is_killed_while_it_answers_is_tried_again(tasks, tmp_path):
    with WorkerPool(1, memory_bytes=MEMORY) as pool:
        assert pool.run(tasks.killed_while_it_answers_at_first, str(tmp_path), seconds=60) == "whole"


def test_workers_that_are_killed_again_and_again_say_nothing_of_the_task(tasks, monkeypatch):
    monkeypatch.setattr("kinetics_tfds.workers.pool._PAUSE_SECONDS", 0.001)
    with WorkerPool(1, memory_bytes=MEMORY) as pool, pytest.raises(WorkerKilledError, match="from outside"):
        pool.run(tasks.always_killed, seconds=60)


def test_a_task_that_took_too_long_is_tried_again_alone(tasks, tmp_path):
    with WorkerPool(2, memory_bytes=MEMORY) as pool:
        slow = pool.submit(tasks.alone, str(tmp_path), "slow", True, seconds=1)
        others = [pool.submit(tasks.alone, str(tmp_path), str(number), False, seconds=60) for number in range(60)]
        assert slow.result() == 0
        assert max(future.result() for future in others) <= 1


def test_memory_that_ran_out_is_tried_again_in_a_new_worker(tasks, tmp_path):
    with WorkerPool(1, memory_bytes=MEMORY) as pool:
        before = pool.run(os.getpid, seconds=60)
        assert int(pool.run(tasks.short_of_memory_at_first, str(tmp_path), seconds=60)) == before
        assert pool.run(os.getpid, seconds=60) != before


def test_tasks_run_at_the_same_time_as_soon_as_there_are_two(tasks, tmp_path):
    with WorkerPool(2, memory_bytes=MEMORY) as pool:
        pool.run(abs, -1, seconds=60)  # one thread waits for more
        futures = [pool.submit(tasks.meets, str(tmp_path), *names, seconds=60) for names in ("ab", "ba")]
        assert [future.result() for future in futures] == [None, None]


def test_a_worker_is_replaced_after_some_tasks(monkeypatch):
    monkeypatch.setattr("kinetics_tfds.workers.pool._TASKS_PER_PROCESS", 3)
    with WorkerPool(1, memory_bytes=MEMORY) as pool:
        pids = [pool.run(os.getpid, seconds=60) for _ in range(7)]
    assert [pids.count(pid) for pid in dict.fromkeys(pids)] == [3, 3, 1]


def test_what_cannot_be_pickled_comes_back_in_words(tasks):
    with WorkerPool(1, memory_bytes=MEMORY) as pool:
        with pytest.raises(RuntimeError, match=r"StrangeError\('one'\)"):
            pool.run(tasks.raises_strange_error, seconds=60)
        with pytest.raises(TypeError, match="pickle"):
            pool.run(sys._getframe, seconds=60)


def test_tasks_neither_print_nor_read_what_is_the_owners(tasks, capfd):
    with WorkerPool(1, memory_bytes=MEMORY) as pool:
        assert pool.run(tasks.prints, seconds=60) == b""
    assert capfd.readouterr() == ("", "")


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


def test_a_task_that_waits_to_be_tried_again_is_cancelled_with_the_pool(tasks, tmp_path):
    others = set(workers_of())
    tries = tmp_path / f"tries-{int(signal.SIGKILL)}"
    with WorkerPool(2, memory_bytes=MEMORY) as pool:
        busy = pool.submit(time.sleep, 600, seconds=600)
        killed = pool.submit(tasks.ended_at_first, str(tmp_path), int(signal.SIGKILL), seconds=60)
        while not tries.exists() or len(set(workers_of()) - others) > 1:
            time.sleep(0.02)
    for future in (busy, killed):
        with pytest.raises(concurrent.futures.CancelledError):
            future.result(timeout=60)
    assert tries.read_text() == "x"


def test_a_pool_is_of_no_use_to_a_forked_child(pool):
    child = os.fork()
    if child == 0:
        try:
            pool.submit(abs, -1, seconds=60)
        except RuntimeError:
            pool.close()
            os._exit(7)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    assert pool.run(abs, -1, seconds=60) == 1


def test_a_pool_that_only_a_cycle_holds_ends_its_workers():
    others = set(workers_of())
    pool = WorkerPool(1, memory_bytes=MEMORY)
    pool.run(abs, -1, seconds=60)
    (worker,) = set(workers_of()) - others
    cycle: list = [pool]
    cycle.append(cycle)
    del pool, cycle
    gc.collect()
    worker.wait(60)


def test_workers_that_cannot_start_are_an_error():
    with (
        WorkerPool(1, memory_bytes=MEMORY, preload=["no_such_module"]) as pool,
        pytest.raises(WorkerError, match="start"),
    ):
        pool.run(abs, -1, seconds=60)


OWNER = """
import signal, sys
from kinetics_tfds.workers import WorkerPool
import tasks_of_a_test
folder, tenths, seconds, *options = sys.argv[1:]
if options == ["patient"]:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1):
        signal.signal(number, lambda *_: None)
with WorkerPool(2, memory_bytes=1 << 28) as pool:
    futures = [pool.submit(tasks_of_a_test.sleep, folder, int(tenths), seconds=float(seconds)) for _ in range(2)]
    try:
        print(*(future.result() for future in futures))
    except KeyboardInterrupt:
        print("interrupted")
"""


class Owner:
    """A program with two busy workers, in a process group of its own."""

    def __init__(self, folder: pathlib.Path, tenths: int, seconds: float, *options: str) -> None:
        self.attempts = folder / "attempts"
        self.attempts.mkdir(parents=True)
        arguments = map(str, [self.attempts, tenths, seconds, *options])
        self.program = subprocess.Popen(
            [sys.executable, "-c", OWNER, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        while self.program.poll() is None and len(list(self.attempts.iterdir())) < 2:
            time.sleep(0.02)
        self.workers = workers_of(self.program.pid)

    def signal_group(self, number: int) -> None:
        os.killpg(self.program.pid, number)

    def check_undisturbed(self) -> None:
        """Each task was done, at the first attempt."""
        assert self.program.communicate(timeout=120) == ("None None\n", "")
        assert len(list(self.attempts.iterdir())) == 2


@pytest.fixture
def owner(tasks, tmp_path):
    owners = []

    def start(tenths: int, seconds: float, *options: str) -> Owner:
        owners.append(Owner(tmp_path / f"owner{len(owners)}", tenths, seconds, *options))
        return owners[-1]

    yield start
    for each in owners:
        each.program.kill()
        each.program.communicate()


def test_time_in_which_processes_are_suspended_does_not_count(owner):
    everything, program, workers = (owner(20, 5) for _ in range(3))
    everything.signal_group(signal.SIGSTOP)
    program.program.send_signal(signal.SIGSTOP)
    for process in workers.workers:
        process.suspend()
    time.sleep(6)
    everything.signal_group(signal.SIGCONT)
    program.program.send_signal(signal.SIGCONT)
    for process in workers.workers:
        process.resume()
    for each in (everything, program, workers):
        each.check_undisturbed()


def test_signals_to_the_whole_group_fail_no_task(owner):
    patient = owner(10, 60, "patient")
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1):
        patient.signal_group(number)
    patient.check_undisturbed()


def test_an_interrupt_of_the_whole_group_is_for_the_owner_alone(owner):
    interrupted = owner(6000, 600)
    interrupted.signal_group(signal.SIGINT)
    assert interrupted.program.communicate(timeout=60) == ("interrupted\n", "")
    assert interrupted.program.returncode == 0


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_no_worker_outlives_its_owner(owner, number):
    ended = owner(6000, 600)
    assert len(ended.workers) == 2
    ended.program.send_signal(number)
    _, alive = psutil.wait_procs(ended.workers, timeout=30)
    assert alive == []


def test_workers_start_without_the_owners_main_module(tmp_path):
    script = pathlib.Path(tmp_path, "program.py")
    script.write_text(
        "import sys\nprint('main')\nfrom kinetics_tfds.workers import WorkerPool\n"
        "with WorkerPool(1, memory_bytes=1 << 28) as pool: print(pool.run(abs, -1, seconds=60))\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("main\n1\n", "")
