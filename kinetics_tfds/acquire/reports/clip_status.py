"""What has become of every annotation row: there, gone, in need of access, failed or pending, and why."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Iterable, Iterator, Mapping, Sequence

from kinetics_tfds.acquire.ledger.attempt import Attempt
from kinetics_tfds.acquire.ledger.attempts_by_clip import last_attempt
from kinetics_tfds.acquire.ledger.ledger import read_ledger
from kinetics_tfds.acquire.outcome import OutcomeClass, Reason
from kinetics_tfds.acquire.run.schedule import NEVER, load_settings, next_try
from kinetics_tfds.acquire.siblings import find_siblings
from kinetics_tfds.acquire.store.clip_store import ClipStore
from kinetics_tfds.acquire.store.intact import intact_clips
from kinetics_tfds.annotations.clip import Clip
from kinetics_tfds.annotations.versions import KineticsVersion

NEVER_TRIED = "never_tried"
LOST = "lost"  # stored once, and not there any more


class ClipStatus(enum.StrEnum):
    """What has become of a row, over all sources that were tried."""

    THERE = "there"
    GONE = "gone"  # the video is, or the clip is not in it
    NEEDS_ACCESS = "needs_access"  # credentials or another region would help
    FAILED = "failed"  # every source was tried to its limit, and none gave it or could say that the video is gone
    PENDING = "pending"  # to be tried, first or again


@dataclasses.dataclass(frozen=True, slots=True)
class RowStatus:
    """What has become of one row.

    Attributes:
        clip: the row.
        status: there, gone, …
        reason: `stored`, the `Reason` that says most of those of all sources, `never_tried` or `lost`; empty for a file
            that was not acquired by this project.
        attempt: the attempt with that reason; None where there was none.
        path: of the file in the store.
    """

    clip: Clip
    status: ClipStatus
    reason: str
    attempt: Attempt | None = None
    path: str | None = None


# Permanent ends that are about one place's files: that a mirror never had a clip, or half of it, says nothing about
# the video.
_ABOUT_THE_SOURCE = frozenset(
    {Reason.NOT_IN_SOURCE, Reason.GONE, Reason.DAMAGED, Reason.WRONG_LENGTH, Reason.TOO_LARGE}
)


def find_statuses(
    clips: Sequence[Clip], store: ClipStore, version: KineticsVersion, check: bool = False
) -> Iterator[RowStatus]:
    """Yields the status of each row of a version, in their order; `check` decodes every file, see `intact_clips`."""
    found = intact_clips(clips, store, version, find_siblings(clips), check)
    attempts = _attempts_by_source(read_ledger(store))
    sources, rules = load_settings(store)
    for clip in clips:
        by_source = attempts.get(clip.key, {})
        file = found.get(clip)
        if file is not None:
            stored = next((each for each in by_source.values() if each.path == file.path), None)
            yield RowStatus(clip, ClipStatus.THERE, "stored" if stored else "", stored, file.path)
            continue
        last = {source: last_attempt(attempt) for source, attempt in by_source.items()}
        pending = [s for s in {**dict.fromkeys(sources), **last} if next_try(clip.key, last.get(s), rules) < NEVER]
        yield _without_file(clip, by_source, pending)


def _without_file(clip: Clip, attempts: Mapping[str, Attempt], pending: Sequence[str]) -> RowStatus:
    """Returns the status of a row that lacks a file; `pending` names the sources that will be tried."""
    # What will be tried again says most about a pending row.
    again = [attempts[source] for source in pending if source in attempts]
    telling = max(again or attempts.values(), key=lambda each: (_informs(each.reason), each.time), default=None)
    if telling is None:
        return RowStatus(clip, ClipStatus.PENDING, NEVER_TRIED)
    if pending:
        reason = LOST if telling.reason is Reason.STORED else telling.reason
        return RowStatus(clip, ClipStatus.PENDING, reason, telling)
    informs = _informs(telling.reason)
    status = {5: ClipStatus.GONE, 4: ClipStatus.NEEDS_ACCESS}.get(informs, ClipStatus.FAILED)
    return RowStatus(clip, status, telling.reason, telling)


def _informs(reason: Reason) -> int:
    """Returns how much a reason says about the video itself: more than other sources' reasons, or less."""
    if reason in (Reason.NOT_IN_SOURCE, Reason.GONE):
        return 0 if reason is Reason.NOT_IN_SOURCE else 1
    if reason in _ABOUT_THE_SOURCE:
        return 2  # less than a site that still knows the video
    if reason.outcome_class is OutcomeClass.PERMANENT or reason is Reason.UNAVAILABLE:
        return 5
    return 4 if reason.outcome_class is OutcomeClass.NEEDS_ACCESS else 3


def _attempts_by_source(attempts: Iterable[Attempt]) -> dict[str, dict[str, Attempt]]:
    """Returns each row's last attempt at each source, by `Clip.key` and the source's name."""
    found: dict[str, dict[str, Attempt]] = {}
    for attempt in attempts:
        by_source = found.setdefault(attempt.clip.key, {})
        before = by_source.get(attempt.source)
        if before is None or attempt.time >= before.time:
            by_source[attempt.source] = attempt
    return found
