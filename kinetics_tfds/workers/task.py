"""A task of the pool, and what its failures mean: its own doing, or that of the machine around it."""

from __future__ import annotations

import concurrent.futures
import contextlib
import pickle
import signal
from collections.abc import Callable
from typing import Any

from kinetics_tfds.errors import WorkerError
from kinetics_tfds.workers.process import DiedError

# Signals that a process brings upon itself. All others come from outside: from an operator, a scheduler, or the
# kernel's out-of-memory killer.
_OWN_SIGNALS = frozenset(
    {signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGABRT, signal.SIGTRAP, signal.SIGSYS}
)
# How often a task is tried again after its worker was killed from outside.
_MOST_KILLS = 8


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
        """Gives the task up: if it runs, its worker is ended; if not, it never will."""
        self.abandoned = not self.cancel()


class Task:
    """A call that waits for a worker, or is in one.

    Attributes:
        call: the pickled function and arguments.
        seconds: how long it may take.
        future: its result.
        attempts: how often it was begun.
        kills: how often its worker was killed from outside.
    """

    def __init__(self, function: Callable[..., Any], args: tuple[Any, ...], seconds: float) -> None:
        self.call = pickle.dumps((function, args), pickle.HIGHEST_PROTOCOL)
        self.seconds = seconds
        self.future = TaskFuture()
        self.attempts = 0
        self.kills = 0
        self._has_failed = False

    def fail(self, error: Exception) -> bool:
        """Judges an attempt that failed.

        Args:
            error: `DiedError`, `TimeoutError` or `MemoryError`.

        Returns:
            Whether the task deserves another attempt, alone and in a new worker; otherwise its future has failed.
        """
        if self.future.abandoned:
            error = concurrent.futures.CancelledError("the task was given up")
        elif isinstance(error, DiedError) and killed_from_outside(error.code):
            self.kills += 1
            if self.kills <= _MOST_KILLS:
                return True
            error = WorkerKilledError(
                f"Worker processes are killed again and again from outside ({_name(-error.code)}).",
                "See whether this machine or container runs out of memory, where fewer workers help; then run the same "
                "command again.",
            )
        elif not self._has_failed:
            self._has_failed = True
            return True
        elif isinstance(error, DiedError):
            error = TaskCrashedError(_describe_exit(error.code))
        elif isinstance(error, TimeoutError):
            error = TaskTimeoutError(f"not done within {self.seconds:g} s")
        self.future.set_exception(error)
        return False

    def give_up(self) -> None:
        """Cancels the task, which no worker runs."""
        if self.future.cancel():
            self.future.set_running_or_notify_cancel()
        else:  # it was begun before
            self.future.set_exception(concurrent.futures.CancelledError("the pool of workers is closed"))


def killed_from_outside(code: int) -> bool:
    """Returns whether a process with this exit code was ended by something that is not its own doing."""
    return code < 0 and -code not in _OWN_SIGNALS


def _describe_exit(code: int) -> str:
    return f"the worker ended with code {code}" if code >= 0 else f"the worker was ended by {_name(-code)}"


def _name(number: int) -> str:
    with contextlib.suppress(ValueError):
        return signal.Signals(number).name
    return f"signal {number}"
