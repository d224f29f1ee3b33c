"""Keeps two runs from filling one store at a time.

On a disk the lock is the system's, and ends with its process. A bucket has no locks: there a run renews a lease, and
one that was not renewed for a while has ended.
"""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from kinetics_tfds.acquire.store.clip_store import HIDDEN, ClipStore
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
    holder = {"host": socket.gethostname(), "pid": os.getpid(), "token": secrets.token_hex(8)}
    path = pathlib.Path(store.root, HIDDEN, _NAME)
    lock = None
    with contextlib.suppress(OSError):  # a network file system without locks
        lock = try_lock(path) if store.is_local else None
        if store.is_local and lock is None:
            raise _busy(store, _read(store))
    if lock is None:
        with _lease(store, holder, on_lost):
            yield
        return
    try:
        path.write_text(json.dumps(holder), encoding="utf-8")
        yield
    finally:
        os.close(lock)


@contextlib.contextmanager
def _lease(store: ClipStore, holder: dict[str, Any], on_lost: Callable[[], None]) -> Iterator[None]:
    other = _read(store)
    if other and time.time() - other.get("time", 0) < _EXPIRE_SECONDS and not _is_dead(other):
        raise _busy(store, other)
    _write(store, holder)
    time.sleep(_SETTLE_SECONDS)
    if (other := _read(store)).get("token") != holder["token"]:
        raise _busy(store, other)
    ended = threading.Event()

    def renew() -> None:
        while not ended.wait(_RENEW_SECONDS):
            with contextlib.suppress(Exception):  # drivers' own classes; the lease outlives some failures
                if _read(store).get("token", holder["token"]) != holder["token"]:
                    on_lost()
                    return
                _write(store, holder)

    thread = threading.Thread(target=renew, name="acquire-lease", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        if _read(store).get("token") == holder["token"]:
            store.remove_hidden(_NAME)


def _read(store: ClipStore) -> dict[str, Any]:
    try:
        return json.loads(b"".join(store.read_lines(_NAME)))
    except (OSError, ValueError):
        return {}


def _write(store: ClipStore, holder: dict[str, Any]) -> None:
    store.write_hidden(_NAME, json.dumps({**holder, "time": time.time()}).encode())


def _is_dead(holder: dict[str, Any]) -> bool:
    """Returns whether the holder was a process of this machine that has ended."""
    if holder.get("host") != socket.gethostname():
        return False
    try:
        os.kill(int(holder["pid"]), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False


def _busy(store: ClipStore, holder: dict[str, Any]) -> AcquireError:
    who = f"process {holder['pid']} on {holder['host']}" if "pid" in holder else "another process"
    return AcquireError(
        f"Another run is filling {store.root}: {who}.",
        f"Wait for it to end, or stop it; then run the same command again. Where clips lie in a bucket, a run that was "
        f"killed counts as running for {_EXPIRE_SECONDS:g} s more.",
    )
