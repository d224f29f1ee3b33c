"""Decoding one clip: the whole way from a file to JPEG frames."""

from __future__ import annotations

import time
from fractions import Fraction

import av
import cv2
import numpy as np

from kinetics_tfds.clips.media import Span
from kinetics_tfds.decode.container import choose_video, open_media
from kinetics_tfds.decode.failure import failed
from kinetics_tfds.decode.frames import FrameEncoder
from kinetics_tfds.decode.probe import stream_duration
from kinetics_tfds.decode.timeline import NearestGrid, covered, frame_rate, grid_size, seconds
from kinetics_tfds.decode.types import DecodedClip, DecodeLimits, DecodeRequest, DecodeSettings, FailureReason

cv2.setNumThreads(1)


def decode_clip(request: DecodeRequest, settings: DecodeSettings, limits: DecodeLimits) -> DecodedClip:
    """Decodes one clip in this process.

    Raises:
        DecodeError: with the reason why the clip gives no frames.
    """
    began = time.perf_counter()
    with open_media(request.path, limits) as media:
        try:
            return _decode(media, request, settings, limits, began)
        except av.error.InvalidDataError as error:
            raise failed(FailureReason.CORRUPT, error.strerror) from error


def _decode(media, request: DecodeRequest, settings: DecodeSettings, limits: DecodeLimits, began: float) -> DecodedClip:
    stream = choose_video(media)
    stream.codec_context.thread_count = 1
    length = seconds(request.time_end) - seconds(request.time_start)
    start = None
    if _is_whole(request, stream_duration(media, stream) or 0):
        start = seconds(request.time_start)
    encoder = FrameEncoder(settings)
    fps = frame_rate(settings.fps) if settings.fps else None
    grid = None
    kept: list[bytes] = []
    times: list[Fraction] = []
    held = None
    for frame in media.decode(stream):
        shown = frame.pts * stream.time_base
        start = shown if start is None else start
        if shown < start:
            continue
        if shown >= start + length:
            break
        times.append(shown)
        if grid is None and fps:
            grid = NearestGrid(start, fps, grid_size(length, fps))
        if grid and held is not None:
            count = grid.take_until(times[-2], shown)
            kept.extend([encoder.encode(held)] * count if count else ())
        elif not fps:
            kept.append(encoder.encode(frame))
        held = frame
    if held is None or start is None:
        raise failed(FailureReason.OUT_OF_RANGE, "no frame lies within the clip's times")
    interval = (times[-1] - times[0]) / (len(times) - 1) if len(times) > 1 else Fraction(1, 25)
    duration = covered(length, times[-1] + interval - start, interval)
    if settings.min_duration is not None and duration < settings.min_duration:
        raise failed(FailureReason.TOO_SHORT, f"{float(duration):.2f} s of video")
    if grid and fps:
        size = grid_size(duration, fps)
        count = grid.take_rest(size)
        kept.extend([encoder.encode(held)] * count if count else ())
        stamps = np.arange(len(kept), dtype=np.float64) / float(fps)
    else:
        stamps = np.array([float(t - start) for t in times])
    source_fps = float(1 / interval)
    return DecodedClip(
        frames=kept,
        timestamps=stamps.astype(np.float32),
        fps=float(fps) if fps else source_fps,
        width=encoder.size[0],
        height=encoder.size[1],
        original_width=encoder.original[0],
        original_height=encoder.original[1],
        original_fps=source_fps,
        duration=float(duration),
        audio=None
        if settings.audio_rate is None
        else np.zeros(grid_size(duration, Fraction(settings.audio_rate)), np.int16),
        audio_rate=settings.audio_rate,
        decode_seconds=time.perf_counter() - began,
    )


def _is_whole(request: DecodeRequest, duration: float) -> bool:
    """Returns whether a file holds the whole video, not just the clip.

    Args:
        request: what the file's name tells.
        duration: of the file, in seconds; 0 where it is not known.
    """
    if request.span is not Span.UNKNOWN:
        return request.span is Span.WHOLE
    # A cut at key frames is somewhat longer than its clip. Much longer, and too short for the clip's times: the rest of
    # the whole video is gone, and its first seconds are not the clip.
    length = request.time_end - request.time_start
    return duration >= request.time_end - 0.5 or duration > 1.5 * length + 1
