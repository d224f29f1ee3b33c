"""How many bytes a clip will take, before any is decoded. Shard counts and disk estimates rest on it."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

from kinetics_tfds.annotations.clip import Clip
from kinetics_tfds.decode.types import DecodeSettings

# Bytes a pixel of 4:2:0 JPEG on Kinetics-like frames, by quality: 340x256 frames at quality 90 took 20 KB each.
_BYTES_PER_PIXEL = ((1, 0.015), (50, 0.075), (75, 0.12), (90, 0.23), (95, 0.34), (100, 0.75))
_REFERENCE_SIDE = 256  # the same scene on fewer pixels has more detail in each
_ASPECT = 1.5  # between 4:3 and 16:9: Kinetics holds both
_SOURCE_SHORT_SIDE = 360  # where the config keeps the source's size; most copies of Kinetics hold 240 to 480
_SOURCE_FPS = 28.0  # where the config keeps the source's rate: mostly 30, some 25 and 24
RECORD_OVERHEAD_BYTES = 2048  # ids, times, timestamps and protobuf's own


def bytes_per_second(settings: DecodeSettings) -> float:
    """Returns the predicted bytes that a second of clip takes in a record.

    >>> round(bytes_per_second(DecodeSettings()) * 10 / 1e6, 1)  # MB of a ten-second clip as jpeg256 stores it
    5.7
    """
    side = settings.short_side or _SOURCE_SHORT_SIDE
    detail = (_REFERENCE_SIDE / side) ** 0.65
    frame = side * side * _ASPECT * _bytes_per_pixel(settings.quality) * detail
    audio = 2 * settings.audio_rate if settings.audio_rate else 0
    return (settings.fps or _SOURCE_FPS) * frame + audio


def predict_bytes(clips: Iterable[Clip], settings: DecodeSettings) -> int:
    """Returns the predicted size of the clips' records, in bytes."""
    rate = bytes_per_second(settings)
    return round(sum(clip.duration * rate + RECORD_OVERHEAD_BYTES for clip in clips))


def _bytes_per_pixel(quality: int) -> float:
    points = _BYTES_PER_PIXEL
    for (low, low_bytes), (high, high_bytes) in itertools.pairwise(points):
        if quality <= high:
            return low_bytes + (high_bytes - low_bytes) * (quality - low) / (high - low)
    return points[-1][1]
