"""Parts of files, on this machine or behind a URL that fsspec knows."""

from __future__ import annotations

import os
from collections.abc import Sequence

from kinetics_tfds.file_systems import is_local


def read_range(path: str, start: int, end: int) -> bytes:
    """Returns the bytes from `start` to `end` of a file, fewer where it is shorter; one request.

    Raises:
        OSError: it cannot be read.
    """
    if not is_local(path):
        return _fetch(path, start, end)
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return os.pread(descriptor, end - start, start)
    finally:
        os.close(descriptor)


def read_ranges(path: str, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
    """Returns the bytes of each (start, end) of a file.

    On this machine nothing else is read. Elsewhere each request costs a journey: one fetches all that lies between the
    first byte and the last.

    Raises:
        OSError: it cannot be read.
    """
    if not is_local(path):
        first = min(start for start, _ in ranges)
        data = memoryview(_fetch(path, first, max(end for _, end in ranges)))
        return [bytes(data[start - first : end - first]) for start, end in ranges]
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return [os.pread(descriptor, end - start, start) for start, end in ranges]
    finally:
        os.close(descriptor)


def _fetch(url: str, start: int, end: int) -> bytes:
    import fsspec

    try:
        file_system, key = fsspec.core.url_to_fs(url)
        return file_system.cat_file(key, start=start, end=end)
    except OSError:
        raise
    except Exception as error:  # each driver brings its own classes of errors
        raise OSError(f"{type(error).__name__}: {error}") from error
