"""What the ffmpeg and ffprobe programs make of a file, to hold the decoder against."""

from __future__ import annotations

import pathlib
import shutil
import subprocess

import numpy as np
import pytest

from kinetics_tfds.decode.container import open_media
from kinetics_tfds.decode.frames import FrameEncoder
from kinetics_tfds.decode.reader import ClipReader
from kinetics_tfds.decode.types import DecodeLimits, DecodeSettings

needs_ffmpeg = pytest.mark.skipif(
    not (shutil.which("ffmpeg") and shutil.which("ffprobe")), reason="the ffmpeg and ffprobe programs are not installed"
)


def ffprobe_times(path: pathlib.Path, *options: str) -> list[float]:
    """Returns the presentation time of each frame of the first video stream, in seconds."""
    command = ["ffprobe", "-v", "error", "-select_streams", "v:0", *options]
    command += ["-show_entries", "frame=best_effort_timestamp_time", "-of", "default=nokey=1:noprint_wrappers=1", path]
    return [float(line) for line in subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()]


def ffmpeg_images(path: pathlib.Path, size: tuple[int, int], flags: str = "area") -> np.ndarray:
    """Returns all frames as the ffmpeg program scales them: uint8 [T, H, W, 3], red first."""
    scale = f"scale={size[0]}:{size[1]}:flags={flags}"
    command = ["ffmpeg", "-v", "error", "-threads", "1", "-i", str(path), "-an", "-vf", scale]
    command += ["-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    raw = subprocess.run(command, capture_output=True, check=True).stdout
    return np.frombuffer(raw, np.uint8).reshape(-1, size[1], size[0], 3)


def our_images(path: pathlib.Path, settings: DecodeSettings) -> np.ndarray:
    """Returns all frames as they are stored, before JPEG: uint8 [T, H, W, 3], red first."""
    limits = DecodeLimits()
    encoder = None
    images = []
    with open_media(str(path), limits) as media:
        reader = ClipReader(media, limits, None)
        for shown in reader.frames(None):
            if encoder is None:
                aspect = media.video.sample_aspect_ratio
                encoder = FrameEncoder(settings, shown.frame, aspect, reader.orientation, limits.max_pixels)
            images.append(encoder.image(shown.frame)[..., ::-1].copy())
    return np.stack(images)


def psnr(one: np.ndarray, other: np.ndarray) -> float:
    """Returns the peak signal-to-noise ratio of two pictures in dB."""
    error = np.mean((one.astype(np.float64) - other) ** 2)
    return 99.0 if error == 0 else 10 * np.log10(255**2 / error)
