"""Cutting a clip out of a whole video, exactly, with the encoders in PyAV's wheel. Runs in a worker process.

A frame belongs to the clip if it is shown at or after the clip's start and before its end, by the video's own
presentation times: the rule that decoding a whole video follows too. So a cut clip gives the frames that the whole
video would give. Whether the video is sound there is for the caller to find out, by decoding it.
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
from kinetics_tfds.acquire.transcode.cut_audio import Sound, SoundWriter, sound_packets
from kinetics_tfds.decode.container import Media, open_media
from kinetics_tfds.decode.damage import Damaged
from kinetics_tfds.decode.failure import failed
from kinetics_tfds.decode.frames import Orientation
from kinetics_tfds.decode.reader import ClipReader, TimedFrame
from kinetics_tfds.decode.timeline import seconds
from kinetics_tfds.decode.types import DecodeLimits, FailureReason

_FASTEST_TICK = 1_000_000
_COPYABLE_VIDEO = frozenset({"h264", "hevc", "vp9", "av1", "mpeg4"})
_COPYABLE_AUDIO = frozenset({"aac", "mp3", "opus", "ac3", "eac3", "flac", "alac"})
_FASTSTART = {"movflags": "faststart"}


def can_copy(video: pathlib.Path, audio: pathlib.Path | None, limits: DecodeLimits) -> bool:
    """Returns whether an MP4 file can hold the streams of a video as they are."""
    with open_media(str(video), limits) as media, Sound(audio or video) as sound:
        return media.codec in _COPYABLE_VIDEO and (sound.codec is None or sound.codec in _COPYABLE_AUDIO)


def reencode_clip(
    video: pathlib.Path,
    audio: pathlib.Path | None,
    target: pathlib.Path,
    start: float,
    end: float,
    settings: CutSettings,
    limits: DecodeLimits,
) -> None:
    """Writes the frames of [start, end) as H.264, and their sound as AAC, into an MP4 file.

    Args:
        video: a local file with the picture, and the sound where `audio` is None.
        audio: a local file with the sound.
        target: the MP4 file to write.
        start: of the clip in the video, seconds.
        end: its end (exclusive), seconds.
        settings: quality and size.
        limits: pixels and the like, as for decoding.

    Raises:
        DecodeError: the video cannot be read, or has no frame in the clip's times.
    """
    with (
        open_media(str(video), limits) as media,
        Sound(audio or video, wanted=settings.audio) as sound,
        av.open(str(target), "w", "mp4", options=_FASTSTART) as output,
    ):
        window = media.origin + seconds(start), media.origin + seconds(end)
        reader = ClipReader(media, limits, None)
        writer = _VideoWriter(output, media, settings)
        sound_writer = SoundWriter(output, sound, *window) if sound.stream is not None else None
        shown = 0
        for frame in _frames(reader, *window):
            assert frame.frame is not None  # the reader skips none unless it is told which are wanted
            # The clip begins with its first frame: what is left of a frame before it is not shown.
            writer.write(frame.frame, frame.time - window[0] if shown else Fraction(0), reader.orientation)
            shown += 1
        if not shown:
            raise _nothing_shown(start, end)
        writer.finish()
        if sound_writer is not None:
            sound_writer.write_all()


def copy_clip(
    video: pathlib.Path,
    audio: pathlib.Path | None,
    target: pathlib.Path,
    start: float,
    end: float,
    settings: CutSettings,
    limits: DecodeLimits,
) -> None:
    """Writes the video's own packets from the key frame before the clip, with an edit list that starts at the clip.

    Arguments and errors as for `reencode_clip`. Frames that the clip's last frames refer to stay in the file although
    they are shown after its end; decoding leaves them out by their time.
    """
    with (
        open_media(str(video), limits) as media,
        Sound(audio or video, wanted=settings.audio) as sound,
        av.open(str(target), "w", "mp4", options=_FASTSTART) as output,
    ):
        window = media.origin + seconds(start), media.origin + seconds(end)
        writer = output.add_stream_from_template(media.video)
        sound_writer = output.add_stream_from_template(sound.stream) if sound.stream is not None else None
        packets = _packets(media, *window)
        offset = math.ceil(window[0] / media.time_base)
        first = min((p.pts for p in packets if p.pts >= offset), default=None)
        if first is None or first * media.time_base >= window[1]:
            raise _nothing_shown(start, end)
        for packet in packets:
            # As in re-encoding, the first frame is shown from the clip's start on.
            packet.pts = 0 if packet.pts == first else packet.pts - offset
            packet.dts = min(packet.dts - offset, packet.pts)
            packet.stream = writer
            output.mux(packet)
        if sound_writer is not None:
            for packet in sound_packets(sound, *window):
                packet.stream = sound_writer
                output.mux(packet)


def _nothing_shown(start: float, end: float) -> Exception:
    return failed(FailureReason.OUT_OF_RANGE, f"no frame is shown between {start:g} and {end:g} s")


def _frames(reader: ClipReader, start: Fraction, end: Fraction) -> Iterator[TimedFrame]:
    try:
        for shown in reader.frames(start):
            if shown.time >= end:
                return
            yield shown
    except Damaged as damage:
        raise failed(damage.reason, damage.detail) from damage


def _packets(media: Media, start: Fraction, end: Fraction) -> list[Any]:
    """Returns the packets that showing [start, end) needs: from a key frame to the last in order of decoding."""
    for lead in (0, 30, None):  # seconds before the start to seek to; indexes may point too late
        target = Fraction(0) if lead is None else max(start - lead, Fraction(0))
        try:
            media.container.seek(math.floor(target / media.time_base), stream=media.video, backward=True)
        except (av.FFmpegError, OSError) as error:
            raise failed(FailureReason.CORRUPT, "its index does not lead to frames") from error
        kept: list[Any] = []
        for packet in _demux(media):
            if packet.dts is None or packet.pts is None:
                continue
            if packet.dts * media.time_base >= end:
                break
            if packet.is_keyframe and packet.pts * media.time_base <= start:
                kept = []  # a later key frame serves as well
            kept.append(packet)
        if kept and kept[0].is_keyframe and (kept[0].pts * media.time_base <= start or target <= media.origin):
            return kept
    return []


def _demux(media: Media) -> Iterator[Any]:
    try:
        yield from media.container.demux(media.video)
    except (av.FFmpegError, OSError) as error:
        raise failed(FailureReason.CORRUPT, "the file cannot be read on") from error


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
