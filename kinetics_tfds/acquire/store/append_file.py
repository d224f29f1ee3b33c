"""Files that only grow: on a disk, and in a bucket, whose objects cannot grow. They exist from the first append on."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import posixpath
import time
from collections.abc import Callable
from typing import Protocol

_OBJECT_BYTES = 1 << 18
# Google's buckets take about one write a second to one object; faster ones go to several objects in turn.
_REWRITE_SECONDS = 1.0


class AppendFile(Protocol):
    def append(self, data: bytes, sync: bool = True) -> None:
        """Adds whole lines; when this returns they outlive the process, and with `sync` a power cut."""
        ...

    def close(self) -> None:
        """Ends the file; all of it outlives a power cut then."""
        ...


class LocalAppendFile:
    def __init__(self, path: str) -> None:
        self._path = path
        self._descriptor = -1

    def append(self, data: bytes, sync: bool = True) -> None:
        """See `AppendFile`."""
        if self._descriptor < 0:
            pathlib.Path(self._path).parent.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
            sync_to_disk(os.path.dirname(self._path))
        while data:
            data = data[os.write(self._descriptor, data) :]
        if sync:
            os.fsync(self._descriptor)

    def close(self) -> None:
        """See `AppendFile`."""
        if self._descriptor >= 0:
            os.fsync(self._descriptor)
            os.close(self._descriptor)


@dataclasses.dataclass
class _Object:
    name: str
    data: bytes = b""
    written: float = -_REWRITE_SECONDS


class BucketAppendFile:
    """A file in parts: an object is written anew, longer each time, until it is long enough.

    Args:
        name: of the file; a number is added for each object.
        write: writes an object whole, given its name and bytes.
        clock: seconds.
    """

    def __init__(
        self, name: str, write: Callable[[str, bytes], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._stem, self._suffix = posixpath.splitext(name)
        self._write, self._clock = write, clock
        self._growing: list[_Object] = []
        self._count = 0

    def append(self, data: bytes, sync: bool = True) -> None:
        """See `AppendFile`."""
        now = self._clock()
        rested = (each for each in self._growing if now - each.written >= _REWRITE_SECONDS)
        target = next(rested, None) or self._new()
        grown = target.data + data
        self._write(target.name, grown)
        target.data, target.written = grown, self._clock()
        if len(grown) >= _OBJECT_BYTES:
            self._growing.remove(target)

    def _new(self) -> _Object:
        self._growing.append(_Object(f"{self._stem}-{self._count:06d}{self._suffix}"))
        self._count += 1
        return self._growing[-1]

    def close(self) -> None:
        """See `AppendFile`."""


def sync_to_disk(path: str | os.PathLike[str]) -> None:
    """Makes a file's bytes, or a folder's names, survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError:
        if not os.path.isdir(path):  # some network file systems cannot sync a folder
            raise
    finally:
        os.close(descriptor)
