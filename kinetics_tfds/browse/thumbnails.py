"""A few small frames of each clip, for an export: of stored frames, or decoded from the clip's file."""

from __future__ import annotations

import dataclasses
from collections.abc import Generator, Sequence

import cv2
import numpy as np

from kinetics_tfds.browse.answers import spread
from kinetics_tfds.browse.collection import Collection, StoredClip
from kinetics_tfds.decode import DecodedClip, DecodeFailure, DecodePool, DecodeSettings
from kinetics_tfds.shards.decoding import decode_clips

MOST_FRAMES = 8
SHORT_SIDE = 112  # pixels
QUALITY = 70  # of JPEG
# A file is decoded to this many frames a second, of which MOST_FRAMES are kept.
_DECODED_FPS = 2.0


@dataclasses.dataclass(frozen=True)
class Thumbnails:
    """Small frames, evenly spread over a clip.

    Attributes:
        frames: up to MOST_FRAMES JPEG images, their shorter side at most SHORT_SIDE pixels.
        timestamps: of each, in seconds from the clip's start.
    """

    frames: Sequence[bytes]
    timestamps: Sequence[float]


def read_thumbnails(collection: Collection, rows: Sequence[int]) -> Generator[Thumbnails | str | None]:
    """Yields, for each row, its thumbnails, what is wrong with the clip in words, or None where it has no pictures.

    Close it to end the decode workers early.
    """
    planned = [each for row in rows if (each := collection.planned(row)) is not None]
    if not planned:
        yield from map(_of_record, map(collection.record, rows))
        return
    settings = DecodeSettings(short_side=SHORT_SIDE, fps=_DECODED_FPS, quality=QUALITY, keep_damaged=True)
    with DecodePool(settings) as pool:
        decoded = decode_clips(collection.place, planned, pool)
        try:
            for row in rows:
                yield None if collection.planned(row) is None else _of_file(next(decoded))
        finally:
            decoded.close()


def _of_file(outcome: DecodedClip | DecodeFailure) -> Thumbnails | str:
    if isinstance(outcome, DecodeFailure):
        return f"{outcome.reason}: {outcome.detail}"
    times = [round(time, 6) for time in outcome.timestamps.tolist()]
    return Thumbnails(spread(outcome.frames, MOST_FRAMES), spread(times, MOST_FRAMES))


def _of_record(record: StoredClip | str | None) -> Thumbnails | str | None:
    if not isinstance(record, StoredClip):
        return record
    if len(record.timestamps) != len(record.frames):
        return f"{len(record.frames)} frames, but {len(record.timestamps)} times"
    frames = [_shrink(frame) for frame in spread(record.frames, MOST_FRAMES)]
    if not all(frames):
        return "a frame is no JPEG image"
    return Thumbnails(frames, [round(time, 6) for time in spread(record.timestamps, MOST_FRAMES)])


def _shrink(frame: bytes) -> bytes:
    """Returns a JPEG image at thumbnail size, empty where it does not decode; small ones are not enlarged."""
    pixels = cv2.imdecode(np.frombuffer(frame, np.uint8), cv2.IMREAD_COLOR) if frame else None
    if pixels is None:
        return b""
    height, width = pixels.shape[:2]
    scale = SHORT_SIDE / min(height, width)
    if scale < 1:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    return cv2.imencode(".jpg", pixels, (cv2.IMWRITE_JPEG_QUALITY, QUALITY))[1].tobytes()
