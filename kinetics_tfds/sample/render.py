"""Writes frames to a video file with PyAV; the benchmarks make their clips with it too."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Any

import av
import numpy as np

_CONTAINERS = {".mp4": "mp4", ".mov": "mov", ".mkv": "matroska", ".webm": "webm"}

# The fastest settings that still give what real clips have: B-frames and an edit list in the mp4, several key frames.
_CODEC_OPTIONS: dict[str, dict[str, str]] = {
    "libx264": {"preset": "superfast", "crf": "26"},
    "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8", "crf": "36", "b": "0"},
}


def write_video(
    path: str | os.PathLike[str],
    frames: Iterable[np.ndarray],
    fps: float | Fraction,
    codec: str = "libx264",
    options: Mapping[str, str] | None = None,
) -> None:
    """Encodes frames and puts the file in place only when it is whole.

    The same frames give the same bytes with the same PyAV build: one encoding thread, no dates, no random ids.

    Args:
        path: the file to write, `.mp4`, `.mov`, `.mkv` or `.webm`; an existing one is replaced.
        frames: uint8 [H, W, 3] RGB images of one even width and height; read once, one in memory at a time.
        fps: frames a second.
        codec: an encoder of PyAV's FFmpeg, as `libx264` or `libvpx-vp9`.
        options: the encoder's options; by default fast ones of medium quality.

    Raises:
        ValueError: another extension, no frame, or an odd width or height.
    """
    path = pathlib.Path(path)
    if path.suffix not in _CONTAINERS:
        raise ValueError(f"{path.name}: expected one of {', '.join(_CONTAINERS)}.")
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        _encode(partial, _CONTAINERS[path.suffix], frames, fps, codec, dict(options or _CODEC_OPTIONS.get(codec, {})))
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def _encode(
    path: pathlib.Path,
    container_format: str,
    frames: Iterable[np.ndarray],
    fps: float | Fraction,
    codec: str,
    options: dict[str, str],
) -> None:
    rate = Fraction(fps).limit_denominator(100_000)
    stream: Any = None
    with av.open(str(path), "w", format=container_format, options={"fflags": "+bitexact"}) as container:
        for image in frames:
            if stream is None:
                height, width = image.shape[:2]
                if height % 2 or width % 2:
                    raise ValueError(f"{path.name}: {width}x{height}, expected an even width and height.")
                stream = container.add_stream(codec, rate=rate, options=options)
                stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
                # The number of threads changes what x264 writes.
                stream.codec_context.thread_count = 1
                stream.codec_context.flags |= av.codec.context.Flags.bitexact
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        if stream is None:
            raise ValueError(f"{path.name}: no frames to write.")
        container.mux(stream.encode(None))
