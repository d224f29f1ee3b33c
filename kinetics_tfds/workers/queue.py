"""The order in which the tasks of a pool are run."""

from __future__ import annotations

import collections
import threading

from kinetics_tfds.workers.task import Task


class TaskQueue:
    """Hands tasks to the threads that own workers: first come, first served; those tried again alone, and first.

    Attributes:
        closed: whether the pool is closed; no task is taken from then on.
    """

    def __init__(self) -> None:
        self.closed = False
        self._changed = threading.Condition()
        self._waiting: collections.deque[Task] = collections.deque()
        self._retries: collections.deque[Task] = collections.deque()
        self._takers = 0
        self._running = 0
        self._retrying = False

    def put(self, task: Task) -> bool:
        """Adds a task; returns whether more tasks wait than threads.

        Raises:
            RuntimeError: the pool is closed.
        """
        with self._changed:
            if self.closed:
                raise RuntimeError("the pool of workers is closed")
            self._waiting.append(task)
            self._changed.notify_all()
            return len(self._waiting) > self._takers

    def take(self) -> Task | None:
        """Waits for a task that may begin; None once the pool is closed. `done` must follow."""
        with self._changed:
            self._takers += 1
            try:
                while not self.closed:
                    if (task := self._pop()) is not None:
                        self._running += 1
                        return task
                    self._changed.wait()
                return None
            finally:
                self._takers -= 1

    def _pop(self) -> Task | None:
        if self._retrying:
            return None
        if self._retries:
            if self._running:
                return None
            self._retrying = True
            return self._retries.popleft()
        while self._waiting:
            task = self._waiting.popleft()
            if task.future.set_running_or_notify_cancel():
                return task
        return None

    def done(self, task: Task, *, retry: bool) -> None:
        """Must be called after each task that was taken.

        Args:
            task: what `take` returned.
            retry: whether to try it again; otherwise its future is done.
        """
        with self._changed:
            self._running -= 1
            self._retrying = False  # a task that is tried again is the only one
            give_up = retry and self.closed
            if retry and not self.closed:
                self._retries.append(task)
            self._changed.notify_all()
        if give_up:
            task.give_up()

    def close(self) -> None:
        """Cancels the tasks that wait; those that run are their threads' to end."""
        with self._changed:
            self.closed = True
            left = [*self._waiting, *self._retries]
            self._waiting.clear()
            self._retries.clear()
            self._changed.notify_all()
        for task in left:
            task.give_up()

    def sleep(self, seconds: float) -> None:
        """Waits for this long, or until the pool is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self.closed, seconds)
