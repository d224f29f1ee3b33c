"""Makes real media files for tests, through the encoders in PyAV's wheel.

Every picture is a function of its frame number, so that a test can tell which frame it is looking at.
"""

from __future__ import annotations

import pathlib
from collections.abc import Sequence
from fractions import Fraction

import av
import numpy as np

ENCODERS = {
    "h264": "libx264",
    "hevc": "libx265",
    "vp8": "libvpx",
    "vp9": "libvpx-vp9",
    "av1": "libsvtav1",
    "mpeg4": "mpeg4",
}
FASTEST = {
    "h264": {"preset": "veryfast", "crf": "20"},
    "hevc": {"preset": "ultrafast", "crf": "22", "x265-params": "log-level=none:pools=1"},
    "vp8": {"deadline": "realtime", "cpu-used": "8", "crf": "10"},
    "vp9": {"deadline": "realtime", "cpu-used": "8", "crf": "30"},
    "av1": {"preset": "12", "crf": "30", "svtav1-params": "lp=1"},
    "mpeg4": {"qscale": "3"},
}


def picture(number: int, width: int, height: int) -> np.ndarray:
    """Returns frame `number`: a moving square over a gradient, and the number in a row of black and white squares."""
    y, x = np.mgrid[0:height, 0:width]
    image = np.stack([x * 255 // width, y * 255 // height, (x + y + 4 * number) % 256], axis=-1).astype(np.uint8)
    side = max(8, min(width, height) // 4)
    left, top = (7 * number) % max(1, width - side), (3 * number) % max(1, height - side)
    image[top : top + side, left : left + side] = (250, 240, 20)
    bit = max(4, width // 16)
    for place in range(12):
        image[0:bit, place * bit : (place + 1) * bit] = 235 if number >> place & 1 else 20
    return image


def number_of(image: np.ndarray, width: int | None = None) -> int:
    """Reads the frame number back from a decoded picture; `width` is that of the source before scaling."""
    bit = max(4, (width or image.shape[1]) // 16) * image.shape[1] / (width or image.shape[1])
    grey = image.mean(axis=-1)
    middle = int(bit / 2)
    return sum(int(grey[middle, int((place + 0.5) * bit)] > 128) << place for place in range(12))


def make_video(
    path: pathlib.Path | str,
    *,
    codec: str = "h264",
    seconds: float = 10.0,
    fps: Fraction | float = 30,
    width: int = 340,
    height: int = 256,
    pix_fmt: str = "yuv420p",
    times: Sequence[Fraction | float] | None = None,
    options: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
    audio: bool = False,
) -> pathlib.Path:
    """Writes a video file and returns its path.

    Args:
        path: the extension chooses the container.
        codec: a key of ENCODERS.
        seconds: length of the video.
        fps: frames a second.
        width: in pixels.
        height: in pixels.
        pix_fmt: pixel format to encode.
        times: presentation time of each frame in seconds, instead of `seconds` and `fps`.
        options: further options of the encoder.
        container_options: options of the muxer.
        audio: add a 440 Hz tone, AAC or Opus.
    """
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    rate = Fraction(fps).limit_denominator(100_000)
    shown = [Fraction(t).limit_denominator(100_000) for t in times] if times else None
    count = len(shown) if shown else round(seconds * rate)
    with av.open(str(path), "w", options=container_options or {}) as media:
        stream = media.add_stream(ENCODERS[codec], rate=rate, options={**FASTEST[codec], **(options or {})})
        stream.width, stream.height, stream.pix_fmt = width, height, pix_fmt
        stream.codec_context.thread_count = 1
        if shown:
            stream.codec_context.time_base = Fraction(1, 90_000)
        sound = _add_audio(media, path) if audio else None
        for number in range(count):
            frame = av.VideoFrame.from_ndarray(picture(number, width, height), format="rgb24")
            if shown:
                frame.time_base, frame.pts = Fraction(1, 90_000), round(shown[number] * 90_000)
            else:
                frame.time_base, frame.pts = 1 / rate, number
            media.mux(stream.encode(frame))
        media.mux(stream.encode(None))
        if sound is not None:
            _write_tone(media, sound, seconds)
    return path


def _add_audio(media, path: pathlib.Path):
    opus = path.suffix in (".webm", ".mkv")
    return media.add_stream("libopus" if opus else "aac", rate=48_000, layout="mono")


def _write_tone(media, stream, seconds: float) -> None:
    tone = (8000 * np.sin(2 * np.pi * 440 * np.arange(int(seconds * 48_000)) / 48_000)).astype(np.int16)
    for start in range(0, len(tone), 960):
        frame = av.AudioFrame.from_ndarray(tone[None, start : start + 960], format="s16", layout="mono")
        frame.rate, frame.pts, frame.time_base = 48_000, start, Fraction(1, 48_000)
        media.mux(stream.encode(frame))
    media.mux(stream.encode(None))
