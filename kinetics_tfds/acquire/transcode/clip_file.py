"""From a fetched file to a clip that may be shown: cut if needed, decode-check, hash. Runs in a worker process."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pathlib
import shutil

from kinetics_tfds.acquire.config import CheckSettings, CutSettings
from kinetics_tfds.acquire.outcome import Outcome, Reason
from kinetics_tfds.acquire.store.clip_store import file_digest
from kinetics_tfds.acquire.transcode.cut import can_copy, copy_clip, reencode_clip
from kinetics_tfds.clips.containers import HEAD_BYTES, container_suffix
from kinetics_tfds.clips.media import Span
from kinetics_tfds.decode.clip import decode_clip
from kinetics_tfds.decode.container import open_media
from kinetics_tfds.decode.failure import DecodeError
from kinetics_tfds.decode.probe import probe_media
from kinetics_tfds.decode.span import find_start
from kinetics_tfds.decode.types import (
    DecodedClip,
    DecodeFailure,
    DecodeLimits,
    DecodeRequest,
    DecodeSettings,
    FailureReason,
)


@dataclasses.dataclass(frozen=True, slots=True)
class Job:
    """One clip to finish.

    Attributes:
        video: a local file that holds the clip.
        audio: a local file with its sound, where that is apart.
        span: whether `video` is the clip or the whole video.
        time_start: of the clip in the whole video, seconds.
        time_end: its end (exclusive), seconds.
        target: path of the file to make, without a suffix.
        may_move: whether `video` may become the finished file itself.
        complete: whether these are surely all the bytes that the source has.
        cut: how to cut.
        check: what to demand.
        limits: what one file may cost.
    """

    video: str
    audio: str | None
    span: Span
    time_start: float
    time_end: float
    target: str
    may_move: bool
    complete: bool
    cut: CutSettings
    check: CheckSettings
    limits: DecodeLimits


@dataclasses.dataclass(frozen=True, slots=True)
class Finished:
    """A clip that passed all checks and waits under a temporary name.

    Attributes:
        path: the file.
        cut: `reencoded`, `copied`, or `as_is` where the source had it trimmed.
        sha256: of its bytes, hexadecimal.
        bytes: its size.
        duration: playable seconds of the clip in it.
    """

    path: str
    cut: str
    sha256: str
    bytes: int
    duration: float


def finish_clip(job: Job) -> Finished | Outcome:
    """Makes the finished file of one clip, or says why there is none."""
    try:
        path, cut, decoded = _cut(job) if _is_whole(job) else _keep(job)
    except DecodeError as error:
        return outcome_of(error.failure, job.complete)
    except _RejectedError as error:
        return error.outcome
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    sha256, size = file_digest(path)
    return Finished(str(path), cut, sha256, size, round(decoded.duration, 3))


def _is_whole(job: Job) -> bool:
    """Returns whether a file holds the whole video; the same rule as for decoding."""
    if job.span is not Span.UNKNOWN:
        return job.span is Span.WHOLE
    with open_media(job.video, job.limits) as media:
        request = DecodeRequest("", job.video, job.span, job.time_start, job.time_end)
        return find_start(media, request) is not None


def _cut(job: Job) -> tuple[pathlib.Path, str, DecodedClip]:
    video, audio = pathlib.Path(job.video), pathlib.Path(job.audio) if job.audio else None
    target = pathlib.Path(f"{job.target}.mp4")
    span = job.time_start, job.time_end
    # Only a sound video can give a whole clip: a cut of a damaged one would decode without a fault.
    expected = _decode(job, video, Span.WHOLE)
    if job.cut.mode == "copy" and can_copy(video, audio, job.limits):
        # Open groups of pictures and odd indexes make copies that do not decode alone; encoding anew heals them.
        with contextlib.suppress(DecodeError, _RejectedError):
            copy_clip(video, audio, target, *span, job.cut, job.limits)
            return target, "copied", _check(job, target, expected)
    reencode_clip(video, audio, target, *span, job.cut, job.limits)
    return target, "reencoded", _check(job, target, expected)


def _keep(job: Job) -> tuple[pathlib.Path, str, DecodedClip]:
    video = pathlib.Path(job.video)
    decoded = _check(job, video)
    target = pathlib.Path(job.target + _suffix(video))
    if job.may_move:
        os.replace(video, target)
    else:
        shutil.copyfile(video, target)
    return target, "as_is", decoded


def _suffix(video: pathlib.Path) -> str:
    """Returns the suffix that tells the truth about the container, whatever the source called it."""
    with video.open("rb") as file:
        return container_suffix(file.read(HEAD_BYTES)) or video.suffix


def _check(job: Job, path: pathlib.Path, expected: DecodedClip | None = None) -> DecodedClip:
    """Decodes a finished clip, as a build will, and compares it with what it was cut from."""
    length = job.time_end - job.time_start
    promised = probe_media(str(path), job.limits).duration
    if promised is not None and promised > length + job.check.tolerance:
        raise _RejectedError(Outcome(Reason.WRONG_LENGTH, f"the file is {promised:.1f} s long, the clip {length:g} s"))
    decoded = _decode(job, path, Span.TRIMMED)
    if expected is not None and len(decoded.frames) != len(expected.frames):
        detail = f"the cut has {len(decoded.frames)} frames, the video {len(expected.frames)} in the clip's times"
        raise _RejectedError(Outcome(Reason.UNEXPECTED, detail))
    return decoded


def _decode(job: Job, path: pathlib.Path, span: Span) -> DecodedClip:
    request = DecodeRequest(path.name, str(path), span, job.time_start, job.time_end)
    # Every frame is decoded; the pictures themselves are thrown away, so they may be tiny.
    settings = DecodeSettings(short_side=16, fps=None, quality=1, min_duration=job.check.min_duration)
    return decode_clip(request, settings, job.limits)


class _RejectedError(Exception):
    """A file that plays, but is not the clip."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.message)
        self.outcome = outcome


_REASONS = {
    FailureReason.UNREADABLE: Reason.UNEXPECTED,
    FailureReason.NO_VIDEO: Reason.NO_VIDEO,
    FailureReason.OUT_OF_RANGE: Reason.OUT_OF_RANGE,
    FailureReason.TOO_SHORT: Reason.TOO_SHORT,
    FailureReason.TOO_LARGE: Reason.TOO_LARGE,
    FailureReason.MEMORY: Reason.TOO_LARGE,
    FailureReason.TIMEOUT: Reason.TIMEOUT,
}


def outcome_of(failure: DecodeFailure, complete: bool) -> Outcome:
    """Returns what a file that does not decode means for its clip.

    Args:
        failure: what decoding says.
        complete: whether the file has all the bytes that its source has.

    >>> outcome_of(DecodeFailure(FailureReason.CORRUPT, "x"), complete=True).reason.value
    'damaged'
    """
    if complete:
        broken = Reason.DAMAGED  # fetching it again would bring the same
    else:
        broken = Reason.NOT_MEDIA if failure.reason is FailureReason.NOT_MEDIA else Reason.INCOMPLETE
    return Outcome(_REASONS.get(failure.reason, broken), f"{failure.reason}: {failure.detail}")
