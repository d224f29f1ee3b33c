"""Makes real media files for tests, through the encoders in PyAV's wheel, and damages them.

Every picture is a function of its frame number, so that a test can tell which frame it is looking at.
"""

from __future__ import annotations

import atexit
import hashlib
import pathlib
import random
import shutil
import tempfile
from collections.abc import Callable, Sequence
from fractions import Fraction

import av
import numpy as np
from av.stream import Disposition
from av.video.reformatter import ColorRange

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
SUFFIXES = {"h264": ".mp4", "hevc": ".mp4", "vp8": ".webm", "vp9": ".webm", "av1": ".mkv", "mpeg4": ".avi"}


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
    audio: bool | Callable[[np.ndarray], np.ndarray] = False,
    draw: Callable[[int, int, int], np.ndarray | av.VideoFrame] = picture,
    aspect: Fraction | None = None,
    rotation: tuple[float, bool, bool] | None = None,
    matrix: int | None = None,
    full_range: bool | None = None,
) -> pathlib.Path:
    """Writes a video file and returns its path.

    Args:
        path: the extension chooses the container.
        codec: a key of ENCODERS, or the name of an encoder.
        seconds: length of the video.
        fps: frames a second.
        width: in pixels.
        height: in pixels.
        pix_fmt: pixel format to encode.
        times: presentation time of each frame in seconds, instead of `seconds` and `fps`.
        options: further options of the encoder.
        container_options: options of the muxer.
        audio: add a 440 Hz tone, AAC or Opus; or the function's samples (float in -1..1, of times in seconds).
        draw: returns frame (number, width, height), as RGB or ready to encode.
        aspect: width of a pixel over its height.
        rotation: degrees anticlockwise, mirror left and right, mirror top and bottom: the display matrix.
        matrix: code of the matrix coefficients to convert by and to write down; None writes none (BT.601 is used).
        full_range: likewise for the range.
    """
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    settings = {name: value for name, value in locals().items() if name != "path"}
    for last in (False, False, True):
        try:
            return _write(path, **settings)
        except av.error.PatchWelcomeError:  # x265 on a busy machine now and then hands over a header that MP4 refuses
            if last:
                raise
    raise AssertionError


def _write(
    path,
    codec,
    seconds,
    fps,
    width,
    height,
    pix_fmt,
    times,
    options,
    container_options,
    audio,
    draw,
    aspect,
    rotation,
    matrix,
    full_range,
):
    rate = Fraction(fps).limit_denominator(100_000)
    shown = [Fraction(t).limit_denominator(100_000) for t in times] if times else None
    with av.open(str(path), "w", options=container_options or {}) as media:
        stream = media.add_stream(
            ENCODERS.get(codec, codec), rate=rate, options={**FASTEST.get(codec, {}), **(options or {})}
        )
        stream.width, stream.height, stream.pix_fmt = width, height, pix_fmt
        stream.codec_context.thread_count = 1
        if aspect is not None:
            stream.codec_context.sample_aspect_ratio = aspect
        if rotation is not None:
            stream.set_display_rotation(*rotation)
        if matrix is not None:
            stream.codec_context.colorspace = matrix
        if full_range is not None:
            stream.codec_context.color_range = 2 if full_range else 1
        if shown:
            stream.codec_context.time_base = Fraction(1, 90_000)
        sound = _add_audio(media, path) if audio else None
        for number in range(len(shown) if shown else round(seconds * rate)):
            frame = _frame(draw(number, width, height), pix_fmt, matrix, full_range)
            if shown:
                frame.time_base, frame.pts = Fraction(1, 90_000), round(shown[number] * 90_000)
            else:
                frame.time_base, frame.pts = 1 / rate, number
            media.mux(stream.encode(frame))
        media.mux(stream.encode(None))
        if sound is not None:
            _write_sound(media, sound, float(shown[-1] if shown else seconds), audio if callable(audio) else _tone)
    return path


def _frame(image: np.ndarray | av.VideoFrame, pix_fmt: str, matrix: int | None, full: bool | None) -> av.VideoFrame:
    if isinstance(image, av.VideoFrame):
        return image
    frame = av.VideoFrame.from_ndarray(image, format="rgb24")
    target = ColorRange.JPEG if full else ColorRange.MPEG
    converted = frame.reformat(format=pix_fmt, dst_colorspace=matrix or 5, dst_color_range=target)
    converted.colorspace = 2 if matrix is None else matrix
    return converted


def _tone(times: np.ndarray) -> np.ndarray:
    return 0.25 * np.sin(2 * np.pi * 440 * times)


def _add_audio(media, path: pathlib.Path):
    opus = path.suffix in (".webm", ".mkv")
    return media.add_stream("libopus" if opus else "aac", rate=48_000, layout="mono")


def _write_sound(media, stream, seconds: float, wave: Callable[[np.ndarray], np.ndarray]) -> None:
    samples = np.round(32767 * wave(np.arange(int(seconds * 48_000)) / 48_000)).astype(np.int16)
    for start in range(0, len(samples), 960):
        frame = av.AudioFrame.from_ndarray(samples[None, start : start + 960], format="s16", layout="mono")
        frame.rate, frame.pts, frame.time_base = 48_000, start, Fraction(1, 48_000)
        media.mux(stream.encode(frame))
    media.mux(stream.encode(None))


def remux(
    target: pathlib.Path | str,
    *sources: tuple[pathlib.Path, str],
    shift: float = 0.0,
    start: float | None = None,
    dispositions: Sequence[Disposition] | None = None,
    options: dict[str, str] | None = None,
) -> pathlib.Path:
    """Copies streams of several files into one, and returns its path.

    Args:
        target: the extension chooses the container.
        sources: a file and the kind of stream (`video`, `audio`) to take from it, in the order of the new streams.
        shift: seconds added to all times. An MP4 whose first frames come before 0 gets an edit list that hides them.
        start: leave out what comes before the last key frame at or before this time.
        dispositions: of the new streams.
        options: of the muxer.
    """
    target = pathlib.Path(target)
    with av.open(str(target), "w", options=options or {}) as out:
        inputs = [(av.open(str(path)), kind) for path, kind in sources]
        streams = [getattr(media.streams, kind)[0] for media, kind in inputs]
        copies = [out.add_stream_from_template(stream) for stream in streams]
        for copy, disposition in zip(copies, dispositions or (), strict=False):
            copy.disposition = disposition
        packets = []
        for (media, _), stream, copy in zip(inputs, streams, copies, strict=True):
            if start is not None:
                media.seek(int(start / stream.time_base), stream=stream)
            for packet in media.demux(stream):
                if packet.size:
                    move = round(shift / packet.time_base)
                    packet.pts += move
                    packet.dts = packet.pts if packet.dts is None else packet.dts + move
                    packets.append((packet, copy))
        for packet, copy in packets:  # the muxer interleaves them
            packet.stream = copy
            out.mux(packet)
        for media, _ in inputs:
            media.close()
    return target


def repeat_video(target: pathlib.Path, source: pathlib.Path, times: int, seconds: float) -> pathlib.Path:
    """Writes the video of `source`, which lasts `seconds`, `times` times in a row: a long file that is quickly made."""
    with av.open(str(source)) as media, av.open(str(target), "w") as out:
        stream = media.streams.video[0]
        copy = out.add_stream_from_template(stream)
        for turn in range(times):
            media.seek(0)
            for packet in media.demux(stream):
                if packet.size:
                    move = round(turn * seconds / packet.time_base)
                    packet.pts, packet.dts = packet.pts + move, packet.dts + move
                    packet.stream = copy
                    out.mux(packet)
    return target


_cache: pathlib.Path | None = None


def cached_video(suffix: str = ".mp4", **options) -> pathlib.Path:
    """Returns `make_video(…, **options)`, made once a session. Not to be changed: copy it first."""
    global _cache
    if _cache is None:
        _cache = pathlib.Path(tempfile.mkdtemp(prefix="kinetics-media-"))
        atexit.register(shutil.rmtree, _cache, ignore_errors=True)
    name = hashlib.sha256(repr(sorted(options.items(), key=lambda item: item[0])).encode()).hexdigest()[:16]
    path = _cache / f"{name}{suffix}"
    if not path.exists():
        make_video(path, **options)
    return path


def truncate(path: pathlib.Path, target: pathlib.Path, share: float) -> pathlib.Path:
    """Writes the first `share` (0 to 1) of a file to `target`."""
    data = path.read_bytes()
    target.write_bytes(data[: int(len(data) * share)])
    return target


def flip_bytes(path: pathlib.Path, target: pathlib.Path, rng: random.Random, count: int) -> pathlib.Path:
    """Writes a file to `target` with `count` bytes replaced by others."""
    data = bytearray(path.read_bytes())
    for _ in range(count):
        data[rng.randrange(len(data))] ^= rng.randrange(1, 256)
    target.write_bytes(data)
    return target


def zero_range(path: pathlib.Path, target: pathlib.Path, rng: random.Random, length: int) -> pathlib.Path:
    """Writes a file to `target` with `length` bytes in a row set to zero."""
    data = bytearray(path.read_bytes())
    start = rng.randrange(len(data))
    length = min(length, len(data) - start)
    data[start : start + length] = bytes(length)
    target.write_bytes(data)
    return target
