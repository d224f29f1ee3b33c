"""From a fetched file to a clip that may be shown: cut if needed, decode-check, hash. Runs in a worker process."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import shutil

from kinetics_tfds.acquire.config import CheckSettings, CutSettings
from kinetics_tfds.acquire.outcome import Outcome, Reason
from kinetics_tfds.acquire.source import Fetched
from kinetics_tfds.acquire.store.clip_store import file_digest
from kinetics_tfds.acquire.transcode.cut import cut_clip
from kinetics_tfds.annotations.clip import Clip
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
        clip: the annotation row.
        fetched: the file that holds it.
        target: path of the file to make, without a suffix.
        may_move: whether what was fetched may become the finished file itself.
        cut: how to cut.
        check: what to demand.
        limits: what one file may cost.
    """

    clip: Clip
    fetched: Fetched
    target: pathlib.Path
    may_move: bool
    cut: CutSettings
    check: CheckSettings
    limits: DecodeLimits = dataclasses.field(default_factory=DecodeLimits)


@dataclasses.dataclass(frozen=True, slots=True)
class Finished:
    """A clip that passed all checks and waits under a temporary name.

    Attributes:
        path: the file.
        cut: `reencoded`, or `as_is` where the source had it trimmed.
        sha256: of its bytes, hexadecimal.
        bytes: its size.
        duration: playable seconds of the clip in it.
    """

    path: pathlib.Path
    cut: str
    sha256: str
    bytes: int
    duration: float


def finish_clip(job: Job) -> Finished | Outcome:
    """Makes the finished file of one clip, or says why there is none."""
    try:
        is_whole = _is_whole(job)
        path, decoded = _cut(job) if is_whole else _keep(job)
    except DecodeError as error:
        return outcome_of(error.failure, job.fetched.complete)
    except _RejectedError as error:
        return error.outcome
    sha256, size = file_digest(path)
    return Finished(path, "reencoded" if is_whole else "as_is", sha256, size, round(decoded.duration, 3))


def _is_whole(job: Job) -> bool:
    """Returns whether a file holds the whole video; the same rule as for decoding."""
    if job.fetched.span is not Span.UNKNOWN:
        return job.fetched.span is Span.WHOLE
    with open_media(str(job.fetched.video), job.limits) as media:
        return find_start(media, _request(job, job.fetched.video, Span.UNKNOWN)) is not None


def _cut(job: Job) -> tuple[pathlib.Path, DecodedClip]:
    fetched, clip = job.fetched, job.clip
    # Only an intact video can give a whole clip: a cut of a damaged one would decode without a fault.
    expected = _decode(job, fetched.video, Span.WHOLE)
    target = job.target.with_suffix(".mp4")
    cut_clip(fetched.video, fetched.audio, target, clip.time_start, clip.time_end, job.cut, job.limits)
    decoded = _check(job, target)
    if len(decoded.frames) != len(expected.frames):
        detail = f"the cut has {len(decoded.frames)} frames, the video {len(expected.frames)} in the clip's times"
        raise _RejectedError(Outcome(Reason.UNEXPECTED, detail))
    return target, decoded


def _keep(job: Job) -> tuple[pathlib.Path, DecodedClip]:
    video = job.fetched.video
    decoded = _check(job, video)
    with video.open("rb") as file:  # the suffix tells the truth about the container, whatever the source called it
        target = job.target.with_suffix(container_suffix(file.read(HEAD_BYTES)) or video.suffix)
    if job.may_move:
        os.replace(video, target)
    else:
        shutil.copyfile(video, target)
    return target, decoded


def _check(job: Job, path: pathlib.Path) -> DecodedClip:
    """Decodes a finished clip, as a build will."""
    length = job.clip.time_end - job.clip.time_start
    promised = probe_media(str(path), job.limits).duration
    if promised is not None and promised > length + job.check.tolerance:
        raise _RejectedError(Outcome(Reason.WRONG_LENGTH, f"the file is {promised:.1f} s long, the clip {length:g} s"))
    return _decode(job, path, Span.TRIMMED)


def _decode(job: Job, path: pathlib.Path, span: Span) -> DecodedClip:
    # Every frame is decoded; the frames themselves are thrown away, so they may be tiny.
    settings = DecodeSettings(short_side=16, fps=None, quality=1, min_duration=job.check.min_duration)
    return decode_clip(_request(job, path, span), settings, job.limits)


def _request(job: Job, path: pathlib.Path, span: Span) -> DecodeRequest:
    return DecodeRequest(job.clip.key, str(path), span, job.clip.time_start, job.clip.time_end)


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
