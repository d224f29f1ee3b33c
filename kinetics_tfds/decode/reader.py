"""Reading the frames of one clip in presentation order, and its audio on the way."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from fractions import Fraction

import av
from av.stream import Discard

from kinetics_tfds.clips.containers import Container
from kinetics_tfds.decode.audio import AudioTrack
from kinetics_tfds.decode.container import Media, reason_of
from kinetics_tfds.decode.damage import Damaged
from kinetics_tfds.decode.frames import Orientation
from kinetics_tfds.decode.skipping import WantedFrames, with_neighbours
from kinetics_tfds.decode.types import DecodeLimits, FailureReason
from kinetics_tfds.decode.video import TimedFrame, VideoRun, make_decoder

# Decoders that skip frames packet by packet, each packet being one frame. (AVI stores no times to choose by.)
_CAN_SKIP = frozenset({"h264", "hevc"})

__all__ = ["ClipReader", "TimedFrame"]

# Where to start decoding for a clip inside a longer video: at the key frame before its start; if what comes out begins
# too late (open GOPs, gradual refresh, inexact indices) at one well before that; in the end at the beginning.
_RUN_UPS = (Fraction(0), Fraction(12))
# Audio is interleaved loosely, and its decoders need a moment to settle.
_AUDIO_RUN_UP = Fraction(1)


class ClipReader:
    """Reads one clip from an open file.

    Attributes:
        ended: whether the file came to its end while reading.
        packets: how many packets of video were read from the file's beginning on; None after a seek.
    """

    def __init__(
        self, media: Media, limits: DecodeLimits, audio: AudioTrack | None, wants: WantedFrames | None = None
    ) -> None:
        """Reads nothing yet.

        Args:
            media: the file.
            limits: what it may cost.
            audio: takes the audio on the way.
            wants: says which frames are wanted; others may come without a picture. None where all are.
        """
        self._media = media
        self._audio = audio
        self._streams = [media.video] if audio is None else [media.video, audio.stream]
        self._run = VideoRun(media, limits)
        self._limits = limits
        self._wants = wants if media.codec in _CAN_SKIP and media.kind is not Container.AVI else None
        self.ended = False
        self.packets: int | None = 0
        for stream in media.container.streams:
            stream.discard = Discard.default if stream in self._streams else Discard.all

    @property
    def orientation(self) -> Orientation:
        """How frames are to be shown; known from the first frame on."""
        return self._run.orientation

    def frames(self, start: Fraction | None) -> Iterator[TimedFrame]:
        """Yields the frames shown at or after `start` seconds, or all, in increasing order of time, to the file's end.

        Raises:
            Damaged: what was yielded before is good.
            DecodeError: too_large, unsupported_codec.
        """
        run = self._frames(self._packets(self._streams)) if start is None else self._frames_from(start)
        for timed in run:
            if start is None or timed.time >= start:
                yield timed

    def finish(self, end: Fraction) -> None:
        """Called once the clip's last frame was read: reads what audio is left, and looks for lost frames.

        Raises:
            Damaged: frames or audio are missing.
        """
        self._run.missing.check(at_end=self.ended)
        audio = self._audio
        if audio is None or self.ended or audio.reaches(end):
            return
        for packet in self._packets([audio.stream]):
            audio.feed(packet)
            if audio.reaches(end):
                return

    def _frames_from(self, start: Fraction) -> Iterator[TimedFrame]:
        beginning = self._read_beginning()
        for run_up in _RUN_UPS:
            target = start - run_up - (_AUDIO_RUN_UP if self._audio else 0)
            if target <= self._media.origin and beginning is not None:
                yield from self._frames(beginning)  # nothing was skipped yet, and a seek may fail on a cut file
                return
            if target <= self._media.origin:
                break
            beginning = None
            frames = self._restart(int(target / self._media.time_base))
            try:
                first = next(frames, None)
            except Damaged:
                continue  # perhaps an effect of seeking; from the beginning it would count
            if first is not None and first.time <= start:
                yield first
                yield from frames
                return
        earliest = min(0, self._media.video.start_time or 0) - int(1 / self._media.time_base)
        if self._media.kind is Container.AVI:
            earliest = 0  # its demuxer refuses times before the beginning
        yield from self._restart(earliest)

    def _read_beginning(self) -> Iterator[av.Packet]:
        """Returns the file's packets, having looked at the first of the video."""
        packets = self._packets(self._streams)
        looked_at = []
        for packet in packets:
            looked_at.append(packet)
            if packet.stream is self._media.video:
                make_decoder(self._media, self._limits, packet)  # settles how strict it is, by how the file begins
                break
        return itertools.chain(looked_at, packets)

    def _restart(self, ticks: int) -> Iterator[TimedFrame]:
        """Moves to the key frame at or before `ticks` of the video stream and returns the frames from there."""
        try:
            self._media.container.seek(ticks, stream=self._media.video, backward=True)
        except (av.FFmpegError, OSError) as error:
            raise Damaged(FailureReason.CORRUPT, f"its index does not lead to frames: {reason_of(error)}") from error
        self._run = VideoRun(self._media, self._limits)
        self.ended = False
        self.packets = None
        if self._audio is not None:
            self._audio.restart()
        return self._frames(self._packets(self._streams))

    def _frames(self, packets: Iterator[av.Packet]) -> Iterator[TimedFrame]:
        for packet, wanted in self._choose(packets):
            if packet.stream is self._media.video:
                if self.packets is not None:
                    self.packets += packet.size > 0
                yield from self._run.feed(packet, wanted)
            elif self._audio is not None:
                self._audio.feed(packet)
        self.ended = True
        self._run.check_any()

    def _choose(self, packets: Iterator[av.Packet]) -> Iterator[tuple[av.Packet, bool]]:
        """Yields each packet, and whether its frame is wanted."""
        wants = self._wants
        if wants is None:
            for packet in packets:
                yield packet, True
            return
        for packet, before, after in with_neighbours(packets, self._media.video):
            if packet.pts is None or before is None or after is None:
                yield packet, True
            else:
                yield packet, wants(before, packet.pts, after)

    def _packets(self, streams: list) -> Iterator[av.Packet]:
        packets = self._media.container.demux(streams)
        while True:
            try:
                packet = next(packets, None)
            except MemoryError:
                raise
            except (av.FFmpegError, OSError) as error:
                raise Damaged(FailureReason.CORRUPT, f"the file cannot be read on: {reason_of(error)}") from error
            if packet is None:
                return
            yield packet
