"""Opening a media file under limits, and choosing its streams."""

from __future__ import annotations

import dataclasses
import os
import stat
from fractions import Fraction

import av
from av.container import Flags
from av.stream import Disposition

from kinetics_tfds.clips.containers import HEAD_BYTES, Container, sniff_container
from kinetics_tfds.decode.failure import failed
from kinetics_tfds.decode.structure import check_structure
from kinetics_tfds.decode.types import DecodeLimits, FailureReason

# Codec -> decoder. libvpx is as fast as FFmpeg's own decoder of VP9 and notices more damage: of 60 damaged files 59
# against 30 (benchmarks/damage.py).
DECODERS = {
    "h264": "h264",
    "hevc": "hevc",
    "vp8": "vp8",
    "vp9": "libvpx-vp9",
    "av1": "libdav1d",
    "mpeg4": "mpeg4",
    "mpeg1video": "mpeg1video",
    "mpeg2video": "mpeg2video",
    "h263": "h263",
    "msmpeg4v2": "msmpeg4v2",
    "msmpeg4v3": "msmpeg4",
    "flv1": "flv",
    "mjpeg": "mjpeg",
}
_AUDIO_DECODERS = (
    "aac,mp3float,mp3,mp2float,mp2,opus,libopus,vorbis,ac3,eac3,flac,alac,amrnb,amrwb,libopencore_amrnb,"
    "libopencore_amrwb,pcm_s16le,pcm_s16be,pcm_s24le,pcm_s32le,pcm_f32le,pcm_u8,pcm_mulaw,pcm_alaw,adpcm_ms,"
    "adpcm_ima_wav,wmav1,wmav2"
)
# Decoders by which FFmpeg looks at streams while it opens a file, and by which this project then decodes.
_ALLOWED_DECODERS = ",".join(sorted({*DECODERS, *DECODERS.values()})) + "," + _AUDIO_DECODERS


@dataclasses.dataclass(slots=True)
class Media:
    """An open media file.

    Attributes:
        container: PyAV's handle.
        video: the chosen video stream.
        path: of the file.
        indexed_frames: frames that the index lists; 0 where there is no index, or one that grows while reading.
    """

    container: av.container.InputContainer
    video: av.video.stream.VideoStream
    kind: Container
    path: str
    indexed_frames: int = 0

    def __enter__(self) -> Media:
        return self

    def __exit__(self, *_: object) -> None:
        self.container.close()

    @property
    def time_base(self) -> Fraction:
        """Seconds a tick of the video stream."""
        return self.video.time_base or Fraction(1, 1000)

    @property
    def codec(self) -> str:
        """Name of the video codec, such as `h264`."""
        return self.video.codec_context.codec.canonical_name

    @property
    def frame_interval(self) -> Fraction:
        """Mean seconds between frames, by the file's headers."""
        rate = self.video.average_rate
        return 1 / Fraction(rate) if rate else Fraction(1, 25)

    @property
    def origin(self) -> Fraction:
        """Presentation time, in seconds, that counts as 0 of a whole video.

        A file that starts late (a piece cut from a broadcast) counts from its start. One that starts before 0 does
        so only to prime its decoders.
        """
        return max(Fraction(self.container.start_time or 0, av.time_base), Fraction(0))

    @property
    def video_end(self) -> Fraction | None:
        """Presentation time at which the video stream ends by its own headers, or None where they do not say."""
        stream = self.video
        if stream.duration is not None and stream.duration > 0:
            return (Fraction(stream.start_time or 0) + stream.duration) * self.time_base
        return _tagged_end(stream.metadata)

    @property
    def promised_end(self) -> Fraction | None:
        """Like `video_end`, or else when the longest stream of the file ends."""
        if (end := self.video_end) is not None or self.container.duration is None:
            return end
        return Fraction(self.container.duration + (self.container.start_time or 0), av.time_base)


def open_media(path: str, limits: DecodeLimits) -> Media:
    """Opens a local file with the one demuxer that its content calls for.

    Raises:
        DecodeError: unreadable, empty, not_media, corrupt, truncated, no_video, unsupported_codec, too_large, memory.
    """
    kind = _sniff(path)
    container = _open_container(path, kind, _ALLOWED_DECODERS, decoder_max_pixels(limits))
    # PyAV asks for made-up presentation times, which are wrong for B-frames in AVI; the reader knows better.
    container.flags &= ~Flags.gen_pts.value
    try:
        if not container.streams.video and (truncated := check_structure(path, kind).truncated):
            raise failed(FailureReason.TRUNCATED, truncated)
        video = choose_video(container)
        if not video.codec_context.width:
            _check_announced_size(path, kind, video.index, limits)
        check_pixels(video.codec_context.width, video.codec_context.height, limits)
        indexed = sum(1 for entry in video.index_entries if entry.size) if kind is Container.AVI else 0
        return Media(container, video, kind, path, indexed)
    except BaseException:
        container.close()
        raise


def open_container(path: str, limits: DecodeLimits) -> av.container.InputContainer:
    """Opens a local file as `open_media` does, whatever streams it has: one with audio alone, for example.

    Raises:
        DecodeError: unreadable, empty, not_media, corrupt, truncated, memory.
    """
    return _open_container(path, _sniff(path), _ALLOWED_DECODERS, decoder_max_pixels(limits))


def _open_container(path: str, kind: Container, decoders: str, max_pixels: int) -> av.container.InputContainer:
    options = {
        "format_whitelist": kind.value,  # a playlist that is named .mp4 gets no further
        "protocol_whitelist": "file",
        "codec_whitelist": decoders,
        "max_pixels": str(max_pixels),
    }
    try:
        # With its protocol named, no file name can be taken for a URL.
        return av.open(f"file:{path}", format=kind.value, options=options, metadata_errors="replace")
    except MemoryError as error:
        raise failed(FailureReason.MEMORY, "memory ran out while opening the file") from error
    except (av.FFmpegError, ValueError) as error:
        raise _open_failure(path, kind, error) from error


def _check_announced_size(path: str, kind: Container, index: int, limits: DecodeLimits) -> None:
    """Looks at the size in the container's own headers: decoders that find it too large leave none behind."""
    with _open_container(path, kind, "none", (1 << 31) - 1) as container:
        context = container.streams[index].codec_context
        check_pixels(context.width, context.height, limits)


def decoder_max_pixels(limits: DecodeLimits) -> int:
    """Returns the limit that decoders get: they count padding, so this one is wide, and frames are checked exactly."""
    return 2 * limits.max_pixels + (1 << 16)


def check_pixels(width: int, height: int, limits: DecodeLimits) -> None:
    """Raises DecodeError (too_large) for a picture with more pixels than the limits allow."""
    if width * height > limits.max_pixels:
        raise failed(FailureReason.TOO_LARGE, f"a frame is {width}x{height}, more than {limits.max_pixels} pixels")


def choose_video(container: av.container.InputContainer) -> av.video.stream.VideoStream:
    """Returns the video stream that the ffmpeg program would pick.

    That is the largest picture, with a bonus of 5,000,000 pixels for a stream marked as default; attached pictures
    (covers) do not count.
    """
    streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not streams:
        raise failed(FailureReason.NO_VIDEO, "the file has no video stream")
    best = max(streams, key=_video_score)  # the first of equals
    context = best.codec_context
    if context is None or context.codec.canonical_name not in DECODERS:
        name = context.codec.canonical_name if context is not None else "of an unknown kind"
        raise failed(FailureReason.UNSUPPORTED_CODEC, f"the video codec is {name}")
    return best


def choose_audio(container: av.container.InputContainer) -> av.audio.stream.AudioStream | None:
    """Returns the audio stream that the ffmpeg program would pick: default first, then most channels."""
    streams = [s for s in container.streams.audio if s.codec_context is not None]
    return max(streams, key=_audio_score, default=None)


def _video_score(stream: av.video.stream.VideoStream) -> int:
    context = stream.codec_context
    pixels = context.width * context.height if context is not None else 0
    return pixels + 5_000_000 * bool(stream.disposition & Disposition.default)


def _audio_score(stream: av.audio.stream.AudioStream) -> int:
    return stream.codec_context.channels + 5_000_000 * bool(stream.disposition & Disposition.default)


def _sniff(path: str) -> Container:
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):
            raise failed(FailureReason.UNREADABLE, "not a regular file")
        if status.st_size == 0:
            raise failed(FailureReason.EMPTY, "the file has no bytes")
        with open(path, "rb") as file:
            kind = sniff_container(file.read(HEAD_BYTES))
    except OSError as error:
        raise failed(FailureReason.UNREADABLE, error.strerror or type(error).__name__) from error
    if kind is None:
        raise failed(FailureReason.NOT_MEDIA, "its content is none of MP4, MOV, Matroska, WebM, AVI and MPEG")
    return kind


def _open_failure(path: str, kind: Container, error: Exception) -> Exception:
    if isinstance(error, OSError) and not isinstance(error, EOFError):
        return failed(FailureReason.UNREADABLE, getattr(error, "strerror", None) or type(error).__name__)
    try:
        truncated = check_structure(path, kind).truncated
    except OSError as reading:
        return failed(FailureReason.UNREADABLE, reading.strerror or type(reading).__name__)
    if truncated:
        return failed(FailureReason.TRUNCATED, truncated)
    return failed(FailureReason.CORRUPT, f"its headers cannot be read: {reason_of(error)}")


def reason_of(error: Exception) -> str:
    """Returns what an error of libav says, without the file's name."""
    log = getattr(error, "log", None)
    text = log[2].strip() if log else ""
    return text or getattr(error, "strerror", None) or str(error) or type(error).__name__


def _tagged_end(metadata: dict[str, str]) -> Fraction | None:
    """Reads the DURATION tag of a Matroska track: `00:00:10.005000000`."""
    text = next((value for key, value in metadata.items() if key.upper().startswith("DURATION")), None)
    try:
        hours, minutes, rest = (text or "").split(":")
        return int(hours) * 3600 + int(minutes) * 60 + Fraction(rest)
    except (ValueError, ZeroDivisionError):
        return None
