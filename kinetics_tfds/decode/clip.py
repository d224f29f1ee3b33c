"""Decoding one clip: the whole way from a file to JPEG frames. Runs inside a decode worker."""

from __future__ import annotations

import time
from fractions import Fraction

import av
import cv2
import numpy as np

from kinetics_tfds.clips.media import Span
from kinetics_tfds.decode import audio as sound
from kinetics_tfds.decode.container import Media, choose_audio, open_media
from kinetics_tfds.decode.damage import Damaged, NoFrames, check_end, check_flaws, check_time
from kinetics_tfds.decode.failure import failed
from kinetics_tfds.decode.frames import FrameEncoder
from kinetics_tfds.decode.reader import ClipReader, Shown
from kinetics_tfds.decode.span import find_start
from kinetics_tfds.decode.structure import Structure, check_structure
from kinetics_tfds.decode.timeline import NearestGrid, covered, frame_rate, grid_size, seconds
from kinetics_tfds.decode.types import DecodedClip, DecodeLimits, DecodeRequest, DecodeSettings, FailureReason

# The pool runs a worker for every core; more threads inside each would only wait for one another.
cv2.setNumThreads(1)
# Counts errors for the details of failures, and prints none.
av.logging.set_level(av.logging.PANIC)


def decode_clip(request: DecodeRequest, settings: DecodeSettings, limits: DecodeLimits | None = None) -> DecodedClip:
    """Decodes one clip in this process. Wall time and memory are limited by the pool, the rest here.

    Args:
        request: the file and the clip's times.
        settings: what is stored.
        limits: what the file may cost.

    Raises:
        DecodeError: with the reason why the clip gives no frames.
    """
    began = time.perf_counter()
    limits = limits or DecodeLimits()
    try:
        with open_media(request.path, limits) as media:
            return _ClipDecoder(media, request, settings, limits).decode(began)
    except MemoryError as error:
        raise failed(FailureReason.MEMORY, f"memory ran out: {error}" if str(error) else "memory ran out") from error
    except cv2.error as error:
        reason = FailureReason.MEMORY if error.code == cv2.Error.StsNoMem else FailureReason.CORRUPT
        raise failed(reason, f"OpenCV: {error.err}") from error


class _ClipDecoder:
    """Decodes one clip of one open file."""

    def __init__(self, media: Media, request: DecodeRequest, settings: DecodeSettings, limits: DecodeLimits) -> None:
        self._media = media
        self._settings = settings
        self._limits = limits
        self._length = seconds(request.time_end) - seconds(request.time_start)
        self._fps = frame_rate(settings.fps) if settings.fps is not None else None
        if self._fps is not None and grid_size(self._length, self._fps) > limits.max_frames:
            raise failed(FailureReason.TOO_LARGE, f"the clip has {grid_size(self._length, self._fps)} frames")
        self._request = request
        self._start: Fraction | None = None
        stream = choose_audio(media.container) if settings.audio_rate is not None else None
        self._audio = sound.AudioTrack(stream, settings.audio_rate) if stream and settings.audio_rate else None
        self._reader = ClipReader(media, limits, self._audio)
        self._structure = Structure(media.kind)
        self._encoder: FrameEncoder | None = None
        self._grid: NearestGrid | None = None
        self._frames: list[bytes] = []
        self._times: list[Fraction] = []
        self._held: Shown | None = None
        self._complete = False

    def decode(self, began: float) -> DecodedClip:
        """Returns the clip; `began` is when the work on it started, by `time.perf_counter`."""
        damage = None
        try:
            self._read()
        except NoFrames as found:
            self._structure = _structure_or_none(self._media)
            if self._structure.truncated:
                raise failed(FailureReason.TRUNCATED, self._structure.truncated) from found
            raise failed(FailureReason.NO_VIDEO, found.detail) from found
        except Damaged as found:
            damage = self._describe(found)
            if not self._settings.keep_damaged or self._held is None:
                raise failed(*damage) from found
        return self._result(damage, began)

    def _read(self) -> None:
        if self._request.span is Span.UNKNOWN:
            self._start = find_start(self._media, self._request)
        elif self._request.span is Span.WHOLE:
            self._start = self._media.origin + seconds(self._request.time_start)
        for shown in self._reader.frames(self._start):
            if self._encoder is None:
                self._begin(shown)
            end = self._end
            check_flaws(self._structure, min(shown.time, end), including=True)
            check_time(self._media, self._structure, self._reader.decoding_time)
            if shown.time >= end:
                self._complete = True
                break
            self._add(shown)
        if self._held is None:
            raise failed(FailureReason.OUT_OF_RANGE, "no frame is shown within the clip's times")
        if not self._complete:
            check_flaws(self._structure, self._end)
            packets = self._reader.packets
            check_end(self._media, self._structure, packets, self._reached, self._end, self._interval)
        self._reader.finish(self._end)

    @property
    def _end(self) -> Fraction:
        return (self._start or Fraction(0)) + self._length

    @property
    def _interval(self) -> Fraction:
        """Mean seconds between the source's frames."""
        if len(self._times) > 1:
            return (self._times[-1] - self._times[0]) / (len(self._times) - 1)
        if self._held is not None and self._held.duration:
            return self._held.duration
        rate = self._media.video.average_rate
        return 1 / Fraction(rate) if rate else Fraction(1, 25)

    @property
    def _reached(self) -> Fraction:
        """When the last frame that was read ends."""
        held = self._held
        return held.time + (held.duration or self._interval) if held is not None else Fraction(0)

    def _begin(self, first: Shown) -> None:
        if self._start is None:
            self._start = first.time
        self._encoder = FrameEncoder(
            self._settings,
            first.frame,
            self._media.video.sample_aspect_ratio,
            self._reader.orientation,
            self._limits.max_pixels,
        )
        try:
            self._structure = check_structure(self._media.path, self._media.kind, float(self._start), float(self._end))
        except OSError as error:
            raise failed(FailureReason.UNREADABLE, error.strerror or type(error).__name__) from error
        if self._fps is not None:
            self._grid = NearestGrid(self._start, self._fps, grid_size(self._length, self._fps))

    def _add(self, shown: Shown) -> None:
        self._times.append(shown.time)
        held, self._held = self._held, shown
        if self._grid is None:
            if len(self._frames) >= self._limits.max_frames:
                raise failed(FailureReason.TOO_LARGE, f"the clip has more than {self._limits.max_frames} frames")
            self._store(shown, 1)
        elif held is not None:
            self._store(held, self._grid.take_until(held.time, shown.time))

    def _store(self, shown: Shown, count: int) -> None:
        """Encodes a frame once, however many points of the grid it is nearest to."""
        if count and self._encoder is not None:
            self._frames.extend([self._encoder.encode(shown.frame)] * count)

    def _describe(self, damage: Damaged) -> tuple[FailureReason, str]:
        if self._encoder is None:
            self._structure = _structure_or_none(self._media)
        if self._structure.truncated:
            return FailureReason.TRUNCATED, self._structure.truncated
        return damage.reason, damage.detail

    def _result(self, damage: tuple[FailureReason, str] | None, began: float) -> DecodedClip:
        encoder, held, start = self._encoder, self._held, self._start
        assert encoder is not None
        assert held is not None
        assert start is not None
        duration = self._duration(damage is not None)
        least = self._settings.min_duration
        if least is not None and duration < seconds(least):
            if damage is not None:
                raise failed(damage[0], f"{damage[1]} (only {float(duration):.2f} s before it)")
            raise failed(FailureReason.TOO_SHORT, f"{float(duration):.2f} s of video, {least:g} s are asked for")
        if self._grid is not None and self._fps is not None:
            size = max(1, grid_size(duration, self._fps))
            self._store(held, self._grid.take_rest(size))
            del self._frames[size:]
            stamps = [float(k / self._fps) for k in range(size)]
        else:
            stamps = [float(t - start) for t in self._times]
        return DecodedClip(
            frames=self._frames,
            timestamps=np.array(stamps, np.float32),
            fps=float(self._fps or 1 / self._interval),
            width=encoder.size[0],
            height=encoder.size[1],
            original_width=encoder.original[0],
            original_height=encoder.original[1],
            original_fps=float(1 / self._interval),
            duration=float(duration),
            damage=None if damage is None else f"{damage[0]}: {damage[1]}",
            audio=self._render_audio(start, duration),
            audio_rate=self._settings.audio_rate,
            decode_seconds=time.perf_counter() - began,
        )

    def _duration(self, damaged: bool) -> Fraction:
        """Returns the seconds of the clip that are there."""
        if self._complete and not damaged:
            return self._length
        start = self._start or Fraction(0)
        reached = self._reached
        if damaged:
            return max(min(reached - start, self._length), Fraction(1, 1000))
        if (last := self._media.video_end) is not None:
            reached = max(reached, last)  # the last frame may be shown for longer than the others
        return covered(self._length, min(reached - start, self._length), self._interval)

    def _render_audio(self, start: Fraction, duration: Fraction) -> np.ndarray | None:
        if self._settings.audio_rate is None:
            return None
        if self._audio is None:
            return sound.silence(duration, self._settings.audio_rate)
        return self._audio.render(start, duration)


def _structure_or_none(media: Media) -> Structure:
    try:
        return check_structure(media.path, media.kind)
    except OSError:
        return Structure(media.kind)
