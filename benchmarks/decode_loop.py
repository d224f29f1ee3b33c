"""The limit of a build: decoding and JPEG encoding in a bare multiprocessing loop, with nothing kept.

python decode_loop.py ours|plain FOLDER
"""

from __future__ import annotations

import functools
import multiprocessing
import os
import pathlib
import sys

import av
import cv2

from kinetics_tfds.clips.media import Span
from kinetics_tfds.decode.clip import decode_clip
from kinetics_tfds.decode.types import DecodeLimits, DecodeRequest, DecodeSettings

SECONDS = 10


def decode_ours(path: pathlib.Path, settings: DecodeSettings) -> int:
    """The function that the build's workers run; returns the number of frames."""
    request = DecodeRequest(path.name, str(path), Span.TRIMMED, 0.0, float(SECONDS))
    return len(decode_clip(request, settings, DecodeLimits()).frames)


def decode_plain(path: pathlib.Path, settings: DecodeSettings) -> int:
    """What one would write by hand: every 25th of a second the frame that is on screen; no checks at all."""
    frames = []
    rate = settings.fps or 30.0
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        for frame in container.decode(stream):
            if frame.time is not None and frame.time + 0.5 / rate >= len(frames) / rate:
                pixels = frame.to_ndarray(format="bgr24")
                frames.append(cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, settings.quality])[1].tobytes())
    return len(frames)


def main() -> None:
    """Decodes all clips of a folder on all cores."""
    cv2.setNumThreads(1)
    decode = {"ours": decode_ours, "plain": decode_plain}[sys.argv[1]]
    paths = sorted(pathlib.Path(sys.argv[2]).rglob("*.mp4"))
    cores = len(os.sched_getaffinity(0))
    with multiprocessing.get_context("spawn").Pool(cores) as pool:
        frames = sum(pool.imap_unordered(functools.partial(decode, settings=DecodeSettings()), paths))
    print(f"{len(paths)} clips, {frames} frames")


if __name__ == "__main__":
    main()
