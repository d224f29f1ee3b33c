"""Reading the frames of one clip in presentation order, and its audio on the way."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Iterator
from fractions import Fraction
from typing import cast

import av
from av.stream import Discard

from kinetics_tfds.decode.audio import AudioTrack
from kinetics_tfds.decode.container import DECODERS, Media, check_pixels, decoder_max_pixels, reason_of
from kinetics_tfds.decode.damage import Damaged, MissingFrames, NoFrames
from kinetics_tfds.decode.failure import failed
from kinetics_tfds.decode.frames import Orientation, orientation_of
from kinetics_tfds.decode.nal import NalReader
from kinetics_tfds.decode.structure import AVI
from kinetics_tfds.decode.types import DecodeLimits, FailureReason

# Where to start decoding for a clip inside a longer video: at the key frame before its start; if what comes out begins
# too late (open GOPs, gradual refresh, inexact indices) at one well before that; in the end at the beginning.
_RUN_UPS = (Fraction(0), Fraction(12))
# Audio is interleaved loosely, and its decoders need a moment to settle.
_AUDIO_RUN_UP = Fraction(1)
_TOO_MANY_PIXELS = "exceeds specified max pixel count"


@dataclasses.dataclass(frozen=True, slots=True)
class Shown:
    """One frame and when it is shown.

    Attributes:
        time: presentation time in seconds.
        duration: seconds it is shown by the file; 0 where the file does not say.
        frame: the decoded frame.
    """

    time: Fraction
    duration: Fraction
    frame: av.VideoFrame


class ClipReader:
    """Reads one clip from an open file.

    Attributes:
        ended: whether the file came to its end while reading.
        packets: how many packets of video were read from the file's beginning on; None after a seek.
    """

    def __init__(self, media: Media, limits: DecodeLimits, audio: AudioTrack | None) -> None:
        self._media = media
        self._audio = audio
        self._streams = [media.video] if audio is None else [media.video, audio.stream]
        self._run = _Run(media, limits)
        self._limits = limits
        self.ended = False
        self.packets: int | None = 0
        for stream in media.container.streams:
            stream.discard = Discard.default if stream in self._streams else Discard.all

    @property
    def orientation(self) -> Orientation:
        """How frames are to be shown; known from the first frame on."""
        return self._run.orientation

    def frames(self, start: Fraction | None) -> Iterator[Shown]:
        """Yields the frames shown at or after `start` seconds, or all, in increasing order of time, to the file's end.

        Raises:
            Damaged: what was yielded before is good.
            DecodeError: too_large, unsupported_codec.
        """
        run = self._frames() if start is None else self._frames_from(start)
        for shown in run:
            if start is None or shown.time >= start:
                yield shown

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

    def _frames_from(self, start: Fraction) -> Iterator[Shown]:
        first = next(self._packets([self._media.video]), None)
        if first is not None:
            _make_decoder(self._media, self._limits, first)  # settles how strict it is, by how the file begins
        for run_up in _RUN_UPS:
            target = start - run_up - (_AUDIO_RUN_UP if self._audio else 0)
            if target <= self._media.origin:
                break
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
        if self._media.kind == AVI:
            earliest = 0  # its demuxer refuses times before the beginning
        yield from self._restart(earliest)

    def _restart(self, ticks: int) -> Iterator[Shown]:
        """Moves to the key frame at or before `ticks` of the video stream and returns the frames from there."""
        try:
            self._media.container.seek(ticks, stream=self._media.video, backward=True)
        except (av.FFmpegError, OSError) as error:
            raise Damaged(FailureReason.CORRUPT, f"its index does not lead to frames: {reason_of(error)}") from error
        self._run = _Run(self._media, self._limits)
        self.ended = False
        self.packets = None
        if self._audio is not None:
            self._audio.restart()
        return self._frames()

    def _frames(self) -> Iterator[Shown]:
        for packet in self._packets(self._streams):
            if packet.stream is self._media.video:
                if self.packets is not None:
                    self.packets += packet.size > 0
                yield from self._run.feed(packet)
            elif self._audio is not None:
                self._audio.feed(packet)
        self.ended = True
        self._run.check_any()

    @property
    def decoding_time(self) -> Fraction:
        """Time at which the packet read last is to be decoded, in seconds; at most that of the frames yet to come."""
        return self._run.decoding_time

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


class _Run:
    """Decoding from one place in a file onward."""

    def __init__(self, media: Media, limits: DecodeLimits) -> None:
        self._media = media
        self._time_base = media.time_base
        self._limits = limits
        self._decoder, self._scout = media.video.codec_context, None
        self._begun = False
        self._key_pts: int | None = None  # of the first key frame: what is shown before it may not be decodable
        self._keyed = False
        self._passed_over: Exception | None = None
        self._last: Shown | None = None
        # AVI stores no presentation times, but one packet a frame at even distances: the first frame out has the time
        # of the first packet in, and so on.
        self._packet_times: collections.deque[int] | None = collections.deque() if media.kind == AVI else None
        self._nal = NalReader(media.codec, media.video.codec_context.extradata)
        self.missing = MissingFrames(media)
        self.orientation = Orientation()
        self.decoding_time = Fraction(0)

    def feed(self, packet: av.Packet) -> Iterator[Shown]:
        """Decodes one packet and yields the frames that are due."""
        if packet.size == 0 and packet.dts is not None:
            return  # "as before" in AVI; to the decoder it would mean the end
        if not self._begun:
            self._begun = True
            self._decoder, self._scout = _make_decoder(self._media, self._limits, packet)
        if packet.size:
            self._note(packet)
        for frame in self._decode(packet):
            if frame.is_corrupt:
                if self._leading(frame.pts):
                    continue
                raise Damaged(FailureReason.CORRUPT, f"the frame at {self._at(frame.pts)} is damaged")
            check_pixels(frame.width, frame.height, self._limits)
            shown = self._timed(frame)
            self.missing.shown(frame.pts, frame.interlaced_frame)
            if self._last is None and self._scout is None:
                self.orientation = orientation_of(frame)
            if self._last is None or shown.time > self._last.time:
                self._last = shown
                yield shown
            else:
                self.missing.repeated()

    def check_any(self) -> None:
        """Called at the file's end: raises if nothing was shown."""
        if self._last is None:
            if self._passed_over is not None:
                raise Damaged(FailureReason.CORRUPT, f"no frame decodes: {reason_of(self._passed_over)}")
            raise NoFrames(FailureReason.NO_VIDEO, "the video stream holds no frame")

    def _note(self, packet: av.Packet) -> None:
        if packet.is_corrupt:
            raise Damaged(FailureReason.CORRUPT, f"the data at {self._at(packet.pts)} is cut short")
        if self._nal.forbidden(bytes(packet)):
            raise Damaged(
                FailureReason.CORRUPT, f"the data at {self._at(packet.pts)} holds bytes that no encoder writes"
            )
        if packet.dts is not None:
            self.decoding_time = packet.dts * self._time_base
        if self._packet_times is not None and packet.dts is not None:
            self._packet_times.append(packet.dts)
        if packet.is_keyframe and not self._keyed:
            self._keyed, self._key_pts = True, packet.pts
        if not packet.is_discard and not self._leading(packet.pts):
            self.missing.sent(packet.pts)

    def _decode(self, packet: av.Packet) -> list[av.VideoFrame]:
        try:
            if self._scout is not None and packet.size and self._last is None:
                frames = self._scout.decode(packet)
                for frame in frames:
                    check_pixels(frame.width, frame.height, self._limits)
                    self.orientation = orientation_of(frame)
                if any(frame.format.components[0].bits > 8 for frame in frames):
                    self._decoder, self._scout = self._scout, None  # this libvpx decodes 8 bits only
                    return frames
            return self._decoder.decode(packet)
        except MemoryError:
            raise
        except (av.error.PatchWelcomeError, av.error.NotImplementedError) as error:
            if self._last is not None:
                raise Damaged(FailureReason.CORRUPT, f"at {self._at(packet.pts)}: {reason_of(error)}") from error
            raise failed(FailureReason.UNSUPPORTED_CODEC, reason_of(error)) from error
        except (av.FFmpegError, ValueError) as error:
            if _TOO_MANY_PIXELS in reason_of(error):
                raise failed(FailureReason.TOO_LARGE, reason_of(error).partition(",")[0]) from error
            if self._leading(packet.pts):
                self._passed_over = error
                return []
            raise Damaged(FailureReason.CORRUPT, f"at {self._at(packet.pts)}: {reason_of(error)}") from error

    def _leading(self, pts: int | None) -> bool:
        """Whether a picture comes before the first key frame, in the file or on the screen."""
        return not self._keyed or (pts is not None and self._key_pts is not None and pts < self._key_pts)

    def _timed(self, frame: av.VideoFrame) -> Shown:
        if self._packet_times is not None:
            ticks = self._packet_times.popleft() if self._packet_times else None
        else:
            ticks = frame.pts if frame.pts is not None else frame.dts
        duration = (frame.duration or 0) * self._time_base
        if ticks is not None:
            return Shown(ticks * self._time_base, duration, frame)
        if self._last is None:
            return Shown(Fraction(0), duration, frame)
        return Shown(self._last.time + (duration or self._last.duration or Fraction(1, 25)), duration, frame)

    def _at(self, pts: int | None) -> str:
        return "an unknown time" if pts is None else f"{float(pts * self._time_base):.3f} s"


def _make_decoder(
    media: Media, limits: DecodeLimits, first: av.Packet
) -> tuple[av.VideoCodecContext, av.VideoCodecContext | None]:
    """Returns a decoder (one thread, for the pool keeps the cores busy) and perhaps a scout.

    Decoders report every error. Only H.264 that was cut in front of a picture other than an IDR may refer to pictures
    that are gone without being damaged; there the decoder goes on, and marks the frames that suffered.

    The scout is FFmpeg's own decoder where another one does the work. It looks at the first picture, for only it knows
    the container's side data and refuses too many pixels before there is memory for them.
    """
    own = media.video.codec_context
    name = DECODERS[media.codec]
    cut = media.codec == "h264" and not NalReader("h264", own.extradata).is_idr(bytes(first))
    options = {"err_detect": "crccheck" if cut else "explode+crccheck", "max_pixels": str(decoder_max_pixels(limits))}
    if not own.is_open:
        own.thread_count = 1
        own.options = {**options, "strict": "1"} if name == "libdav1d" else options
    if not name.startswith("libvpx"):
        return own, None
    other = cast(av.VideoCodecContext, av.CodecContext.create(name, "r"))
    other.thread_count = 1
    other.options = options
    return other, own
