"""Reads what media files hold, to tell replaced files from unchanged ones."""

from __future__ import annotations

import os

import xxhash

from kinetics_tfds.clips.media import MediaContent
from kinetics_tfds.file_systems import open_file

_END_BYTES = 256 << 10


def read_content(path: str) -> MediaContent:
    """Reads what a file holds, local or behind a URL.

    It tells replaced files from unchanged ones; it does not withstand whoever forges one.

    Raises:
        OSError: it cannot be read.
    """
    digest = xxhash.xxh3_128()
    with open_file(path) as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        digest.update(file.read(2 * _END_BYTES if size <= 2 * _END_BYTES else _END_BYTES))
        if size > 2 * _END_BYTES:
            file.seek(size - _END_BYTES)
            digest.update(file.read(_END_BYTES))
    return MediaContent(size, digest.hexdigest())
