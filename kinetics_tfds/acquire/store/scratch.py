"""Scratch folders that are known to be dead when their process is, even if it was killed."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pathlib
import secrets
import shutil
from collections.abc import Iterator

_LOCK = ".lock"


@contextlib.contextmanager
def folder(base: pathlib.Path) -> Iterator[pathlib.Path]:
    """Makes a folder under `base` that is removed when the block ends, or by `remove_dead` after a crash."""
    path = base / f"{os.getpid()}-{secrets.token_hex(4)}"
    lock = path.with_suffix(_LOCK)
    descriptor = _hold(lock)
    try:
        path.mkdir()
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        lock.unlink(missing_ok=True)
        os.close(descriptor)


def _hold(lock: pathlib.Path) -> int:
    while True:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        # Someone who cleaned up may have removed the file between its making and its locking.
        try:
            if os.fstat(descriptor).st_ino == lock.stat().st_ino:
                return descriptor
        except FileNotFoundError:
            pass
        os.close(descriptor)


def remove_dead(base: pathlib.Path) -> int:
    """Removes the scratch folders under `base` that no living process holds, and returns how many."""
    removed = 0
    for path in dead(base):
        shutil.rmtree(path, ignore_errors=True)
        path.with_suffix(_LOCK).unlink(missing_ok=True)
        removed += 1
    return removed


def files_of_dead(base: pathlib.Path) -> Iterator[pathlib.Path]:
    """Yields the files in the folders that `remove_dead` would remove."""
    for folder in dead(base):
        yield from [path for path in folder.rglob("*") if path.is_file()]


def dead(base: pathlib.Path) -> Iterator[pathlib.Path]:
    """Yields the scratch folders under `base` that no living process holds; each is held while it is looked at."""
    for lock in base.glob(f"*{_LOCK}"):
        try:
            descriptor = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            pass  # held: its process lives
        else:
            yield lock.with_suffix("")
        finally:
            os.close(descriptor)
