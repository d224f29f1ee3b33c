"""Watching what the decode workers of a running program are made of."""

from __future__ import annotations

import contextlib
import dataclasses
import pathlib
import re
import threading
from collections.abc import Iterator

import psutil


@dataclasses.dataclass
class Seen:
    """What was seen of the decode workers.

    Attributes:
        peaks: process id -> the most memory it held, in MiB.
        mapped: those of TensorFlow and Beam that any of them had loaded.
    """

    peaks: dict[int, int] = dataclasses.field(default_factory=dict)
    mapped: set[str] = dataclasses.field(default_factory=set)

    def look(self, pid: int) -> None:
        """Notes how one process stands."""
        proc = pathlib.Path(f"/proc/{pid}")
        if b"kinetics_tfds.workers" not in (proc / "cmdline").read_bytes():
            return  # another process, or one that still is its parent's copy, between fork and exec
        peak = re.search(r"VmHWM:\s+(\d+) kB", (proc / "status").read_text())
        if peak is None:
            return  # it has ended, and is not waited for yet
        self.peaks[pid] = max(self.peaks.get(pid, 0), int(peak[1]) >> 10)
        maps = (proc / "maps").read_text()
        self.mapped.update(name for name in ("tensorflow", "apache_beam") if f"/{name}/" in maps)


@contextlib.contextmanager
def watching_workers(pid: int) -> Iterator[Seen]:
    """Watches the workers of the process `pid` until the block ends."""
    seen, over = Seen(), threading.Event()

    def watch() -> None:
        while not over.wait(0.02):
            with contextlib.suppress(psutil.Error):
                for process in psutil.Process(pid).children(recursive=True):
                    with contextlib.suppress(OSError):
                        seen.look(process.pid)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()
