"""The mono audio of a clip, in step with its frames."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np

from kinetics_tfds.decode.container import reason_of
from kinetics_tfds.decode.damage import Damaged
from kinetics_tfds.decode.types import FailureReason

# Containers round times: blocks whose times miss the end of the one before by less than this belong right after it.
_SLACK = Fraction(3, 100)
# Where a file was cut, its first audio packets may lean on ones that are gone.
_UNSETTLED_PACKETS = 3


class AudioTrack:
    """Collects the audio of a clip while its frames are read.

    Attributes:
        stream: the audio stream it reads.
    """

    def __init__(self, stream: av.audio.stream.AudioStream, rate: int) -> None:
        self.stream = stream
        self._rate = rate
        self._source_rate = stream.codec_context.sample_rate or rate
        self._since: Fraction | None = None
        self._until: Fraction | None = None
        self.restart()

    def keep(self, since: Fraction | None, until: Fraction) -> None:
        """Says which seconds may be asked for, so that a file may hold hours of audio; None for all from the first."""
        self._since, self._until = since, until

    def restart(self) -> None:
        """Forgets what was read; called after a seek."""
        self._blocks: list[tuple[Fraction, np.ndarray]] = []
        self._reached: Fraction | None = None
        self._packets = 0
        self._mixer: av.AudioResampler | None = None
        self._mixer_input: tuple | None = None

    def reaches(self, end: Fraction) -> bool:
        """Returns whether audio up to `end` seconds was read."""
        return self._reached is not None and self._reached >= end

    def feed(self, packet: av.Packet) -> None:
        """Decodes one packet.

        Raises:
            Damaged: the packet does not decode.
        """
        self._packets += 1
        if self._until is not None and packet.pts is not None and packet.pts * packet.time_base >= self._until:
            return
        try:
            frames = packet.decode()
        except MemoryError:
            raise
        except av.FFmpegError as error:
            if self._packets <= _UNSETTLED_PACKETS:
                return
            raise Damaged(FailureReason.CORRUPT, f"the audio does not decode: {reason_of(error)}") from error
        for frame in frames:
            self._add(frame)

    def _add(self, frame: av.AudioFrame) -> None:
        time = self._reached if frame.pts is None else frame.pts * (frame.time_base or Fraction(1, self._source_rate))
        if time is None or frame.samples == 0:
            return
        if self._reached is not None and abs(time - self._reached) < _SLACK:
            time = self._reached
        mono = self._to_mono(frame)
        self._reached = time + Fraction(len(mono), self._source_rate)
        if self._since is None or self._reached > self._since:
            self._blocks.append((time, mono))

    def _to_mono(self, frame: av.AudioFrame) -> np.ndarray:
        """Returns float32 [S] at the source's rate."""
        kind = (frame.format.name, frame.layout.name, frame.sample_rate)
        if self._mixer is None or kind != self._mixer_input:
            self._mixer_input = kind
            self._mixer = av.AudioResampler(format="flt", layout="mono", rate=self._source_rate)
        frame.pts = None  # times are kept here; the mixer need not fill gaps
        return np.concatenate([part.to_ndarray().ravel() for part in self._mixer.resample(frame)])

    def render(self, start: Fraction, duration: Fraction) -> np.ndarray:
        """Returns int16 [round(duration * rate)]: the audio from `start` seconds on, zeros where there is none."""
        size = samples(duration, self._rate)
        source = np.zeros(samples(duration, self._source_rate), np.float32)
        for time, block in self._blocks:
            at = round((time - start) * self._source_rate)
            first, last = max(at, 0), min(at + len(block), len(source))
            if first < last:
                source[first:last] = block[first - at : last - at]
        return _resample(source, self._source_rate, self._rate, size)


def silence(duration: Fraction, rate: int) -> np.ndarray:
    """Returns int16 zeros for `duration` seconds."""
    return np.zeros(samples(duration, rate), np.int16)


def samples(duration: Fraction, rate: int) -> int:
    """Returns how many samples `duration` seconds hold, rounded half up."""
    return int(duration * rate + Fraction(1, 2))


def _resample(source: np.ndarray, source_rate: int, rate: int, size: int) -> np.ndarray:
    if not len(source) or not source.any():
        return np.zeros(size, np.int16)
    resampler = av.AudioResampler(format="s16", layout="mono", rate=rate)
    frame = av.AudioFrame.from_ndarray(source[None], format="flt", layout="mono")
    frame.sample_rate = source_rate
    parts = [part.to_ndarray().ravel() for step in (frame, None) for part in resampler.resample(step)]
    found = np.concatenate(parts) if parts else np.zeros(0, np.int16)
    result = np.zeros(size, np.int16)
    count = min(size, len(found))
    result[:count] = found[:count]
    return result
