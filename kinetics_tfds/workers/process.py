"""One worker process as its owner sees it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection

from kinetics_tfds.workers.child import READY

# Before it has the owner's path, it imports nothing from the working folder (-P).
_CODE = (
    "import json, sys; arguments = json.loads(sys.argv[1]); sys.path[:] = arguments.pop('path')\n"
    "from kinetics_tfds.workers.child import serve; serve(**arguments)"
)
_START_SECONDS = 120.0
_TICK_SECONDS = 0.25
# States of a process that is suspended, in the third field of /proc/PID/stat.
_SUSPENDED = (b"T", b"t")


class DiedError(Exception):
    """The worker process has ended.

    Attributes:
        code: its exit code; minus the signal's number where a signal ended it.
    """

    def __init__(self, code: int) -> None:
        super().__init__(f"exit code {code}")
        self.code = code


class WorkerProcess:
    """A process that runs tasks one by one.

    It is started afresh, not forked: it holds nothing of the owner's, whose main module it never imports. It must be
    started from a thread that lives as long as it does, because Linux ends it when that thread ends.

    Args:
        memory_bytes: see `serve`.
        preload: see `serve`.
    """

    def __init__(self, memory_bytes: int | None, preload: Sequence[str]) -> None:
        near, far = socket.socketpair()
        path = [entry for entry in sys.path if isinstance(entry, str)]  # notebooks append paths, which Python ignores
        arguments = {"path": path, "descriptor": far.fileno(), "owner": os.getpid()}
        arguments |= {"memory_bytes": memory_bytes, "preload": list(preload)}
        with far:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", _CODE, json.dumps(arguments)],
                pass_fds=[far.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )
        self._connection = Connection(near.detach())
        self.tasks = 0

    def wait_until_ready(self) -> None:
        """Waits until the modules are imported.

        Raises:
            DiedError: it ended instead.
            TimeoutError: it took too long.
        """
        if self._receive(_START_SECONDS) != READY:
            raise DiedError(self.end())

    def run(self, task: bytes, seconds: float, abandoned: Callable[[], bool]) -> bytes:
        """Runs one pickled task and returns the pickled answer.

        Raises:
            DiedError: the worker ended.
            TimeoutError: the task was abandoned, or took longer than `seconds`; time in which this process or the
                worker was suspended does not count. The worker goes on: end it.
        """
        self.tasks += 1
        try:
            self._connection.send_bytes(task)
        except OSError:
            raise DiedError(self.end()) from None
        return self._receive(seconds, abandoned)

    def end(self) -> int:
        """Ends the process at once, and returns its exit code."""
        self._process.kill()
        code = self._process.wait()
        self._connection.close()
        return code

    def kill(self) -> None:
        """Ends the process from another thread than the one that runs its tasks."""
        self._process.kill()

    def _receive(self, seconds: float, abandoned: Callable[[], bool] = lambda: False) -> bytes:
        try:
            last, left = time.monotonic(), seconds
            while not self._connection.poll(min(_TICK_SECONDS, left)):
                now = time.monotonic()
                # A longer turn of this loop means that this process was suspended, or its machine.
                left -= min(now - last, 2 * _TICK_SECONDS) if not self._suspended() else 0.0
                last = now
                if left <= 0 or abandoned():
                    raise TimeoutError
            return self._connection.recv_bytes()
        except TimeoutError:
            raise
        except (EOFError, OSError):  # also half of an answer
            raise DiedError(self._reap()) from None

    def _suspended(self) -> bool:
        try:
            with open(f"/proc/{self._process.pid}/stat", "rb") as file:
                return file.read().rpartition(b")")[2].split()[0] in _SUSPENDED
        except OSError:  # ended, or no Linux
            return False

    def _reap(self) -> int:
        """Returns the code of a process whose end of the connection is closed."""
        try:
            code = self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            return self.end()
        self._connection.close()
        return code
