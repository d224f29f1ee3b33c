"""Where a build stages its shards, and the lock that keeps two builds of one dataset from running at once."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
from collections.abc import Iterator

from etils import epath

from kinetics_tfds.errors import ConfigError, PlanMismatchError
from kinetics_tfds.file_systems import is_local

_STAGING_FOLDER = ".staging"


def staging_path(data_path: epath.Path, fingerprint: str) -> epath.Path:
    """Returns the staging folder of a build.

    Args:
        data_path: the dataset's folder, `<data_dir>/<name>/<config>/<version>`, which need not exist.
        fingerprint: the build's.
    """
    return data_path.parent / _STAGING_FOLDER / f"{data_path.name}-{fingerprint[:12]}"


def lock_path(data_path: epath.Path) -> epath.Path:
    """Returns the file that locks the dataset of a folder."""
    return data_path.parent / _STAGING_FOLDER / f"{data_path.name}.lock"


@contextlib.contextmanager
def build_lock(path: epath.Path) -> Iterator[None]:
    """Holds an exclusive lock while the context lasts; the system drops it when the process dies, however it dies.

    Only local file systems have such locks; on others this does nothing, and two builds at once are the user's to
    avoid (their shards would still be whole: each is written under a name of its own, then renamed).

    Args:
        path: the lock's file. It stays: removing it would let two builds hold two locks of one name.

    Raises:
        PlanMismatchError: another process holds it.
        ConfigError: the folder cannot be written.
    """
    if not is_local(path):
        yield
        return
    import fcntl

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        opened = open(path, "a+", encoding="utf-8")  # noqa: SIM115 - closed below
    except OSError as error:
        raise ConfigError(
            f"Cannot write in {path.parent}: {error.strerror or error}",
            "Give this user the right to write there, or name another --data_dir.",
        ) from error
    with opened as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                yield  # a file system without locks, such as some network mounts
                return
            file.seek(0)
            holder = file.read().strip() or "another process"
            raise PlanMismatchError(
                f"{holder} is already building this dataset (it holds {path}).",
                "Wait for it to end, or end it; then run this command again: finished shards are kept.",
            ) from None
        file.seek(0)
        file.truncate()
        file.write(f"Process {os.getpid()} on {socket.gethostname()}\n")
        file.flush()
        yield
