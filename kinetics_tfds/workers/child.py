"""What runs inside a worker process: limits, and one task after another."""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import os
import pickle
import resource
import signal
import threading
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection
from typing import Any

from kinetics_tfds.workers.memory import limit_memory

READY = b"ready"
_PR_SET_PDEATHSIG = 1
_OWNER_LOOK_SECONDS = 1.0


def serve(descriptor: int, owner: int, memory_bytes: int | None, preload: Sequence[str]) -> None:
    """Serves tasks from the owner until it closes the connection or ends.

    Args:
        descriptor: of this worker's end of the socket.
        owner: process id of the pool's owner; the worker ends when that process does.
        memory_bytes: private memory that tasks may take on top of what the preloaded modules hold; None for no
            limit.
        preload: modules that tasks need, imported before the limits are set.
    """
    _end_with(owner)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # no gigabytes of core files
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
        file.write("500")  # where memory runs out, a worker goes before the program that can start another
    connection = Connection(descriptor)
    for module in preload:
        importlib.import_module(module)
    if memory_bytes is not None:
        limit_memory(memory_bytes)
    connection.send_bytes(READY)
    with contextlib.suppress(EOFError, OSError):  # the owner is done
        while True:
            connection.send_bytes(_run(connection.recv_bytes()))


def _run(task: bytes) -> bytes:
    """Returns a pickled pair of whether the task succeeded and its result or exception."""
    answer: tuple[bool, Any]
    try:
        function, args = pickle.loads(task)
        answer = True, function(*args)
        return pickle.dumps(answer, pickle.HIGHEST_PROTOCOL)
    except MemoryError as error:
        answer = False, MemoryError(str(error))
    except Exception as error:  # the caller's to judge
        answer = False, error
    try:
        pickled = pickle.dumps(answer, pickle.HIGHEST_PROTOCOL)
        pickle.loads(pickled)  # many exceptions can be pickled, but not made again
    except Exception:
        pickled = pickle.dumps((False, RuntimeError(repr(answer[1]))), pickle.HIGHEST_PROTOCOL)
    return pickled


def _end_with(owner: int) -> None:
    """Makes this process end when its owner does, however that ends."""
    try:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    except (OSError, AttributeError):  # not Linux
        threading.Thread(target=_watch, args=(owner,), name="owner-watch", daemon=True).start()
    if os.getppid() != owner:  # ended before the kernel was asked to tell
        os._exit(1)


def _watch(owner: int) -> None:
    while os.getppid() == owner:
        time.sleep(_OWNER_LOOK_SECONDS)
    os._exit(1)
