"""Whether a file holds just the clip or the whole video, told by its duration."""

from __future__ import annotations

from fractions import Fraction

import av

from kinetics_tfds.decode.container import Media
from kinetics_tfds.decode.damage import Damaged
from kinetics_tfds.decode.failure import failed
from kinetics_tfds.decode.timeline import seconds
from kinetics_tfds.decode.types import DecodeRequest, FailureReason

# A whole video may end this much before a clip that runs to its end (annotated times are whole seconds)...
_WHOLE_TOLERANCE = Fraction(1, 2)
# ...and up to this much if it is far too long to be the clip alone.
_LONG_TOLERANCE = Fraction(1)
# A file cut to the clip may be this much longer: cuts at key frames, audio that runs on.
_TRIMMED_TOLERANCE = Fraction(1)


def find_start(media: Media, request: DecodeRequest) -> Fraction | None:
    """Returns where the clip starts in the file's presentation time; None stands for the first frame.

    A video that lasts to the clip's end (within half a second) is whole, one that is not longer than the clip (within
    a second) is cut to it, and what is left is whole if it lacks no more than a second of the clip.

    Raises:
        DecodeError: out_of_range, where the file is neither.
    """
    length = seconds(request.time_end) - seconds(request.time_start)
    end = media.promised_end
    if end is None:
        end = _measured_end(media)
    duration = end - media.origin
    whole = media.origin + seconds(request.time_start)
    if duration >= seconds(request.time_end) - _WHOLE_TOLERANCE:
        return whole
    if duration <= length + _TRIMMED_TOLERANCE:
        return None
    if duration >= seconds(request.time_end) - _LONG_TOLERANCE:
        return whole
    detail = f"the file lasts {float(duration):.2f} s, the clip is at {request.time_start:g}–{request.time_end:g} s"
    raise failed(FailureReason.OUT_OF_RANGE, detail)


def _measured_end(media: Media) -> Fraction:
    """Returns when the last packet ends, for files whose headers do not say; reads the file once, decoding nothing."""
    end = Fraction(0)
    try:
        for packet in media.container.demux(media.video):
            if packet.pts is not None:
                end = max(end, (packet.pts + (packet.duration or 0)) * media.time_base)
        media.container.seek(0)
    except (av.FFmpegError, OSError) as error:
        raise Damaged(FailureReason.CORRUPT, "the file cannot be read to its end") from error
    return end
