"""Opening a media file under limits, and choosing its streams."""

from __future__ import annotations

import os

import av

from kinetics_tfds.decode.failure import failed
from kinetics_tfds.decode.types import DecodeLimits, FailureReason

# By content, never by extension: a playlist that is named .mp4 is not one of these.
_OPTIONS = {
    "format_whitelist": "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi",
    "protocol_whitelist": "file",
}


def open_media(path: str, limits: DecodeLimits) -> av.container.InputContainer:
    """Opens a local file with an allowed demuxer only.

    Raises:
        DecodeError: unreadable, empty, not_media.
    """
    try:
        if os.stat(path).st_size == 0:
            raise failed(FailureReason.EMPTY, "the file has no bytes")
        return av.open(path, options={**_OPTIONS, "max_pixels": str(limits.max_pixels)})
    except (av.error.InvalidDataError, av.error.ArgumentError, ValueError) as error:
        raise failed(FailureReason.NOT_MEDIA, f"not a media file of an allowed kind: {error}") from error
    except OSError as error:
        raise failed(FailureReason.UNREADABLE, error.strerror or type(error).__name__) from error


def choose_video(media: av.container.InputContainer) -> av.video.stream.VideoStream:
    """Returns the video stream that the ffmpeg program would pick.

    That is the largest picture, with a bonus of 5,000,000 pixels for a stream marked as default; attached pictures
    (covers) do not count.
    """
    best = None
    best_score = 0
    for stream in media.streams.video:
        if stream.disposition & av.stream.Disposition.attached_pic or stream.codec_context is None:
            continue
        score = stream.codec_context.width * stream.codec_context.height
        score += 5_000_000 * bool(stream.disposition & av.stream.Disposition.default)
        if score > best_score:
            best, best_score = stream, score
    if best is None:
        raise failed(FailureReason.NO_VIDEO, "the file has no video stream")
    return best
