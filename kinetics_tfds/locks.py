"""Exclusive locks on files. The system drops a lock when its process ends, however it ends."""

from __future__ import annotations

import errno
import fcntl
import os


def try_lock(path: str | os.PathLike[str]) -> int | None:
    """Locks a file, which is created if need be.

    Returns:
        A descriptor that holds the lock until it is closed; None while another process, or another descriptor of this
        one, holds it.

    Raises:
        OSError: the file cannot be written, or its file system has no locks.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
            return None
        raise
    return descriptor
