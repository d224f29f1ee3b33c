"""The ledger's files: every attempt is one line, appended and never changed.

Each writing process has a file of its own, so writers need no lock, a crash can tear nothing but the last line of one
file, and merging two ledgers is copying files side by side. Readers take all files together.
"""

from __future__ import annotations

import os
import secrets
import socket
import threading
import time
from collections.abc import Iterable, Iterator

from kinetics_tfds.acquire.ledger.attempt import Attempt, parse_line, to_line
from kinetics_tfds.acquire.outcome import Reason
from kinetics_tfds.acquire.store.clip_store import ClipStore

FOLDER = "ledger"
_SYNC_SECONDS = 1.0


class LedgerWriter:
    """Appends attempts; safe for several threads of one process."""

    def __init__(self, store: ClipStore) -> None:
        stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
        host = "".join(c if c.isalnum() or c in "-_" else "_" for c in socket.gethostname())[:40]
        self._file = store.append_file(f"{FOLDER}/{stamp}-{host}-{os.getpid()}-{secrets.token_hex(4)}.jsonl")
        self._lock = threading.Lock()
        self._appending = threading.Lock()
        self._waiting: list[bytes] = []
        self._must_sync = False  # whether one of those waiting is about a stored clip
        self._synced = 0.0
        self._taken = self._safe = 0  # how many calls were taken, and how many of them are in the file

    def write(self, attempts: Iterable[Attempt]) -> None:
        """Writes attempts; when this returns they survive the end of this process, however sudden.

        Those of stored clips survive a power cut, too. The others follow within about a second: what a power cut can
        cost are failures of its last moments, which are then tried again. Syncing for each of them would be most of the
        time that a row costs. Threads that come while another one writes are written together by the first of them.
        """
        lines = [(to_line(attempt), attempt.reason is Reason.STORED) for attempt in attempts]
        if not lines:
            return
        with self._lock:
            self._waiting += [line for line, _ in lines]
            self._must_sync |= any(stored for _, stored in lines)
            self._taken += 1
            mine = self._taken
        with self._appending:
            if self._safe >= mine:
                return
            with self._lock:
                data, upto, must_sync = b"".join(self._waiting), self._taken, self._must_sync
                self._waiting.clear()
                self._must_sync = False
            sync = must_sync or time.monotonic() - self._synced > _SYNC_SECONDS
            self._file.append(data, sync)
            if sync:
                self._synced = time.monotonic()
            self._safe = upto

    def close(self) -> None:
        """Closes the file; all that was written survives a power cut then."""
        self._file.close()

    def __enter__(self) -> LedgerWriter:
        return self

    def __exit__(self, *unused: object) -> None:
        self.close()


def read_ledger(store: ClipStore) -> Iterator[Attempt]:
    """Yields all attempts of a store, file by file, each file in the order of its writing.

    A last line that a crash tore is left out; so is any line that is no attempt.
    """
    for name in store.hidden_sizes(FOLDER):
        for line in store.read_lines(name):
            attempt = parse_line(line)
            if attempt is not None:
                yield attempt


class LedgerTail:
    """Reads what is added to a store's ledger from now on."""

    def __init__(self, store: ClipStore) -> None:
        self._store = store
        self._read = store.hidden_sizes(FOLDER)

    def new(self) -> Iterator[Attempt]:
        """Yields the attempts that were written since the last call."""
        for name, size in self._store.hidden_sizes(FOLDER).items():
            if size <= self._read.get(name, 0):
                continue
            for line in self._store.read_lines(name, self._read.get(name, 0)):
                if not line.endswith(b"\n"):
                    break  # being written
                self._read[name] = self._read.get(name, 0) + len(line)
                attempt = parse_line(line)
                if attempt is not None:
                    yield attempt
