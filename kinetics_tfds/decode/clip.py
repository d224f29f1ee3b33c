"""Decoding one clip: the whole way from a file to JPEG frames. Runs inside a decode worker."""

from __future__ import annotations

import dataclasses
import time
from fractions import Fraction

import av
import cv2
import numpy as np

from kinetics_tfds.clips.media import Span
from kinetics_tfds.decode.audio import AudioTrack, silence
from kinetics_tfds.decode.container import Media, choose_audio, open_media, reason_of
from kinetics_tfds.decode.damage import LONGEST_GAP, Damaged, check_end, check_flaws, check_gap
from kinetics_tfds.decode.failure import failed
from kinetics_tfds.decode.frames import FrameEncoder
from kinetics_tfds.decode.reader import ClipReader, TimedFrame
from kinetics_tfds.decode.skipping import WantedFrames
from kinetics_tfds.decode.span import find_start
from kinetics_tfds.decode.structure import Structure, check_structure
from kinetics_tfds.decode.timeline import NearestGrid, covered, frame_rate, grid_size, seconds
from kinetics_tfds.decode.types import DecodedClip, DecodeLimits, DecodeRequest, DecodeSettings, FailureReason
from kinetics_tfds.decode.video import CannotSkipError

# The pool runs a worker for every core; more threads inside each would only wait for one another.
cv2.setNumThreads(1)
# Counts errors for the details of failures, and prints none.
av.logging.set_level(av.logging.PANIC)

# Of a file that is the clip: how long after its video stream begins the first frame may be shown, if audio is wanted.
_LATEST_FIRST_FRAME = Fraction(30)


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
        try:
            return _decode(request, settings, limits, began, skip=True)
        except CannotSkipError:
            return _decode(request, settings, limits, began, skip=False)
    except MemoryError as error:
        raise failed(FailureReason.MEMORY, f"memory ran out: {error}" if str(error) else "memory ran out") from error
    except av.FFmpegError as error:
        raise failed(FailureReason.CORRUPT, reason_of(error)) from error
    except OSError as error:
        raise failed(FailureReason.UNREADABLE, error.strerror or type(error).__name__) from error
    except cv2.error as error:
        reason = FailureReason.MEMORY if error.code == cv2.Error.StsNoMem else FailureReason.CORRUPT
        raise failed(reason, f"OpenCV: {error.err}") from error


def _decode(
    request: DecodeRequest, settings: DecodeSettings, limits: DecodeLimits, began: float, *, skip: bool
) -> DecodedClip:
    with open_media(request.path, limits) as media:
        return _ClipDecoder(media, request, settings, limits, skip=skip).decode(began)


@dataclasses.dataclass(frozen=True, slots=True)
class _ClipWindow:
    """What is settled once a clip's first frame is seen.

    Attributes:
        start: of the clip, in the file's presentation time.
        end: likewise, exclusive.
        structure: what the container says about itself.
        encoder: makes JPEG images of one size.
        grid: the points that frames are resampled to; None where the source's frames are kept.
    """

    start: Fraction
    end: Fraction
    structure: Structure
    encoder: FrameEncoder
    grid: NearestGrid | None


class _ClipDecoder:
    """Decodes one clip of one open file; with `skip`, only what is stored and what that refers to."""

    def __init__(
        self, media: Media, request: DecodeRequest, settings: DecodeSettings, limits: DecodeLimits, *, skip: bool
    ) -> None:
        self._media = media
        self._request = request
        self._settings = settings
        self._limits = limits
        self._length = seconds(request.time_end) - seconds(request.time_start)
        self._fps = frame_rate(settings.fps) if settings.fps is not None else None
        if self._fps is not None and grid_size(self._length, self._fps) > limits.max_frames:
            raise failed(FailureReason.TOO_LARGE, f"the clip has {grid_size(self._length, self._fps)} frames")
        stream = choose_audio(media.container) if settings.audio_rate is not None else None
        self._audio = AudioTrack(stream, settings.audio_rate) if stream and settings.audio_rate else None
        # Of a damaged clip that is kept, the last good frame fills up the grid, whichever it is.
        skip = skip and not settings.keep_damaged and self._fps is not None and self._fps * media.frame_interval < 1
        self._wanted = WantedFrames(media.time_base) if skip else None
        self._reader = ClipReader(media, limits, self._audio, self._wanted)
        self._window: _ClipWindow | None = None
        self._frames: list[bytes] = []
        self._times: list[Fraction] = []
        # The last frame within the clip: how many points of the grid it takes depends on the frame after it.
        self._held: TimedFrame | None = None

    def decode(self, began: float) -> DecodedClip:
        """Returns the clip; `began` is when the work on it started, by `time.perf_counter`."""
        damage = None
        complete = False
        try:
            complete = self._read()
        except Damaged as found:
            damage = self._describe(found)
            if not self._settings.keep_damaged or self._held is None:
                raise failed(*damage) from found
        if self._window is None or self._held is None:
            raise failed(FailureReason.OUT_OF_RANGE, "no frame is shown within the clip's times")
        return self._result(self._window, self._held, damage, complete, began)

    def _read(self) -> bool:
        """Reads the clip's frames; returns whether the file goes on beyond its end."""
        complete = False
        start = self._find_start()
        if self._wanted is not None:
            self._wanted.start = start
        if self._audio is not None:
            first = Fraction(self._media.video.start_time or 0) * self._media.time_base if start is None else start
            self._audio.keep(start, first + self._length + (_LATEST_FIRST_FRAME if start is None else 0))
        for timed in self._reader.frames(start):
            window = self._window = self._window or self._begin(start, timed)
            if window.structure.flaws:
                check_flaws(window.structure, min(timed.time, window.end), including=True)
            if self._held is not None and timed.time - self._held.time > LONGEST_GAP:
                check_gap(self._held.time, timed.time, max(self._interval(self._held), self._media.frame_interval))
            if timed.time >= window.end:
                complete = True
                break
            self._add(window, timed)
        if self._window is None:
            check_flaws(check_structure(self._media.path, self._media.kind), None)
            return False
        if not complete:
            self._check_end(self._window)
        self._reader.finish(self._window.end)
        return complete

    def _find_start(self) -> Fraction | None:
        """Returns where the clip starts in the file's presentation time; None stands for the first frame."""
        if self._request.span is Span.TRIMMED:
            return None
        if self._request.span is Span.WHOLE:
            return self._media.origin + seconds(self._request.time_start)
        return find_start(self._media, self._request)

    def _begin(self, start: Fraction | None, first: TimedFrame) -> _ClipWindow:
        if first.frame is None:
            raise CannotSkipError
        start = first.time if start is None else start
        end = start + self._length
        grid = NearestGrid(start, self._fps, grid_size(self._length, self._fps)) if self._fps is not None else None
        if self._wanted is not None and grid is not None:
            self._wanted.begin(grid, end)
        aspect = self._media.video.sample_aspect_ratio
        orientation = self._reader.orientation
        return _ClipWindow(
            start=start,
            end=end,
            structure=check_structure(self._media.path, self._media.kind, float(start), float(end)),
            encoder=FrameEncoder(self._settings, first.frame, aspect, orientation, self._limits.max_pixels),
            grid=grid,
        )

    def _add(self, window: _ClipWindow, timed: TimedFrame) -> None:
        self._times.append(timed.time)
        held, self._held = self._held, timed
        if window.grid is None:
            if len(self._frames) >= self._limits.max_frames:
                raise failed(FailureReason.TOO_LARGE, f"the clip has more than {self._limits.max_frames} frames")
            self._store(window, timed, 1)
        elif held is not None:
            self._store(window, held, window.grid.take_until(held.time, timed.time))

    def _store(self, window: _ClipWindow, timed: TimedFrame, count: int) -> None:
        """Encodes a frame once, however many points of the grid it is nearest to."""
        if count:
            if timed.frame is None:  # the times of packets were not those of frames
                raise CannotSkipError
            self._frames.extend([window.encoder.encode(timed.frame)] * count)

    def _check_end(self, window: _ClipWindow) -> None:
        check_flaws(window.structure, window.end)
        if self._held is None:
            return
        reached, interval = self._reached(self._held), self._interval(self._held)
        check_end(self._media, window.structure, self._reader.packets, reached, window.end, interval)

    def _describe(self, damage: Damaged) -> tuple[FailureReason, str]:
        """Returns the reason and detail of damage: where the file is truncated, that is what explains it."""
        if self._window is not None:
            structure = self._window.structure
        else:
            structure = check_structure(self._media.path, self._media.kind)
        if structure.truncated:
            return FailureReason.TRUNCATED, structure.truncated
        return damage.reason, damage.detail

    def _interval(self, held: TimedFrame) -> Fraction:
        """Returns the mean seconds between the source's frames."""
        if len(self._times) > 1:
            return (self._times[-1] - self._times[0]) / (len(self._times) - 1)
        return held.duration or self._media.frame_interval

    def _reached(self, held: TimedFrame) -> Fraction:
        """Returns when the last frame ends."""
        return held.time + (held.duration or self._interval(held))

    def _duration(self, window: _ClipWindow, held: TimedFrame, damaged: bool, complete: bool) -> Fraction:
        """Returns the seconds of the clip that are there."""
        if complete and not damaged:
            return self._length
        reached = self._reached(held)
        if damaged:
            return min(reached - window.start, self._length)
        if (last := self._media.video_end) is not None:
            reached = max(reached, last)  # the last frame may be shown for longer than the others
        return covered(self._length, min(reached - window.start, self._length), self._interval(held))

    def _result(
        self,
        window: _ClipWindow,
        held: TimedFrame,
        damage: tuple[FailureReason, str] | None,
        complete: bool,
        began: float,
    ) -> DecodedClip:
        duration = self._duration(window, held, damage is not None, complete)
        self._check_duration(duration, damage)
        source_fps = float(1 / self._interval(held))
        if window.grid is not None and self._fps is not None:
            size = max(1, grid_size(duration, self._fps))
            self._store(window, held, window.grid.take_rest(size))
            del self._frames[size:]
            stamps = [float(k / self._fps) for k in range(size)]
        else:
            stamps = [float(time - window.start) for time in self._times]
        return DecodedClip(
            frames=self._frames,
            timestamps=np.array(stamps, np.float32),
            fps=source_fps if self._fps is None else float(self._fps),
            width=window.encoder.size[0],
            height=window.encoder.size[1],
            original_width=window.encoder.original[0],
            original_height=window.encoder.original[1],
            original_fps=source_fps,
            duration=float(duration),
            damage=None if damage is None else f"{damage[0]}: {damage[1]}",
            audio=self._render_audio(window.start, duration),
            audio_rate=self._settings.audio_rate,
            decode_seconds=time.perf_counter() - began,
        )

    def _check_duration(self, duration: Fraction, damage: tuple[FailureReason, str] | None) -> None:
        least = self._settings.min_duration
        if least is None or duration >= seconds(least):
            return
        if damage is not None:
            raise failed(damage[0], f"{damage[1]} (only {float(duration):.2f} s before it)")
        raise failed(FailureReason.TOO_SHORT, f"{float(duration):.2f} s of video, {least:g} s are asked for")

    def _render_audio(self, start: Fraction, duration: Fraction) -> np.ndarray | None:
        if self._settings.audio_rate is None:
            return None
        if self._audio is None:
            return silence(duration, self._settings.audio_rate)
        return self._audio.render(start, duration)
