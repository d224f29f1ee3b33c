"""The sound of a cut: finding it, copying its packets, encoding its samples. Runs in a worker process."""

from __future__ import annotations

import math
import pathlib
from collections.abc import Iterator
from fractions import Fraction

import av
import numpy as np

from kinetics_tfds.decode.container import open_media
from kinetics_tfds.decode.failure import failed
from kinetics_tfds.decode.types import DecodeLimits, FailureReason


def tick(stream) -> Fraction:
    """Returns the unit of a stream's times, in seconds."""
    return Fraction(stream.time_base)


def seek(media, stream, start: Fraction) -> None:
    """Goes to a key frame shown at or before `start`; to the beginning where the file has no index."""
    try:
        media.seek(max(0, math.floor(start / tick(stream))), stream=stream, backward=True, any_frame=False)
    except (av.error.FFmpegError, OSError):
        try:
            media.seek(0)
        except (av.error.FFmpegError, OSError) as error:
            raise failed(FailureReason.CORRUPT, f"cannot seek: {error}") from error


def open_sound(media, audio: pathlib.Path | None, limits: DecodeLimits):
    """Returns (container, stream) of the sound, in a container of its own so that it is read apart; None for silence.

    Args:
        media: the open video.
        audio: the file with the sound, where it is not in the video.
        limits: as for the video.
    """
    path = str(audio) if audio is not None else media.name
    sounds = open_media(path, limits)
    if sounds.streams.audio:
        stream = sounds.streams.audio[0]
        if stream.codec_context is not None and stream.codec_context.sample_rate:
            return sounds, stream
    sounds.close()
    return None


def sound_packets(sounds, stream, start: Fraction, end: Fraction) -> Iterator:
    """Yields the packets that sound in [start, end), their times counted from `start`."""
    seek(sounds, stream, start)
    offset = math.ceil(start / tick(stream))
    for packet in sounds.demux(stream):
        if packet.pts is None or packet.dts is None:
            continue
        time = packet.pts * tick(stream)
        if time >= end:
            return
        if time + (packet.duration or 0) * tick(stream) <= start:
            continue
        packet.pts -= offset
        packet.dts -= offset
        yield packet


class SoundWriter:
    """Encodes the sound of a window as AAC, sample by sample; gaps become silence, so that it keeps its time."""

    def __init__(self, output, source, window: tuple[Fraction, Fraction]) -> None:
        self._output = output
        self._start, end = window
        self._rate = min(source.codec_context.sample_rate, 48_000)
        self._size = round((end - self._start) * self._rate)
        self._layout = "mono" if source.codec_context.layout.nb_channels == 1 else "stereo"
        self._stream = output.add_stream("aac", rate=self._rate, layout=self._layout)
        self._resampler = av.AudioResampler(format="fltp", layout=self._layout, rate=self._rate)
        self._written = 0

    def write_all(self, sounds, stream) -> None:
        """Reads the window's sound and encodes it."""
        seek(sounds, stream, self._start)
        expected: int | None = None  # the sample that the next part begins with, counted from the clip's start
        for frame in sounds.decode(stream):
            if frame.pts is None:
                continue
            time = frame.pts * tick(stream) - self._start
            if time * self._rate >= self._size:
                break
            for part in self._resampler.resample(frame):
                place = round(time * self._rate)
                # Times are rounded to ticks, and the resampler holds samples back; more than a fiftieth is a gap.
                if expected is not None and abs(place - expected) <= self._rate // 50:
                    place = expected
                expected = place + part.samples
                self._write(part.to_ndarray(), place)
        if self._written:
            self._output.mux(self._stream.encode(None))

    def _write(self, samples: np.ndarray, place: int) -> None:
        if place < self._written:
            samples, place = samples[:, self._written - place :], self._written
        samples = samples[:, : max(0, self._size - place)]
        if not samples.shape[1]:
            return
        samples = np.pad(samples, ((0, 0), (place - self._written, 0))).astype(np.float32)
        frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout=self._layout)
        frame.sample_rate, frame.time_base, frame.pts = self._rate, Fraction(1, self._rate), self._written
        self._written += samples.shape[1]
        self._output.mux(self._stream.encode(frame))
