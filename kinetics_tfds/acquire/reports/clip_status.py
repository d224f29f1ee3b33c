"""Where every annotation row stands: there, gone, in need of access, or pending, and why."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Iterable, Iterator, Sequence

from kinetics_tfds.acquire.ledger.records import Record, clip_key, read_ledger
from kinetics_tfds.acquire.outcome import OutcomeClass, Reason
from kinetics_tfds.acquire.store.clip_store import Store
from kinetics_tfds.annotations.clip import Clip
from kinetics_tfds.annotations.versions import KineticsVersion
from kinetics_tfds.clips.match import match_clips

# Ends that are about one place's files: that a mirror never had a clip, or half of it, says nothing about the video.
_ABOUT_THE_SOURCE = frozenset(
    {Reason.NOT_IN_SOURCE, Reason.GONE, Reason.DAMAGED, Reason.WRONG_LENGTH, Reason.TOO_LARGE}
)
NEVER_TRIED = "never_tried"
LOST = "lost"  # stored once, and not there any more


class ClipStatus(enum.StrEnum):
    """Where a row stands, over all sources that were tried."""

    THERE = "there"
    GONE = "gone"  # the video is, or the clip is not in it
    NEEDS_ACCESS = "needs_access"  # credentials or another region would help
    PENDING = "pending"  # to be tried, first or again


@dataclasses.dataclass(frozen=True, slots=True)
class RowStanding:
    """Where one row stands.

    Attributes:
        clip: the row.
        standing: there, gone, …
        reason: `stored`, a `Reason` of the deciding attempt, `never_tried` or `lost`; empty for a file that was not
            acquired by this project.
        record: the deciding attempt; None where there was none.
        path: of the file in the store.
    """

    clip: Clip
    standing: ClipStatus
    reason: str
    record: Record | None = None
    path: str | None = None


def find_standings(clips: Sequence[Clip], store: Store, version: KineticsVersion) -> Iterator[RowStanding]:
    """Yields where each row stands, in the rows' order, from the store's files and its ledger."""
    found = match_clips(clips, store.listing(), version).found
    last = _last_records(read_ledger(store))
    for clip in clips:
        records = last.get(clip_key(clip), ())
        file = found.get(clip)
        if file is not None:
            stored = next((r for r in records if r.reason is Reason.STORED and r.path == file.path), None)
            yield RowStanding(clip, ClipStatus.THERE, "stored" if stored else "", stored, file.path)
        else:
            yield _without_file(clip, records)


def _without_file(clip: Clip, records: Sequence[Record]) -> RowStanding:
    by_class = {kind: [r for r in records if r.outcome_class is kind] for kind in OutcomeClass}
    for kind in (OutcomeClass.TRANSIENT, OutcomeClass.AMBIGUOUS, OutcomeClass.RUN_LEVEL):
        if by_class[kind]:
            return RowStanding(clip, ClipStatus.PENDING, _latest(by_class[kind]).reason, _latest(by_class[kind]))
    if by_class[OutcomeClass.DONE]:
        return RowStanding(clip, ClipStatus.PENDING, LOST, _latest(by_class[OutcomeClass.DONE]))
    if needs := by_class[OutcomeClass.NEEDS_ACCESS]:
        return RowStanding(clip, ClipStatus.NEEDS_ACCESS, _latest(needs).reason, _latest(needs))
    permanent = by_class[OutcomeClass.PERMANENT]
    if not permanent:
        return RowStanding(clip, ClipStatus.PENDING, NEVER_TRIED)
    telling = [r for r in permanent if r.reason not in _ABOUT_THE_SOURCE]
    if telling:
        return RowStanding(clip, ClipStatus.GONE, _latest(telling).reason, _latest(telling))
    # A file that is damaged says more than one that is not there.
    latest = _latest([r for r in permanent if r.reason is not Reason.NOT_IN_SOURCE] or permanent)
    return RowStanding(clip, ClipStatus.PENDING, latest.reason, latest)


def _latest(records: Sequence[Record]) -> Record:
    return max(records, key=lambda record: record.time)


def _last_records(records: Iterable[Record]) -> dict[str, tuple[Record, ...]]:
    """Returns each row's last record at each source."""
    last: dict[str, tuple[Record, ...]] = {}
    for record in records:
        key = record.key
        before = last.get(key, ())
        old = next((r for r in before if r.source == record.source), None)
        if old is None or record.time >= old.time:
            last[key] = (*(r for r in before if r.source != record.source), record)
    return last
