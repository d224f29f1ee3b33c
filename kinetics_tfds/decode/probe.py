"""What a media file says about itself, without decoding it."""

from __future__ import annotations

import dataclasses

from kinetics_tfds.decode.container import open_media
from kinetics_tfds.decode.types import DecodeLimits


@dataclasses.dataclass(frozen=True, slots=True)
class MediaInfo:
    """The promises of a file's headers.

    Attributes:
        duration: seconds of the video stream, or None where the file does not say.
        fps: mean frames a second by the headers, or None.
        width: of the coded picture, in pixels.
        height: of the coded picture, in pixels.
        codec: name of the video codec, such as `h264`.
        container: `mov` (MP4 too), `matroska` (WebM too) or `avi`.
        has_audio: whether there is an audio stream.
    """

    duration: float | None
    fps: float | None
    width: int
    height: int
    codec: str
    container: str
    has_audio: bool


def probe_media(path: str, limits: DecodeLimits | None = None) -> MediaInfo:
    """Reads the headers of a local file.

    Raises:
        DecodeError: the file is not readable, is empty, is not media of an allowed kind or has no video.
    """
    with open_media(path, limits or DecodeLimits()) as media:
        stream = media.video
        return MediaInfo(
            duration=float(media.promised_end - media.origin) if media.promised_end is not None else None,
            fps=float(stream.average_rate) if stream.average_rate else None,
            width=stream.codec_context.width,
            height=stream.codec_context.height,
            codec=media.codec,
            container=media.kind,
            has_audio=bool(media.container.streams.audio),
        )
