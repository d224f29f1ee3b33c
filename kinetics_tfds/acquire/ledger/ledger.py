"""The ledger's files: every attempt is one line, appended and never changed.

Each writing process has a file of its own, so writers need no lock, a crash can tear nothing but the last line of one
file, and merging two ledgers is copying files side by side. Readers take all files together.
"""

from __future__ import annotations

import dataclasses
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator

from kinetics_tfds.acquire.ledger.attempt import Attempt, parse_line, to_line
from kinetics_tfds.acquire.outcome import Reason
from kinetics_tfds.acquire.store.clip_store import ClipStore, sync_to_disk

FOLDER = "ledger"
_SECONDS = 1.0  # between two syncs of failures, and (Google's buckets) two writes to one object
_OBJECT_BYTES = 1 << 18


class LedgerWriter:
    """Appends attempts; safe for several threads of one process. Its file exists from the first attempt on.

    Attempts that stored a clip survive a power cut once `write` returns. The others follow within about a second: what
    a power cut can cost (or, in a bucket, a killed process) are failures of its last moments, which are then tried
    again. Syncing for each of them would be most of the time that a row costs.
    """

    def __init__(self, store: ClipStore, clock: Callable[[], float] = time.monotonic) -> None:
        stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
        host = "".join(c if c.isalnum() or c in "-_" else "_" for c in socket.gethostname())[:40]
        name = f"{FOLDER}/{stamp}-{host}-{os.getpid()}-{secrets.token_hex(4)}"
        self._file = _LocalFile(store, f"{name}.jsonl") if store.is_local else _BucketFile(store, name, clock)
        self._clock = clock
        self._lock = threading.Lock()
        self._synced = -_SECONDS

    def write(self, attempts: Iterable[Attempt]) -> None:
        attempts = list(attempts)
        if not attempts:
            return
        with self._lock:
            self._file.append(b"".join(map(to_line, attempts)))
            stored = any(attempt.reason is Reason.STORED for attempt in attempts)
            if stored or self._clock() - self._synced >= _SECONDS:
                self._file.sync()
                self._synced = self._clock()

    def flush(self) -> None:
        """Syncs what was written."""
        with self._lock:
            self._file.sync()

    def __enter__(self) -> LedgerWriter:
        return self

    def __exit__(self, *unused: object) -> None:
        self.flush()
        self._file.close()


class _LocalFile:
    def __init__(self, store: ClipStore, name: str) -> None:
        self._path = store.hidden_path(name)
        self._descriptor = -1

    def append(self, data: bytes) -> None:
        if self._descriptor < 0:
            os.makedirs(os.path.dirname(self._path), exist_ok=True)
            self._descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
            sync_to_disk(os.path.dirname(self._path))
        while data:
            data = data[os.write(self._descriptor, data) :]

    def sync(self) -> None:
        if self._descriptor >= 0:
            os.fsync(self._descriptor)

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


@dataclasses.dataclass
class _Object:
    name: str
    data: bytes = b""
    written: float = -_SECONDS


class _BucketFile:
    """A file in parts: an object cannot grow, so it is written anew, longer each time, until it is long enough."""

    def __init__(self, store: ClipStore, name: str, clock: Callable[[], float]) -> None:
        self._store, self._name, self._clock = store, name, clock
        self._unwritten = b""
        self._growing: list[_Object] = []
        self._count = 0

    def append(self, data: bytes) -> None:
        self._unwritten += data

    def sync(self) -> None:
        if not self._unwritten:
            return
        rested = (each for each in self._growing if self._clock() - each.written >= _SECONDS)
        target = next(rested, None)
        if target is None:
            target = _Object(f"{self._name}-{self._count:06d}.jsonl")
            self._growing.append(target)
            self._count += 1
        data = target.data + self._unwritten
        self._store.write_hidden(target.name, data)
        target.data, target.written, self._unwritten = data, self._clock(), b""
        if len(data) >= _OBJECT_BYTES:
            self._growing.remove(target)

    def close(self) -> None:
        self._growing.clear()


def read_ledger(store: ClipStore, offsets: dict[str, int] | None = None) -> Iterator[Attempt]:
    """Yields the attempts of a store, file by file, each file in the order of its writing.

    A last line that is being written, or that a crash tore, is left out; so is any line that is no attempt.

    Args:
        store: the store.
        offsets: bytes of each file to pass over, which this moves on: the next call yields only what is new.
    """
    offsets = {} if offsets is None else offsets
    for name, size in store.hidden_sizes(FOLDER).items():
        if size <= offsets.get(name, 0):
            continue
        for line in store.read_lines(name, offsets.get(name, 0)):
            if not line.endswith(b"\n"):
                break
            offsets[name] = offsets.get(name, 0) + len(line)
            attempt = parse_line(line)
            if attempt is not None:
                yield attempt
