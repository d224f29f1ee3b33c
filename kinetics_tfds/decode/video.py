"""Decoding the video packets of a file, from one place in it onward."""

from __future__ import annotations

import collections
import dataclasses
import heapq
from collections.abc import Iterator
from fractions import Fraction
from typing import cast

import av

from kinetics_tfds.clips.containers import Container
from kinetics_tfds.decode.container import DECODERS, Media, check_pixels, decoder_max_pixels, reason_of
from kinetics_tfds.decode.damage import LONGEST_GAP, Damaged, MissingFrames, check_reordering
from kinetics_tfds.decode.failure import failed
from kinetics_tfds.decode.frames import Orientation, orientation_of
from kinetics_tfds.decode.nal import NalReader
from kinetics_tfds.decode.types import DecodeLimits, FailureReason
from kinetics_tfds.workers.memory import memory_is_short

_TOO_MANY_PIXELS = "exceeds specified max pixel count"


@dataclasses.dataclass(frozen=True, slots=True)
class TimedFrame:
    """One frame and when it is shown.

    Attributes:
        time: presentation time in seconds.
        duration: seconds it is shown by the file; 0 where the file does not say.
        frame: the decoded frame; None where it was skipped.
    """

    time: Fraction
    duration: Fraction
    frame: av.VideoFrame | None


class CannotSkipError(Exception):
    """Frames were skipped in a stream that must be decoded whole."""


class VideoRun:
    """Decodes packets in file order into frames in presentation order.

    Attributes:
        missing: keeps count of frames that should have come.
        orientation: how frames are to be shown; known from the first frame on.
    """

    def __init__(self, media: Media, limits: DecodeLimits) -> None:
        self._media = media
        self._time_base = media.time_base
        self._limits = limits
        self._decoder, self._probe = media.video.codec_context, None
        self._begun = False
        self._key_pts: int | None = None  # of the first key frame: what is shown before it may not be decodable
        self._keyed = False
        self._passed_over: Exception | None = None
        self._last: TimedFrame | None = None
        # AVI stores no presentation times, but one packet a frame at even distances: the first frame out has the time
        # of the first packet in, and so on.
        self._packet_times: collections.deque[int] | None = collections.deque() if media.kind is Container.AVI else None
        self._nal = NalReader(media.codec, media.video.codec_context.extradata)
        self._gap = int(LONGEST_GAP / self._time_base)  # in ticks
        self.missing = MissingFrames(media)
        self.orientation = Orientation()
        self._durations: dict[int, Fraction] = {}
        self._skipped: list[int] = []  # a heap of the times of packets whose frame, if nothing needs it, does not come
        self._has_skipped = self._skipping = False
        self._decoder.skip_frame = "DEFAULT"  # what an earlier run left

    def feed(self, packet: av.Packet, wanted: bool = True) -> Iterator[TimedFrame]:
        """Decodes one packet and yields the frames that are due.

        Args:
            packet: of the video stream.
            wanted: whether its frame must come; without, the decoder leaves it out if no other frame refers to it.

        Raises:
            Damaged: or frames would be.
            CannotSkipError: a packet turns out not to hold one frame, though some were not wanted.
        """
        if packet.size == 0 and packet.dts is not None:
            return  # "as before" in AVI; to the decoder it would mean the end
        if not self._begun:
            self._begun = True
            self._decoder, self._probe = make_decoder(self._media, self._limits, packet)
        if packet.size:
            self._note(packet, wanted)
        if self._skipping == wanted:
            self._skipping = not wanted
            self._decoder.skip_frame = "DEFAULT" if wanted else "NONREF"
        for frame in self._decode(packet):
            if frame.is_corrupt:
                if self._leading(frame.pts):
                    continue
                raise Damaged(FailureReason.CORRUPT, f"the frame at {self._at(frame.pts)} is damaged")
            check_pixels(frame.width, frame.height, self._limits)
            timed = self._timed(frame)
            self.missing.shown(frame.pts, frame.interlaced_frame)
            if self._has_skipped:
                yield from self._skipped_before(frame)
            if self._last is None and self._probe is None:
                self.orientation = orientation_of(frame)
            if self._last is None or timed.time > self._last.time:
                self._last = timed
                yield timed
            elif timed.time == self._last.time:
                self.missing.repeated()
            else:
                detail = f"the frame at {self._at(frame.pts)} comes after the one at {float(self._last.time):.3f} s"
                raise Damaged(FailureReason.CORRUPT, detail)

    def _skipped_before(self, frame: av.VideoFrame) -> Iterator[TimedFrame]:
        """Yields, without a picture, what was skipped before a frame."""
        if frame.interlaced_frame or frame.pts is None:
            raise CannotSkipError
        while self._skipped and self._skipped[0] <= frame.pts:
            pts = heapq.heappop(self._skipped)
            time = pts * self._time_base
            if pts < frame.pts and (self._last is None or self._last.time < time):
                self._last = TimedFrame(time, Fraction(0), None)
                yield self._last

    def check_any(self) -> None:
        """Called at the file's end: raises Damaged if nothing was shown."""
        if self._last is None:
            if self._passed_over is not None:
                raise Damaged(FailureReason.CORRUPT, f"no frame decodes: {reason_of(self._passed_over)}")
            raise Damaged(FailureReason.NO_VIDEO, "the video stream holds no frame")

    def _note(self, packet: av.Packet, wanted: bool) -> None:
        if packet.is_corrupt:
            raise Damaged(FailureReason.CORRUPT, f"the data at {self._at(packet.pts)} is cut short")
        if self._nal.forbidden(bytes(packet)):
            detail = f"the data at {self._at(packet.pts)} holds bytes that no encoder writes"
            raise Damaged(FailureReason.CORRUPT, detail)
        if packet.pts is not None and packet.dts is not None and abs(packet.pts - packet.dts) > self._gap:
            check_reordering(self._media, packet.pts, packet.dts)
        if self._packet_times is not None and packet.dts is not None:
            self._packet_times.append(packet.dts)
        if packet.is_keyframe and not self._keyed:
            self._keyed, self._key_pts = True, packet.pts
        if packet.is_discard or self._leading(packet.pts):
            return
        if wanted:
            self.missing.sent(packet.pts, packet.dts)
        elif packet.pts is not None:
            heapq.heappush(self._skipped, packet.pts)
            self._has_skipped = True

    def _decode(self, packet: av.Packet) -> list[av.VideoFrame]:
        try:
            if self._probe is not None and packet.size and self._last is None:
                frames = self._probe.decode(packet)
                for frame in frames:
                    check_pixels(frame.width, frame.height, self._limits)
                    self.orientation = orientation_of(frame)
                if any(frame.format.components[0].bits > 8 for frame in frames):
                    self._decoder, self._probe = self._probe, None  # this libvpx decodes 8 bits only
                    return frames
            return self._decoder.decode(packet)
        except MemoryError:
            raise
        except (av.error.PatchWelcomeError, av.error.NotImplementedError) as error:
            if self._last is not None:
                raise Damaged(FailureReason.CORRUPT, f"at {self._at(packet.pts)}: {reason_of(error)}") from error
            raise failed(FailureReason.UNSUPPORTED_CODEC, reason_of(error)) from error
        except (av.FFmpegError, ValueError) as error:
            if memory_is_short(self._picture_bytes()):
                raise MemoryError(reason_of(error)) from error
            if _TOO_MANY_PIXELS in reason_of(error):
                raise failed(FailureReason.TOO_LARGE, reason_of(error).partition(",")[0]) from error
            if self._leading(packet.pts):
                self._passed_over = error
                return []
            raise Damaged(FailureReason.CORRUPT, f"at {self._at(packet.pts)}: {reason_of(error)}") from error

    def _picture_bytes(self) -> int:
        """Returns about what one picture takes in memory, with what the decoder notes beside it."""
        context = self._media.video.codec_context
        return 4 * context.width * context.height + (1 << 20)

    def _leading(self, pts: int | None) -> bool:
        """Whether a picture comes before the first key frame, in the file or on the screen."""
        return not self._keyed or (pts is not None and self._key_pts is not None and pts < self._key_pts)

    def _timed(self, frame: av.VideoFrame) -> TimedFrame:
        if self._packet_times is not None:
            ticks = self._packet_times.popleft() if self._packet_times else None
        else:
            ticks = frame.pts if frame.pts is not None else frame.dts
        lasting = frame.duration or 0
        duration = self._durations.get(lasting)
        if duration is None:
            duration = self._durations[lasting] = lasting * self._time_base
        if ticks is not None:
            return TimedFrame(ticks * self._time_base, duration, frame)
        if self._last is None:
            return TimedFrame(Fraction(0), duration, frame)
        return TimedFrame(self._last.time + (duration or self._last.duration or Fraction(1, 25)), duration, frame)

    def _at(self, pts: int | None) -> str:
        return "an unknown time" if pts is None else f"{float(pts * self._time_base):.3f} s"


def make_decoder(
    media: Media, limits: DecodeLimits, first: av.Packet
) -> tuple[av.VideoCodecContext, av.VideoCodecContext | None]:
    """Returns a decoder (mostly one thread, for the pool keeps the cores busy) and perhaps a probe.

    Decoders report every error. Only H.264 that was cut in front of a picture other than an IDR may refer to pictures
    that are gone without being damaged; there the decoder goes on, and marks the frames that suffered.

    The probe is FFmpeg's own decoder where another one does the work. It looks at the first picture, for only it knows
    the container's side data and refuses too many pixels before there is memory for them.
    """
    own = media.video.codec_context
    name = DECODERS[media.codec]
    cut = media.codec == "h264" and not NalReader("h264", own.extradata).is_idr(bytes(first))
    options = {"err_detect": "crccheck" if cut else "explode+crccheck", "max_pixels": str(decoder_max_pixels(limits))}
    if not own.is_open:
        # With two, FFmpeg's decoder of VP8 reads a picture's modes and its coefficients apart, and notices where the
        # first run out: of 140 damaged files 31 pass instead of 65.
        own.thread_count = 2 if name == "vp8" else 1
        own.options = {**options, "strict": "1"} if name == "libdav1d" else options
    if not name.startswith("libvpx"):
        return own, None
    other = cast(av.VideoCodecContext, av.CodecContext.create(name, "r"))
    other.thread_count = 1
    other.options = options
    return other, own
