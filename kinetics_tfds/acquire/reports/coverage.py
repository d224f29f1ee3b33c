"""Counts of rows by split, class, status and reason: as a table, JSON and Parquet."""

from __future__ import annotations

import collections
import dataclasses
import datetime
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from kinetics_tfds.acquire.ledger.attempt import to_table
from kinetics_tfds.acquire.reports.clip_status import ClipStatus, RowStatus
from kinetics_tfds.annotations.versions import KineticsVersion

if TYPE_CHECKING:
    import pyarrow

UNLABELLED = "(no label)"
Tally = collections.Counter[ClipStatus]


@dataclasses.dataclass
class Coverage:
    """How much of a version a store has.

    Attributes:
        version: the annotation version's name.
        rows: the digest of the annotation rows.
        splits: split to rows by status.
        classes: (split, class) to rows by status.
        reasons: rows that are not there, by (status, reason).
        sources: rows that are there, by the source they came from; empty for files of unknown origin.
        bytes: size of the clips that the ledger knows.
        months: month (`2026-03`) to rows that were found there or gone in it: how links rot.
    """

    version: str
    rows: str
    splits: dict[str, Tally] = dataclasses.field(default_factory=lambda: collections.defaultdict(collections.Counter))
    classes: dict[tuple[str, str], Tally] = dataclasses.field(
        default_factory=lambda: collections.defaultdict(collections.Counter)
    )
    reasons: collections.Counter[tuple[ClipStatus, str]] = dataclasses.field(default_factory=collections.Counter)
    sources: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
    bytes: int = 0
    months: dict[str, Tally] = dataclasses.field(default_factory=lambda: collections.defaultdict(collections.Counter))

    def add(self, row: RowStatus) -> None:
        """Counts a row."""
        split, attempt = str(row.clip.split), row.attempt
        self.splits[split][row.status] += 1
        self.classes[split, row.clip.label or UNLABELLED][row.status] += 1
        if row.status is ClipStatus.THERE:
            self.sources[attempt.source if attempt else ""] += 1
            self.bytes += (attempt.bytes or 0) if attempt else 0
        else:
            self.reasons[row.status, row.reason] += 1
        if attempt is not None and row.status in (ClipStatus.THERE, ClipStatus.GONE):
            month = datetime.datetime.fromtimestamp(attempt.time, datetime.UTC).strftime("%Y-%m")
            self.months[month][row.status] += 1

    def as_json(self) -> dict[str, Any]:
        """Returns the counts as plain values."""
        classes: dict[str, dict[str, dict[str, int]]] = {split: {} for split in self.splits}
        for (split, label), tally in sorted(self.classes.items()):
            classes[split][label] = _plain(tally)
        return {
            "version": self.version,
            "annotations_sha256": self.rows,
            "splits": {split: _plain(tally) for split, tally in self.splits.items()},
            "classes": classes,
            "reasons": [
                {"status": status, "reason": reason, "rows": rows}
                for (status, reason), rows in self.reasons.most_common()
            ],
            "sources": dict(self.sources.most_common()),
            "bytes": self.bytes,
            "months": {month: _plain(tally) for month, tally in sorted(self.months.items())},
        }


def count_rows(version: KineticsVersion, digest: str, rows: Iterable[RowStatus]) -> Coverage:
    """Counts rows."""
    coverage = Coverage(version.name, digest)
    for row in rows:
        coverage.add(row)
    return coverage


def format_table(coverage: Coverage, worst: int = 10) -> str:
    """Returns the counts as text for people, with so many of the least covered classes."""
    lines = [f"{'':14}{'rows':>10}{'there':>10}{'':>7}{'gone':>10}{'access':>10}{'failed':>10}{'pending':>10}"]
    lines += [_line(split, tally) for split, tally in coverage.splits.items()]
    if len(coverage.splits) > 1:
        lines.append(_line("all", sum(coverage.splits.values(), collections.Counter())))
    if coverage.reasons:
        lines += ["", "rows without a clip, by reason:"]
        lines += [f"  {rows:>9,}  {status:13} {reason}" for (status, reason), rows in coverage.reasons.most_common()]
    if coverage.sources:
        lines += ["", "clips by source:"]
        lines += [f"  {rows:>9,}  {source or 'unknown'}" for source, rows in coverage.sources.most_common()]
    shares = sorted(
        (tally[ClipStatus.THERE] / tally.total(), *key, tally[ClipStatus.THERE], tally.total())
        for key, tally in coverage.classes.items()
        if tally[ClipStatus.THERE] < tally.total()
    )[:worst]
    if shares:
        lines += ["", "least covered classes:"]
        lines += [
            f"  {share:>6.1%}  {there:>6,} of {total:>6,}  {split}: {label}"
            for share, split, label, there, total in shares
        ]
    return "\n".join(lines)


def _line(name: str, tally: Tally) -> str:
    total, there = tally.total(), tally[ClipStatus.THERE]
    rest = (ClipStatus.GONE, ClipStatus.NEEDS_ACCESS, ClipStatus.FAILED, ClipStatus.PENDING)
    return f"{name:14}{total:>10,}{there:>10,}{there / total:>7.1%}" + "".join(f"{tally[s]:>10,}" for s in rest)


def _plain(tally: Tally) -> dict[str, int]:
    return {str(status): tally[status] for status in ClipStatus}


def statuses_table(rows: Sequence[RowStatus]) -> pyarrow.Table:
    """Returns one row for each annotation row, with the attempt that decides."""
    own = {
        "status": [str(row.status) for row in rows],
        "reason": [str(row.reason) for row in rows],
        "path": [row.path for row in rows],
    }
    return to_table((row.clip for row in rows), (row.attempt for row in rows), own)
