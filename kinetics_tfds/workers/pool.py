"""A pool of worker processes."""

from __future__ import annotations

import collections
import concurrent.futures
import contextlib
import os
import pickle
import signal
import threading
import weakref
from collections.abc import Callable, Sequence
from typing import Any

from kinetics_tfds.errors import WorkerError
from kinetics_tfds.workers.process import DiedError, WorkerProcess

# A worker is replaced now and then, so that no library's memory grows for ever.
_TASKS_PER_PROCESS = 500
# How often a task is tried again after its worker was killed from outside.
_MOST_KILLS = 8
# Workers that end before they are ready, one after the other, until the pool gives up.
_MOST_FAILED_STARTS = 3
# Signals that come from outside: an operator, a scheduler, the kernel's out-of-memory killer.
_OUTSIDE = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
# Blocked in workers: they end with their owner, which decides what Ctrl-C and the like mean.
_NOT_FOR_WORKERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_CLOSED = "the pool of workers is closed"


class TaskTimeoutError(Exception):
    """A task took longer than it may, also when it ran alone."""


class TaskCrashedError(Exception):
    """A task ended its worker, also when it ran alone; the message says how."""


class WorkerKilledError(WorkerError):
    """Something outside kept killing the workers: this says nothing about the task."""


class TaskFuture(concurrent.futures.Future):
    """The result of a task."""

    abandoned = False

    def abandon(self) -> None:
        """Gives the task up: it is not begun, or its worker is ended."""
        self.abandoned = not self.cancel()


class _Task:
    def __init__(self, call: bytes, seconds: float) -> None:
        self.call = call
        self.seconds = seconds
        self.future = TaskFuture()
        self.kills = 0
        self.failed_beside_others = False


def available_cpus() -> int:
    """Returns how many CPUs this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class WorkerPool:
    """Runs functions in worker processes; may be used from several threads at once.

    A task whose worker crashed, was killed or took too long is tried again alone, with no other task of the pool beside
    it: only what fails alone has failed. Workers end with `close`, with this object, and with this process.

    Attributes:
        workers: how many worker processes there are at most; each is started when it is first needed.
    """

    def __init__(self, workers: int | None = None, *, memory_bytes: int | None, preload: Sequence[str] = ()) -> None:
        """Starts no process yet.

        Args:
            workers: number of processes; None for one on each CPU that this process may use.
            memory_bytes: private memory that a worker may take on top of what it starts with; None for no limit.
            preload: names of the modules that tasks need; importing them counts neither as time nor as memory of a
                task.
        """
        self.workers = available_cpus() if workers is None else max(1, workers)
        self._state = _State(self.workers, memory_bytes, tuple(preload))
        self._finalizer = weakref.finalize(self, self._state.close)

    def __enter__(self) -> WorkerPool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def submit(self, function: Callable[..., Any], *args: Any, seconds: float) -> TaskFuture:
        """Runs `function(*args)` in a worker, and returns its result's future.

        Args:
            function: a function of a module.
            *args: plain values that can be pickled.
            seconds: how long it may take. Time in which this process, the worker or the machine is suspended does not
                count.

        Returns:
            A future that raises what the function raised, `MemoryError` where it took more than `memory_bytes`,
            `TaskTimeoutError`, `TaskCrashedError`, `WorkerKilledError`, `WorkerError` where no worker can be started,
            or `CancelledError` after `close`.

        Raises:
            RuntimeError: the pool was closed.
        """
        task = _Task(pickle.dumps((function, args), pickle.HIGHEST_PROTOCOL), seconds)
        self._state.add(task)
        return task.future

    def run(self, function: Callable[..., Any], *args: Any, seconds: float) -> Any:
        """Runs `function(*args)` in a worker, and waits for its result; raises what `submit`'s future raises."""
        return self.submit(function, *args, seconds=seconds).result()

    def close(self) -> None:
        """Ends the workers; tasks in flight are given up."""
        self._finalizer()


class _State:
    """What the threads of a pool share: the tasks that wait, and who runs. It does not keep the pool alive."""

    def __init__(self, workers: int, memory_bytes: int | None, preload: tuple[str, ...]) -> None:
        self._workers = workers
        self._memory_bytes = memory_bytes
        self._preload = preload
        self._changed = threading.Condition()
        self._waiting: collections.deque[_Task] = collections.deque()
        self._to_run_alone: collections.deque[_Task] = collections.deque()
        self._running = 0
        self._idle = 0
        self._closed = False
        self._threads: list[threading.Thread] = []
        self._processes: set[WorkerProcess] = set()
        self._failed_starts = 0
        self._owner = os.getpid()

    def add(self, task: _Task) -> None:
        with self._changed:
            if self._closed or os.getpid() != self._owner:
                raise RuntimeError(_CLOSED)
            self._waiting.append(task)
            if not self._idle and len(self._threads) < self._workers:
                thread = threading.Thread(target=self._work, name="worker-owner", daemon=True)
                self._threads.append(thread)
                thread.start()
            self._changed.notify_all()

    def close(self) -> None:
        if os.getpid() != self._owner:  # a forked child has copies of the pool, but no threads
            return
        with self._changed:
            self._closed = True
            left = [*self._waiting, *self._to_run_alone]
            self._waiting.clear()
            self._to_run_alone.clear()
            for process in self._processes:
                process.kill()
            self._changed.notify_all()
        for task in left:
            task.future.cancel()
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        """One thread: owns one worker process, and takes tasks for it until the pool is closed."""
        signal.pthread_sigmask(signal.SIG_BLOCK, _NOT_FOR_WORKERS)  # the worker inherits this
        process: WorkerProcess | None = None
        while (task := self._next()) is not None:
            again = False
            try:
                process = process or self._start()
                process = self._run(task, process)
            except DiedError as error:
                process, again = self._forget(process), self._judge_death(task, error.code)
            except TimeoutError:
                process, again = self._forget(process), self._judge_timeout(task)
            except BaseException as error:  # no worker can be started
                process = self._forget(process)
                task.future.set_exception(error)
            self._done(task, again)
        self._forget(process)

    def _next(self) -> _Task | None:
        """Waits for a task that may begin; None once the pool is closed."""
        with self._changed:
            self._idle += 1
            try:
                while not self._closed:
                    if self._to_run_alone:
                        if not self._running:
                            return self._begin(self._to_run_alone[0])
                    elif self._waiting:
                        task = self._waiting.popleft()
                        if task.future.set_running_or_notify_cancel():
                            return self._begin(task)
                        continue
                    self._changed.wait()
                return None
            finally:
                self._idle -= 1

    def _begin(self, task: _Task) -> _Task:
        self._running += 1
        return task

    def _done(self, task: _Task, again: bool) -> None:
        with self._changed:
            self._running -= 1
            alone = bool(self._to_run_alone) and self._to_run_alone[0] is task
            if again and not self._closed and not task.future.abandoned:
                if not alone:
                    self._to_run_alone.append(task)
            else:
                if alone:
                    self._to_run_alone.popleft()
                if again:
                    task.future.set_exception(concurrent.futures.CancelledError(_CLOSED))
            self._changed.notify_all()

    def _start(self) -> WorkerProcess:
        while True:
            process = WorkerProcess(self._memory_bytes, self._preload)
            with self._changed:
                self._processes.add(process)
                if self._closed:
                    process.kill()
            try:
                process.wait_until_ready()
            except (DiedError, TimeoutError) as error:
                self._forget(process)
                self._failed_starts += 1
                if self._failed_starts < _MOST_FAILED_STARTS and not self._closed:
                    continue
                raise WorkerError(
                    "Worker processes end as soon as they start.",
                    "See the messages above; in a container, allow it more processes and memory.",
                ) from error
            self._failed_starts = 0
            return process

    def _forget(self, process: WorkerProcess | None) -> None:
        if process is not None:
            process.end()
            with self._changed:
                self._processes.discard(process)

    def _run(self, task: _Task, process: WorkerProcess) -> WorkerProcess | None:
        succeeded, value = pickle.loads(process.run(task.call, task.seconds, lambda: task.future.abandoned))
        if succeeded:
            task.future.set_result(value)
        else:
            task.future.set_exception(value)
        return process if process.tasks < _TASKS_PER_PROCESS else self._forget(process)

    def _judge_death(self, task: _Task, code: int) -> bool:
        """Returns whether a task is to be tried again after its worker died; otherwise its future has failed."""
        if -code in _OUTSIDE:
            task.kills += 1
            if task.kills <= _MOST_KILLS:
                return True
            error: Exception = WorkerKilledError(
                f"Worker processes are killed again and again from outside (signal {-code}).",
                "See whether this machine or container runs out of memory; then run the same command again: it goes on "
                "where it stopped.",
            )
        elif not task.failed_beside_others:
            task.failed_beside_others = True
            return True
        else:
            error = TaskCrashedError(_describe_exit(code))
        task.future.set_exception(error)
        return False

    def _judge_timeout(self, task: _Task) -> bool:
        if not task.failed_beside_others and not task.future.abandoned:
            task.failed_beside_others = True
            return True
        task.future.set_exception(TaskTimeoutError(f"not done within {task.seconds:g} s"))
        return False


def _describe_exit(code: int) -> str:
    if code >= 0:
        return f"the worker ended with code {code}"
    with contextlib.suppress(ValueError):
        return f"the worker was ended by {signal.Signals(-code).name}"
    return f"the worker was ended by signal {-code}"
