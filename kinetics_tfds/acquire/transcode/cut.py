"""Cutting a clip out of a whole video, exactly, with the encoders in PyAV's wheel. Runs in a worker process.

A frame belongs to the clip if it is shown at or after the clip's start and before its end, by the video's own
presentation times: the rule that decoding a whole video follows too. So a cut clip gives the frames that the whole
video would give. Whether the video is intact there is for the caller to find out, by decoding it.
"""

from __future__ import annotations

import math
import pathlib
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import av
import numpy as np

from kinetics_tfds.acquire.config import CutSettings
from kinetics_tfds.decode.container import Media, choose_audio, open_container, open_media, reason_of
from kinetics_tfds.decode.damage import Damaged
from kinetics_tfds.decode.failure import failed
from kinetics_tfds.decode.frames import Orientation
from kinetics_tfds.decode.reader import ClipReader
from kinetics_tfds.decode.timeline import seconds
from kinetics_tfds.decode.types import DecodeLimits, FailureReason

_FASTEST_TICK = 1_000_000
_FASTEST_AUDIO = 48_000  # samples a second
_LAYOUTS = {1: "mono", 2: "stereo"}


def cut_clip(
    video: pathlib.Path,
    audio: pathlib.Path | None,
    target: pathlib.Path,
    start: float,
    end: float,
    settings: CutSettings,
    limits: DecodeLimits,
) -> None:
    """Writes the frames of [start, end) as H.264, and their audio as AAC, into an MP4 file.

    Args:
        video: a local file with the frames, and the audio where `audio` is None.
        audio: a local file with the audio.
        target: the MP4 file to write.
        start: of the clip in the video, seconds.
        end: its end (exclusive), seconds.
        settings: quality and size.
        limits: pixels and the like, as for decoding.

    Raises:
        DecodeError: the video cannot be read, or has no frame in the clip's times.
    """
    with open_media(str(video), limits) as media:
        window = media.origin + seconds(start), media.origin + seconds(end)
        sound = _read_audio(str(audio or video), *window, limits) if settings.audio else None
        with av.open(str(target), "w", "mp4", options={"movflags": "faststart"}) as output:
            reader = ClipReader(media, limits, None)
            writer = _VideoWriter(output, media, settings)
            # Before the first packet is written, which needs to know of all streams.
            audio_packets = [] if sound is None else _encode_audio(output, *sound)
            shown = 0
            for time, frame in _frames(reader, *window):
                # The clip begins with its first frame: what is left of a frame before it is not shown.
                writer.write(frame, time - window[0] if shown else Fraction(0), reader.orientation)
                shown += 1
            if not shown:
                raise failed(FailureReason.OUT_OF_RANGE, f"no frame is shown between {start:g} and {end:g} s")
            writer.finish()
            output.mux(audio_packets)


def _frames(reader: ClipReader, start: Fraction, end: Fraction) -> Iterator[tuple[Fraction, av.VideoFrame]]:
    try:
        for shown in reader.frames(start):
            if shown.time >= end:
                return
            if shown.frame is not None:
                yield shown.time, shown.frame
    except Damaged as damage:
        raise failed(damage.reason, damage.detail) from damage


def _read_audio(path: str, start: Fraction, end: Fraction, limits: DecodeLimits) -> tuple[np.ndarray, int] | None:
    """Returns the samples of [start, end), float32 [channels, samples], and their rate; None where there are none.

    Gaps, and what does not decode, are zeros, so that the audio keeps its time: the frames decide about a clip.
    """
    with open_container(path, limits) as container:
        stream = choose_audio(container)
        if stream is None or not stream.codec_context.sample_rate:
            return None
        rate = min(stream.codec_context.sample_rate, _FASTEST_AUDIO)
        channels = 1 if stream.codec_context.layout.nb_channels == 1 else 2
        samples = np.zeros((channels, round((end - start) * rate)), np.float32)
        resampler = av.AudioResampler(format="fltp", layout=_LAYOUTS[channels], rate=rate)
        expected = -math.inf  # the sample that the next part begins with
        for frame in _audio_frames(container, stream, start):
            time = frame.pts * stream.time_base - start
            if time * rate >= samples.shape[1]:
                break
            for part in resampler.resample(frame):
                # Times are rounded to ticks, and the resampler holds samples back; more than a fiftieth is a gap.
                is_gap = abs(round(time * rate) - expected) > rate // 50
                place = round(time * rate) if is_gap else int(expected)
                expected = place + part.samples
                first, last = max(place, 0), min(place + part.samples, samples.shape[1])
                if first < last:
                    samples[:, first:last] = part.to_ndarray()[:, first - place : last - place]
        return (samples, rate) if expected > 0 else None


def _audio_frames(container: av.container.InputContainer, stream: Any, start: Fraction) -> Iterator[Any]:
    """Yields the frames from a little before `start`, or from further back where the file has no index."""
    try:
        container.seek(max(0, math.floor((start - 1) / stream.time_base)), stream=stream, backward=True)
        for packet in container.demux(stream):
            try:
                yield from (frame for frame in packet.decode() if frame.pts is not None)
            except av.FFmpegError:
                continue
    except (av.FFmpegError, OSError) as error:
        raise failed(FailureReason.CORRUPT, f"the audio cannot be read: {reason_of(error)}") from error


def _encode_audio(output: Any, samples: np.ndarray, rate: int) -> list[av.Packet]:
    layout = _LAYOUTS[len(samples)]
    stream = output.add_stream("aac", rate=rate, layout=layout)
    frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout=layout)
    frame.sample_rate, frame.time_base, frame.pts = rate, Fraction(1, rate), 0
    return [*stream.encode(frame), *stream.encode(None)]


class _VideoWriter:
    """Encodes frames at their own times."""

    def __init__(self, output, media: Media, settings: CutSettings) -> None:
        base = media.time_base
        self._base = base if base.numerator == 1 and base.denominator <= _FASTEST_TICK else Fraction(1, 90_000)
        # With x264's macroblock tree, two runs over the same frames gave different bytes (x264 165 in PyAV 18.1), and
        # snapshots compare bytes.
        options = {"crf": str(settings.crf), "preset": settings.preset, "x264-params": "mbtree=0"}
        rate = media.video.average_rate or Fraction(25)
        self._stream = output.add_stream("libx264", rate=rate, options=options)
        self._output = output
        self._source = media.video
        self._short_side = settings.short_side
        self._size: tuple[int, int] | None = None
        context = self._stream.codec_context
        context.thread_count = 1  # one core a worker; and more threads would give other bytes
        context.pix_fmt = "yuv420p"
        context.time_base = self._base

    def write(self, frame: av.VideoFrame, time: Fraction, orientation: Orientation) -> None:
        """Encodes one frame, as it is shown."""
        turned = orientation != Orientation()
        if turned:
            upright = orientation.apply(frame.to_ndarray(format="rgb24"))
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(upright, np.uint8), format="rgb24")
        if self._size is None:
            self._size = _even_size(frame.width, frame.height, self._short_side)
            self._stream.width, self._stream.height = self._size
            self._describe(turned, orientation.transpose)
        frame = frame.reformat(self._size[0], self._size[1], "yuv420p")
        frame.time_base, frame.pts = self._base, round(time / self._base)
        frame.pict_type = av.video.frame.PictureType.NONE  # the source's choice of key frames is not ours
        self._output.mux(self._stream.encode(frame))

    def finish(self) -> None:
        """Writes what the encoder holds back."""
        self._output.mux(self._stream.encode(None))

    def _describe(self, turned: bool, transposed: bool) -> None:
        """Carries over what says how to show the picture."""
        context, original = self._stream.codec_context, self._source.codec_context
        if not turned:
            for name in ("colorspace", "color_range", "color_primaries", "color_trc"):
                setattr(context, name, getattr(original, name))
        aspect = self._source.sample_aspect_ratio
        if aspect:
            context.sample_aspect_ratio = 1 / aspect if transposed else aspect


def _even_size(width: int, height: int, short_side: int | None) -> tuple[int, int]:
    """Returns the size to encode: even, as 4:2:0 wants, and not larger than the source.

    >>> _even_size(1280, 720, 340), _even_size(341, 255, None), _even_size(200, 100, 340)
    ((604, 340), (340, 254), (200, 100))
    """
    scale = min(1.0, short_side / min(width, height)) if short_side else 1.0
    return max(2, int(width * scale) // 2 * 2), max(2, int(height * scale) // 2 * 2)
