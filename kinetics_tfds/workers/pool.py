"""A pool of worker processes."""

from __future__ import annotations

import os
import pickle
import signal
import threading
import weakref
from collections.abc import Callable, Sequence
from typing import Any

from kinetics_tfds.errors import WorkerError
from kinetics_tfds.workers.process import DiedError, WorkerProcess
from kinetics_tfds.workers.queue import TaskQueue
from kinetics_tfds.workers.task import Task, TaskFuture, killed_from_outside

# A worker is replaced now and then, so that no library's memory grows for ever.
_TASKS_PER_PROCESS = 500
# Starts in a row that may fail by themselves before a task fails for want of a worker.
_MOST_FAILED_STARTS = 3
# Before a task is tried again whose worker was killed more than once: as long, then twice as long, and so on. Memory
# that ran out often comes back.
_PAUSE_SECONDS = 0.2
# Blocked in workers: they end with their owner, which decides what Ctrl-C and the like mean.
_NOT_FOR_WORKERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)


def available_cpus() -> int:
    """Returns how many CPUs this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class WorkerPool:
    """Runs functions in worker processes; may be used from several threads at once.

    A task whose worker crashed or was killed, or that exceeded its time or memory, is tried again alone: in a new
    worker, with no other task of the pool beside it. Only what fails alone has failed. Workers end with `close`, with
    this object, and with this process.

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
        self._memory_bytes = memory_bytes
        self._preload = tuple(preload)
        self._owner = os.getpid()
        self._lock = threading.Lock()
        self._queue = TaskQueue()
        self._threads: list[_WorkerThread] = []
        self._finalizer = weakref.finalize(self, _end, self._queue, self._threads, self._owner)

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
            RuntimeError: the pool was closed, or belongs to the process that this one was forked from.
        """
        if os.getpid() != self._owner:
            raise RuntimeError("a pool of workers belongs to the process that made it")
        task = Task(function, args, seconds)
        if self._queue.put(task):
            with self._lock:
                if len(self._threads) < self.workers:
                    thread = _WorkerThread(self._queue, self._memory_bytes, self._preload)
                    thread.start()
                    self._threads.append(thread)
        return task.future

    def run(self, function: Callable[..., Any], *args: Any, seconds: float) -> Any:
        """Runs `function(*args)` in a worker, and waits for its result; raises what `submit`'s future raises."""
        return self.submit(function, *args, seconds=seconds).result()

    def close(self) -> None:
        """Ends the workers; tasks in flight are given up."""
        self._finalizer()
        if os.getpid() == self._owner:
            for thread in self._threads:
                if thread is not threading.current_thread():
                    thread.join()


def _end(queue: TaskQueue, threads: list[_WorkerThread], owner: int) -> None:
    """Ends a pool. Waits for nothing: the garbage collector may call this in any thread."""
    if os.getpid() == owner:  # a forked child has copies of the pool, but no threads
        queue.close()
        for thread in threads:
            thread.kill()


class _WorkerThread(threading.Thread):
    """Owns one worker process: starts it, gives it tasks, and replaces it. It does not keep the pool alive."""

    def __init__(self, queue: TaskQueue, memory_bytes: int | None, preload: tuple[str, ...]) -> None:
        super().__init__(name="worker-owner", daemon=True)
        self._queue = queue
        self._memory_bytes = memory_bytes
        self._preload = preload
        self._process: WorkerProcess | None = None

    def run(self) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, _NOT_FOR_WORKERS)  # workers inherit this
        while (task := self._queue.take()) is not None:
            self._queue.done(task, retry=self._attempt(task))
            del task  # and with it a result, which only its reader should keep
        self._end_process()

    def kill(self) -> None:
        """Ends the worker process from another thread."""
        if (process := self._process) is not None:
            process.kill()

    def _attempt(self, task: Task) -> bool:
        """Runs a task once; returns whether it is to be tried again."""
        try:
            if task.attempts:
                self._end_process()  # what is tried again gets a new worker
            if task.kills > 1:
                self._queue.sleep(_PAUSE_SECONDS * 2 ** (task.kills - 2))
            task.attempts += 1
            process = self._process or self._start()
            succeeded, value = pickle.loads(process.run(task.call, task.seconds, lambda: task.future.abandoned))
        except (DiedError, TimeoutError) as error:
            self._end_process()
            return task.fail(error)
        except MemoryError:
            self._end_process()
            error = WorkerError(
                "Memory ran out in the process that owns the workers.",
                "Give it more memory, or run fewer workers; then run the same command again.",
            )
            task.future.set_exception(error)
            return False
        except BaseException as error:  # no worker can be started; or its answer cannot be read here
            self._end_process()
            task.future.set_exception(error)
            return False
        if process.tasks >= _TASKS_PER_PROCESS:
            self._end_process()
        if isinstance(value, MemoryError) and not succeeded:
            return task.fail(value)
        task.future.set_result(value) if succeeded else task.future.set_exception(value)
        return False

    def _start(self) -> WorkerProcess:
        for _ in range(_MOST_FAILED_STARTS):
            try:
                process = self._process = WorkerProcess(self._memory_bytes, self._preload)
            except OSError as error:
                raise WorkerError(
                    f"No worker process can be started: {error}.",
                    "Allow this user or container more processes, open files and memory; then run the same command "
                    "again.",
                ) from error
            if self._queue.closed:
                process.kill()
            try:
                process.wait_until_ready()
                return process
            except DiedError as error:
                self._end_process()
                if killed_from_outside(error.code):
                    raise
            except TimeoutError:
                self._end_process()
        raise WorkerError(
            "Worker processes end as soon as they start.",
            "See the messages above; in a container, allow it more processes and memory.",
        )

    def _end_process(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.end()
