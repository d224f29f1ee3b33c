"""Scratch folders of processes: whoever finds one can tell whether its process still lives, even if it was killed."""

from __future__ import annotations

import contextlib
import os
import pathlib
import secrets
import shutil
from collections.abc import Iterator

from kinetics_tfds.locks import try_lock

_LOCK = ".lock"


@contextlib.contextmanager
def scratch_folder(base: pathlib.Path) -> Iterator[pathlib.Path]:
    """Gives a new folder under `base`, which is removed when the block ends; removes those of dead processes first."""
    for path in abandoned_folders(base):
        shutil.rmtree(path, ignore_errors=True)
    name = f"{os.getpid()}-{secrets.token_hex(4)}"
    unlocked = base / f".new-{name}"
    unlocked.mkdir(parents=True)
    lock = try_lock(unlocked / _LOCK)
    path = unlocked.rename(base / name)  # nobody sees it before it is locked
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        if lock is not None:
            os.close(lock)


def abandoned_folders(base: pathlib.Path) -> Iterator[pathlib.Path]:
    """Yields the scratch folders of dead processes under `base`; each stays locked while it is looked at."""
    for path in base.glob("[0-9]*"):
        try:
            lock = try_lock(path / _LOCK)
        except OSError:  # removed meanwhile
            continue
        if lock is not None:
            try:
                yield path
            finally:
                os.close(lock)
