"""Watching the processes of decode pools."""

from __future__ import annotations

import contextlib
import pathlib
import time

import psutil
from media import cached_video


def short() -> pathlib.Path:
    """Returns a clip of one second."""
    return cached_video(seconds=1, width=160, height=128)


def worker_ids() -> list[int]:
    """Process ids of the decode workers."""
    found = []
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):  # it may end meanwhile
            if "kinetics_tfds.workers" in " ".join(process.cmdline()):
                found.append(process.pid)
    return found


def decoding_worker(timeout: float = 10.0) -> psutil.Process:
    """Waits for a worker that is busy, and returns it."""
    until = time.monotonic() + timeout
    while time.monotonic() < until:
        for pid in worker_ids():
            with contextlib.suppress(psutil.Error):
                process = psutil.Process(pid)
                before = process.cpu_times().user
                time.sleep(0.1)
                if process.cpu_times().user > before:
                    return process
    raise AssertionError("no worker is busy")


def gone(pids, timeout: float = 10.0) -> bool:
    until = time.monotonic() + timeout
    while time.monotonic() < until:
        if not any(psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE for pid in pids):
            return True
        time.sleep(0.05)
    return False
