"""Cutting a clip out of a longer video, exactly, with the encoders in PyAV's wheel. Runs in a worker process.

A frame belongs to the clip if it is shown at or after the clip's start and before its end, by the video's own
presentation
times: the rule that decoding a whole video follows too. So a cut clip gives the frames that the whole video would give.
"""

from __future__ import annotations

import math
import pathlib
from collections.abc import Iterator
from fractions import Fraction

import av
import numpy as np

from kinetics_tfds.acquire.cut_sound import SoundWriter, open_sound, seek, sound_packets, tick
from kinetics_tfds.acquire.settings import CutSettings
from kinetics_tfds.decode.container import choose_video, open_media
from kinetics_tfds.decode.failure import failed
from kinetics_tfds.decode.timeline import seconds
from kinetics_tfds.decode.types import DecodeLimits, FailureReason

_FASTEST_TICK = 1_000_000
_COPYABLE_VIDEO = frozenset({"h264", "hevc", "vp9", "av1", "mpeg4"})
_COPYABLE_AUDIO = frozenset({"aac", "mp3", "opus", "ac3", "eac3", "flac", "alac"})


def can_copy(video: pathlib.Path, audio: pathlib.Path | None, limits: DecodeLimits) -> bool:
    """Returns whether an MP4 file can hold the streams of a video as they are."""
    with open_media(str(video), limits) as media:
        names = {choose_video(media).codec_context.codec.canonical_name}
        sounds = [stream.codec_context.codec.canonical_name for stream in media.streams.audio[:1]]
    if audio is not None:
        with open_media(str(audio), limits) as media:
            sounds = [stream.codec_context.codec.canonical_name for stream in media.streams.audio[:1]]
    return names <= _COPYABLE_VIDEO and set(sounds) <= _COPYABLE_AUDIO


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
    window = seconds(start), seconds(end)
    with open_media(str(video), limits) as media, av.open(str(target), "w", "mp4", options=_FASTSTART) as output:
        stream = choose_video(media)
        stream.codec_context.thread_count = 1
        writer = _VideoWriter(output, stream, settings)
        sound = open_sound(media, audio, limits) if settings.audio else None
        sound_writer = SoundWriter(output, sound[1], window) if sound else None
        shown = 0
        for frame, time in _frames(media, stream, *window):
            # The clip begins with its first frame: what is left of a frame before it is not shown.
            writer.write(frame, time - window[0] if shown else Fraction(0))
            shown += 1
        if not shown:
            raise failed(FailureReason.OUT_OF_RANGE, f"no frame is shown between {start:g} and {end:g} s")
        writer.finish()
        if sound and sound_writer:
            with sound[0] as sounds:
                sound_writer.write_all(sounds, sound[1])


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
    window = seconds(start), seconds(end)
    with open_media(str(video), limits) as media, av.open(str(target), "w", "mp4", options=_FASTSTART) as output:
        stream = choose_video(media)
        writer = output.add_stream_from_template(stream)
        sound = open_sound(media, audio, limits) if settings.audio else None
        sound_writer = output.add_stream_from_template(sound[1]) if sound else None
        packets = _video_packets(media, stream, *window)
        offset = math.ceil(window[0] / tick(stream))
        first = min((p.pts for p in packets if p.pts >= offset), default=None)
        if first is None or first * tick(stream) >= window[1]:
            raise failed(FailureReason.OUT_OF_RANGE, f"no frame is shown between {start:g} and {end:g} s")
        for packet in packets:
            # As in re-encoding, the first frame is shown from the clip's start on.
            packet.pts = 0 if packet.pts == first else packet.pts - offset
            packet.dts = min(packet.dts - offset, packet.pts)
            packet.stream = writer
            output.mux(packet)
        if sound and sound_writer:
            with sound[0] as sounds:
                for packet in sound_packets(sounds, sound[1], *window):
                    packet.stream = sound_writer
                    output.mux(packet)


_FASTSTART = {"movflags": "faststart"}


def _frames(media, stream, start: Fraction, end: Fraction) -> Iterator[tuple[av.VideoFrame, Fraction]]:
    """Yields the frames shown in [start, end) with their times in the video."""
    for lead in (0, 30, None):  # seconds before the start to seek to
        seek(media, stream, Fraction(0) if lead is None else max(start - lead, Fraction(0)))
        first = True
        for frame in media.decode(stream):
            if frame.pts is None:
                continue
            time = frame.pts * tick(stream)
            if first and time > start and lead is not None and start > lead:
                break  # the file's index pointed too late
            first = False
            if time >= end:
                return
            if time >= start:
                yield frame, time
        else:
            return


def _video_packets(media, stream, start: Fraction, end: Fraction) -> list:
    """Returns the packets that showing [start, end) needs: from a key frame to the last in order of decoding."""
    for lead in (0, 30, None):
        seek(media, stream, Fraction(0) if lead is None else max(start - lead, Fraction(0)))
        kept: list = []
        for packet in media.demux(stream):
            if packet.dts is None or packet.pts is None:
                continue
            if packet.dts * tick(stream) >= end:
                break
            if packet.is_keyframe and packet.pts * tick(stream) <= start:
                kept = []  # a later key frame serves as well
            kept.append(packet)
        if kept and kept[0].is_keyframe and (kept[0].pts * tick(stream) <= start or lead is None or start <= lead):
            return kept
    return []


class _VideoWriter:
    """Encodes frames at their own times."""

    def __init__(self, output, source, settings: CutSettings) -> None:
        base = tick(source)
        self._base = base if base.numerator == 1 and base.denominator <= _FASTEST_TICK else Fraction(1, 90_000)
        rate = source.average_rate or source.base_rate or Fraction(25)
        # With x264's macroblock tree, two runs over the same frames gave different bytes (PyAV 18.1's x264 165);
        # snapshots compare bytes.
        options = {"crf": str(settings.crf), "preset": settings.preset, "x264-params": "mbtree=0"}
        self._stream = output.add_stream("libx264", rate=rate, options=options)
        self._output = output
        self._short_side = settings.short_side
        self._size: tuple[int, int] | None = None
        context, original = self._stream.codec_context, source.codec_context
        context.thread_count = 1  # one core a worker; and more threads would give other bytes
        context.pix_fmt = "yuv420p"
        context.time_base = self._base
        for name in ("colorspace", "color_range", "color_primaries", "color_trc"):
            setattr(context, name, getattr(original, name))
        if original.sample_aspect_ratio:
            context.sample_aspect_ratio = original.sample_aspect_ratio

    def write(self, frame: av.VideoFrame, time: Fraction) -> None:
        if self._size is None:
            turned = frame.rotation % 180 != 0
            width, height = (frame.height, frame.width) if turned else (frame.width, frame.height)
            self._size = _even_size(width, height, self._short_side)
            self._stream.width, self._stream.height = self._size
        if frame.rotation:
            # The output says nothing of turning: it holds the picture as it is shown.
            turns = round(frame.rotation / 90) % 4
            upright = np.rot90(frame.to_ndarray(format="rgb24"), turns)
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(upright, np.uint8), format="rgb24")
        frame = frame.reformat(self._size[0], self._size[1], "yuv420p")
        frame.time_base, frame.pts = self._base, round(time / self._base)
        frame.pict_type = av.video.frame.PictureType.NONE  # the source's choice of key frames is not ours
        self._output.mux(self._stream.encode(frame))

    def finish(self) -> None:
        self._output.mux(self._stream.encode(None))


def _even_size(width: int, height: int, short_side: int | None) -> tuple[int, int]:
    """Returns the size to encode: even, as 4:2:0 wants, and not larger than the source.

    >>> _even_size(1280, 720, 340), _even_size(341, 255, None), _even_size(200, 100, 340)
    ((604, 340), (340, 254), (200, 100))
    """
    scale = min(1.0, short_side / min(width, height)) if short_side else 1.0
    return max(2, int(width * scale) // 2 * 2), max(2, int(height * scale) // 2 * 2)
