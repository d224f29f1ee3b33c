"""The sound of a cut: finding it, copying its packets, encoding its samples. Runs in a worker process."""

from __future__ import annotations

import math
import pathlib
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import av
import numpy as np

from kinetics_tfds.clips.containers import HEAD_BYTES, sniff_container
from kinetics_tfds.decode.container import choose_audio
from kinetics_tfds.decode.failure import failed
from kinetics_tfds.decode.types import FailureReason


class Sound:
    """An audio stream that is read apart from the picture. Use as a context manager.

    Args:
        path: a local file, with or without a picture.
        wanted: False for silence in any case.

    Attributes:
        stream: the stream; None for silence.
    """

    def __init__(self, path: pathlib.Path, wanted: bool = True) -> None:
        self._path = path
        self._container = None
        self.stream: av.audio.stream.AudioStream | None = None
        if wanted:
            self._container = self._open()
            self.stream = choose_audio(self._container)
            if self.stream is not None and not self.stream.codec_context.sample_rate:
                self.stream = None

    def _open(self) -> av.container.InputContainer:
        with open(self._path, "rb") as file:
            kind = sniff_container(file.read(HEAD_BYTES))
        if kind is None:
            raise failed(FailureReason.NOT_MEDIA, "the sound is in none of MP4, MOV, Matroska, WebM and AVI")
        options = {"format_whitelist": kind.value, "protocol_whitelist": "file"}
        try:
            return av.open(f"file:{self._path}", format=kind.value, options=options, metadata_errors="replace")
        except (av.FFmpegError, ValueError) as error:
            raise failed(FailureReason.CORRUPT, f"the sound cannot be read: {error}") from error

    def __enter__(self) -> Sound:
        return self

    def __exit__(self, *unused: object) -> None:
        if self._container is not None:
            self._container.close()

    @property
    def codec(self) -> str | None:
        """Name of the codec; None for silence."""
        return self.stream.codec_context.codec.canonical_name if self.stream is not None else None

    @property
    def tick(self) -> Fraction:
        """Seconds a tick of the stream."""
        return (self.stream.time_base if self.stream is not None else None) or Fraction(1, 1000)

    def packets(self, start: Fraction) -> Iterator[Any]:
        """Yields the packets from a little before `start`, or from further back where the file has no index."""
        assert self._container is not None
        assert self.stream is not None
        try:
            self._container.seek(max(0, math.floor((start - 1) / self.tick)), stream=self.stream, backward=True)
            for packet in self._container.demux(self.stream):
                if packet.pts is not None and packet.dts is not None:
                    yield packet
        except (av.FFmpegError, OSError) as error:
            raise failed(FailureReason.CORRUPT, f"the sound cannot be read: {error}") from error


def sound_packets(sound: Sound, start: Fraction, end: Fraction) -> Iterator[Any]:
    """Yields the packets that sound in [start, end), their times counted from `start`."""
    offset = math.ceil(start / sound.tick)
    for packet in sound.packets(start):
        time = packet.pts * sound.tick
        if time >= end:
            return
        if time + (packet.duration or 0) * sound.tick <= start:
            continue
        packet.pts -= offset
        packet.dts -= offset
        yield packet


class SoundWriter:
    """Encodes the sound of a window as AAC, sample by sample; gaps become silence, so that it keeps its time."""

    def __init__(self, output, sound: Sound, start: Fraction, end: Fraction) -> None:
        assert sound.stream is not None
        context = sound.stream.codec_context
        self._output = output
        self._sound = sound
        self._start = start
        self._rate = min(context.sample_rate, 48_000)
        self._size = round((end - start) * self._rate)
        self._layout = "mono" if context.layout.nb_channels == 1 else "stereo"
        self._stream = output.add_stream("aac", rate=self._rate, layout=self._layout)
        self._resampler = av.AudioResampler(format="fltp", layout=self._layout, rate=self._rate)
        self._written = 0

    def write_all(self) -> None:
        """Reads the window's sound and encodes it."""
        expected: int | None = None  # the sample that the next part begins with, counted from the clip's start
        for frame in self._frames():
            time = frame.pts * self._sound.tick - self._start
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

    def _frames(self) -> Iterator[Any]:
        for packet in self._sound.packets(self._start):
            try:
                frames = packet.decode()
            except av.FFmpegError:
                continue  # a hole in the sound, which becomes silence; the picture decides about a clip
            for frame in frames:
                if isinstance(frame, av.AudioFrame) and frame.pts is not None:
                    yield frame

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
