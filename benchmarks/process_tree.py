"""Runs a command and watches the memory and the processor time of it and all that it starts."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pathlib
import subprocess
import time
from collections.abc import Mapping, Sequence

import psutil

_POLL_SECONDS = 0.2


@dataclasses.dataclass(frozen=True)
class Usage:
    """What a command took.

    Attributes:
        seconds: wall time.
        cpu_seconds: user and system time of the whole tree; what a process used in its last moments is missed.
        peak_bytes: the largest memory of the tree at one time: what each process has alone, and the largest part that
            one shares with others. (PSS would shrink when unrelated programs use the same libraries.)
    """

    seconds: float
    cpu_seconds: float
    peak_bytes: int


def run_watched(command: Sequence[str], log: pathlib.Path, env: Mapping[str, str] | None = None) -> Usage:
    """Runs a command to its end.

    Args:
        command: the program and its arguments.
        log: a file for its output.
        env: variables to add to this process's.

    Raises:
        RuntimeError: it failed; the message has the end of its output.
    """
    started = time.monotonic()
    with log.open("w") as file:
        process = subprocess.Popen(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", **(env or {})},
        )
        cpu: dict[tuple[int, float], float] = {}
        peak = 0
        root = psutil.Process(process.pid)
        while process.poll() is None:
            peak = max(peak, _look(root, cpu))
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_POLL_SECONDS)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}:\n{log.read_text()[-3000:]}")
    return Usage(time.monotonic() - started, sum(cpu.values()), peak)


def _look(root: psutil.Process, cpu: dict[tuple[int, float], float]) -> int:
    """Notes each process's time so far, and returns the tree's memory."""
    alone = shared = 0
    with contextlib.suppress(psutil.Error):
        for process in [root, *root.children(recursive=True)]:
            with contextlib.suppress(psutil.Error):
                times = process.cpu_times()
                cpu[process.pid, process.create_time()] = times.user + times.system
                memory = process.memory_full_info()
                alone += memory.uss
                shared = max(shared, memory.rss - memory.uss)
    return alone + shared
