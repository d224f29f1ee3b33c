"""What goes into decoding and what comes out of it. Imports nothing heavy: every layer above may name these."""

from __future__ import annotations

import dataclasses
import enum

import numpy as np

from kinetics_tfds.clips.media import MediaContent, Span


@dataclasses.dataclass(frozen=True)
class DecodeSettings:
    """The settings that change decoded frames, and so the dataset's identity.

    Attributes:
        short_side: the shorter side of stored frames in pixels, None to keep the source's; smaller sources are never
            enlarged.
        fps: frames a second after resampling by nearest presentation time; None keeps the source's frames.
        quality: JPEG quality, 1 to 100 (4:2:0 subsampling).
        audio_rate: samples a second of mono audio; None stores no audio.
        min_duration: clips with less playable time than this many seconds fail as `too_short`; None accepts any
            length that the file itself promises.
        keep_damaged: keep what decodes before the first damage when that is at least `min_duration` long, instead of
            failing the clip.
    """

    short_side: int | None = 256
    fps: float | None = 25.0
    quality: int = 90
    audio_rate: int | None = None
    min_duration: float | None = None
    keep_damaged: bool = False


@dataclasses.dataclass(frozen=True)
class DecodeLimits:
    """What one file may cost before it is given up. These do not change the frames of files within the limits.

    Attributes:
        wall_seconds: time for one clip.
        memory_bytes: private memory that a decode worker may take on top of what it starts with.
        max_pixels: width x height of a source frame.
        max_frames: frames one clip may give.
    """

    wall_seconds: float = 120.0
    memory_bytes: int = 1 << 30
    max_pixels: int = 8192 * 4320
    max_frames: int = 3000


@dataclasses.dataclass(frozen=True, slots=True)
class DecodeRequest:
    """One clip to decode.

    Attributes:
        key: names the clip in reports; any string.
        path: a local file.
        span: what the file's name says about what it covers.
        time_start: start of the clip in the original video, in seconds.
        time_end: its end (exclusive), in seconds.
    """

    key: str
    path: str
    span: Span
    time_start: float
    time_end: float


@dataclasses.dataclass(frozen=True, slots=True)
class DecodedClip:
    """The frames of one clip.

    Attributes:
        frames: T encoded JPEG images of equal size.
        timestamps: float32 [T], seconds from the clip's start, increasing.
        fps: frames a second: the config's, or the source's mean rate over the clip where the config keeps it.
        width: of the stored frames, in pixels.
        height: of the stored frames, in pixels.
        original_width: displayed width of the source, in pixels (after rotation and pixel aspect).
        original_height: displayed height of the source, in pixels.
        original_fps: the source's mean rate, frames a second.
        duration: playable seconds that were found of the clip.
        damage: what was wrong where a damaged clip was kept, else None.
        audio: int16 [S] mono samples from the clip's start, zeros where the file is silent or has no audio; None
            where no audio was asked for.
        audio_rate: samples a second of `audio`, or None.
        decode_seconds: wall time spent in the worker.
        content: of the file.
    """

    frames: list[bytes]
    timestamps: np.ndarray
    fps: float
    width: int
    height: int
    original_width: int
    original_height: int
    original_fps: float
    duration: float
    damage: str | None = None
    audio: np.ndarray | None = None
    audio_rate: int | None = None
    decode_seconds: float = 0.0
    content: MediaContent | None = None


class FailureReason(enum.StrEnum):
    """Why a clip on disk gave no record. The list is fixed: manifests and scripts rely on its words."""

    UNREADABLE = "unreadable"  # no such file, no permission, an I/O error
    EMPTY = "empty"  # zero bytes
    NOT_MEDIA = "not_media"  # a container that is not allowed or not recognised (HTML, a playlist, an archive)
    NO_VIDEO = "no_video"  # no video stream, or none that decodes at all
    UNSUPPORTED_CODEC = "unsupported_codec"
    CORRUPT = "corrupt"  # decoding met errors in the data
    TRUNCATED = "truncated"  # data ends before the file's own promise
    OUT_OF_RANGE = "out_of_range"  # an intact file that does not cover the clip's times
    TOO_SHORT = "too_short"  # less than the config's min_duration
    TOO_LARGE = "too_large"  # more pixels or frames than the limits allow
    TIMEOUT = "timeout"  # the worker's time ran out and it was ended
    MEMORY = "memory"  # the worker's memory ran out
    CRASHED = "crashed"  # the worker died on this file


@dataclasses.dataclass(frozen=True, slots=True)
class DecodeFailure:
    """A clip that gave no frames.

    Attributes:
        reason: one of the fixed list.
        detail: one line for people: what was seen in the file.
        content: of the file, where the same content fails in the same way each time.
    """

    reason: FailureReason
    detail: str
    content: MediaContent | None = dataclasses.field(default=None, compare=False)
