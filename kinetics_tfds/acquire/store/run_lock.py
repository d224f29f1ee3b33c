"""Keeps two runs from filling one store at a time.

On a disk the lock is the system's, and ends with its process. A bucket has no locks: there a run renews a lease, and
one that was not renewed for a while has ended.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from kinetics_tfds.acquire.store.clip_store import ClipStore
from kinetics_tfds.errors import AcquireError
from kinetics_tfds.locks import try_lock

_NAME = "run.lock"
_RENEW_SECONDS = 20.0
_EXPIRE_SECONDS = 120.0
_SETTLE_SECONDS = 2.0  # within this, two runs that begin at the same time see each other's lease


@contextlib.contextmanager
def run_lock(store: ClipStore, on_lost: Callable[[], None]) -> Iterator[None]:
    """Holds a store for one run until the block ends.

    Args:
        store: the store.
        on_lost: called where another run took the lease over, because this one was suspended for minutes.

    Raises:
        AcquireError: another run holds it.
    """
    lease = _Lease(store)
    lock = None
    with contextlib.suppress(OSError):  # a network file system without locks
        lock = try_lock(store.hidden_path(_NAME)) if store.is_local else None
        if store.is_local and lock is None:
            raise _busy(store, lease.read())
    if lock is None:
        with lease.held(on_lost):
            yield
        return
    try:
        lease.write()
        yield
    finally:
        os.close(lock)


class _Lease:
    """A file that says who fills the store, and when that was last true."""

    def __init__(self, store: ClipStore) -> None:
        self._store = store
        self._holder = {"host": socket.gethostname(), "pid": os.getpid(), "token": secrets.token_hex(8)}

    def read(self) -> dict[str, Any]:
        try:
            return json.loads(b"".join(self._store.read_lines(_NAME)))
        except (OSError, ValueError):
            return {}

    def write(self) -> None:
        self._store.write_hidden(_NAME, json.dumps({**self._holder, "time": time.time()}).encode())

    def _is_mine(self) -> bool:
        return self.read().get("token", self._holder["token"]) == self._holder["token"]

    @contextlib.contextmanager
    def held(self, on_lost: Callable[[], None]) -> Iterator[None]:
        other = self.read()
        ended_here = other.get("host") == self._holder["host"] and not _is_running(other["pid"])
        if time.time() - other.get("time", 0) < _EXPIRE_SECONDS and not ended_here:
            raise _busy(self._store, other)
        self.write()
        time.sleep(_SETTLE_SECONDS)
        if not self._is_mine():
            raise _busy(self._store, self.read())
        ended = threading.Event()

        def renew() -> None:
            while not ended.wait(_RENEW_SECONDS):
                with contextlib.suppress(Exception):  # drivers' own classes; the lease outlives some failures
                    if not self._is_mine():
                        on_lost()
                        return
                    self.write()

        thread = threading.Thread(target=renew, name="acquire-lease", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
            if self._is_mine():
                self._store.remove_hidden(_NAME)


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # another user's
        return True
    return True


def _busy(store: ClipStore, holder: dict[str, Any]) -> AcquireError:
    who = f"process {holder['pid']} on {holder['host']}" if "pid" in holder else "another process"
    return AcquireError(
        f"Another run is filling {store.root}: {who}.",
        f"Wait for it to end, or stop it; then run the same command again. Where clips lie in a bucket, a run that was "
        f"killed counts as running for {_EXPIRE_SECONDS:g} s more.",
    )
