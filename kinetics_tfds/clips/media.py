"""Where the media of a clip lies."""

from __future__ import annotations

import dataclasses
import enum


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
