"""Where the media of a clip lies."""

from __future__ import annotations

import dataclasses
import enum
import os

import xxhash

from kinetics_tfds.file_systems import open_file


class Span(enum.StrEnum):
    """What a media file covers, as far as its name tells."""

    TRIMMED = "trimmed"  # just the clip: the name carries its start and end
    UNKNOWN = "unknown"  # named by the video's id alone: trimmed or whole, told by its duration when it is opened
    # Named by the id alone, and several clips claim it: only the whole video can hold them all. Taken for trimmed, it
    # would give one clip's frames the other's label.
    WHOLE = "whole"


@dataclasses.dataclass(frozen=True, slots=True)
class MediaFile:
    """One file that holds a clip.

    Attributes:
        path: the path relative to the root that was listed, with forward slashes on every system.
        span: whether the name says that the file is cut to the clip.
    """

    path: str
    span: Span


@dataclasses.dataclass(frozen=True, slots=True)
class MediaContent:
    """What a file holds, whatever its name and time: two files of one content decode to the same frames.

    Attributes:
        bytes: its size.
        digest: XXH3 of its bytes, 32 hexadecimal digits; of larger files than 512 KiB, of 256 KiB at each end. One of
            them holds an MP4's table of the sizes of all its frames, so that no other encoding passes for the same.
    """

    bytes: int
    digest: str


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
