"""Counts of where rows stand, by split, class and reason: as a table, JSON and Parquet."""

from __future__ import annotations

import collections
import dataclasses
import datetime
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from kinetics_tfds.acquire.reports.clip_status import ClipStatus, RowStanding
from kinetics_tfds.annotations.versions import KineticsVersion

if TYPE_CHECKING:
    import pyarrow

UNLABELLED = "(no label)"
Tally = collections.Counter[ClipStatus]


@dataclasses.dataclass(frozen=True)
class Coverage:
    """How much of a version a store has.

    Attributes:
        version: the annotation version's name.
        rows: the digest of the annotation rows.
        splits: split to rows by standing.
        classes: split to class to rows by standing.
        reasons: rows that are not there, by (standing, reason).
        sources: rows that are there, by the source they came from; empty for files of unknown origin.
        bytes: size of the clips that the ledger knows.
        months: month (`2026-03`) to rows that were found there or gone in it: how links rot.
    """

    version: str
    rows: str
    splits: dict[str, Tally]
    classes: dict[str, dict[str, Tally]]
    reasons: collections.Counter[tuple[ClipStatus, str]]
    sources: collections.Counter[str]
    bytes: int
    months: dict[str, Tally]

    def as_json(self) -> dict[str, Any]:
        """Returns the counts as plain values."""
        return {
            "version": self.version,
            "annotations_sha256": self.rows,
            "splits": {split: _plain(tally) for split, tally in self.splits.items()},
            "classes": {
                split: {label: _plain(tally) for label, tally in classes.items()}
                for split, classes in self.classes.items()
            },
            "reasons": [
                {"standing": standing, "reason": reason, "rows": rows}
                for (standing, reason), rows in self.reasons.most_common()
            ],
            "sources": dict(self.sources.most_common()),
            "bytes": self.bytes,
            "months": {month: _plain(tally) for month, tally in self.months.items()},
        }


def count(version: KineticsVersion, digest: str, standings: Iterable[RowStanding]) -> Coverage:
    """Counts standings; memory does not grow with the rows."""
    splits: dict[str, Tally] = {}
    classes: dict[str, dict[str, Tally]] = {}
    months: dict[str, Tally] = {}
    reasons: collections.Counter[tuple[ClipStatus, str]] = collections.Counter()
    sources: collections.Counter[str] = collections.Counter()
    size = 0
    for row in standings:
        split, label = str(row.clip.split), row.clip.label or UNLABELLED
        splits.setdefault(split, collections.Counter())[row.standing] += 1
        classes.setdefault(split, {}).setdefault(label, collections.Counter())[row.standing] += 1
        record = row.record
        if row.standing is ClipStatus.THERE:
            sources[record.source if record else ""] += 1
            size += (record.bytes or 0) if record else 0
        else:
            reasons[row.standing, row.reason] += 1
        if record is not None and row.standing in (ClipStatus.THERE, ClipStatus.GONE):
            month = datetime.datetime.fromtimestamp(record.time, datetime.UTC).strftime("%Y-%m")
            months.setdefault(month, collections.Counter())[row.standing] += 1
    by_label = {split: dict(sorted(found.items())) for split, found in classes.items()}
    return Coverage(version.name, digest, splits, by_label, reasons, sources, size, dict(sorted(months.items())))


def format_table(coverage: Coverage, worst: int = 10) -> str:
    """Returns the counts as text for people.

    Args:
        coverage: the counts.
        worst: how many of the least covered classes to list.
    """
    lines = [f"{'':14}{'rows':>10}{'there':>10}{'':>7}{'gone':>10}{'access':>10}{'pending':>10}"]
    total: Tally = collections.Counter()
    for split, tally in coverage.splits.items():
        lines.append(_line(split, tally))
        total += tally
    if len(coverage.splits) > 1:
        lines.append(_line("all", total))
    if coverage.reasons:
        lines += ["", "rows without a clip, by reason:"]
        lines += [
            f"  {rows:>9,}  {standing:13} {reason}" for (standing, reason), rows in coverage.reasons.most_common()
        ]
    if coverage.sources:
        lines += ["", "clips by source:"]
        lines += [f"  {rows:>9,}  {source or 'unknown'}" for source, rows in coverage.sources.most_common()]
    lines += _worst(coverage, worst)
    return "\n".join(lines)


def _worst(coverage: Coverage, most: int) -> list[str]:
    rows = [
        (tally[ClipStatus.THERE] / tally.total(), split, label, tally)
        for split, classes in coverage.classes.items()
        for label, tally in classes.items()
        if tally[ClipStatus.THERE] < tally.total()
    ]
    rows.sort(key=lambda row: row[:3])
    if not rows or not most:
        return []
    lines = ["", "least covered classes:"]
    for share, split, label, tally in rows[:most]:
        lines.append(f"  {share:>6.1%}  {tally[ClipStatus.THERE]:>6,} of {tally.total():>6,}  {split}: {label}")
    return lines


def _line(name: str, tally: Tally) -> str:
    total = tally.total()
    return (
        f"{name:14}{total:>10,}{tally[ClipStatus.THERE]:>10,}{tally[ClipStatus.THERE] / total:>7.1%}"
        f"{tally[ClipStatus.GONE]:>10,}{tally[ClipStatus.NEEDS_ACCESS]:>10,}{tally[ClipStatus.PENDING]:>10,}"
    )


def _plain(tally: Tally) -> dict[str, int]:
    return {str(standing): tally[standing] for standing in ClipStatus}


def to_table(standings: Sequence[RowStanding]) -> pyarrow.Table:
    """Returns one row for each annotation row, with the deciding attempt."""
    import pyarrow as pa

    def column(name: str) -> list[Any]:
        return [getattr(row.record, name) if row.record is not None else None for row in standings]

    times = [None if time is None else round(time * 1e6) for time in column("time")]
    return pa.table(
        {
            "split": pa.array([str(row.clip.split) for row in standings], pa.string()),
            "youtube_id": [row.clip.youtube_id for row in standings],
            "time_start": pa.array([row.clip.time_start for row in standings], pa.float64()),
            "time_end": pa.array([row.clip.time_end for row in standings], pa.float64()),
            "label": pa.array([row.clip.label for row in standings], pa.string()),
            "standing": [str(row.standing) for row in standings],
            "reason": [str(row.reason) for row in standings],
            "path": pa.array([row.path for row in standings], pa.string()),
            "source": pa.array(column("source"), pa.string()),
            "message": pa.array(column("message"), pa.string()),
            "time": pa.array(times, pa.timestamp("us", "UTC")),
            "attempt": pa.array(column("attempt"), pa.int32()),
            "origin": pa.array(column("origin"), pa.string()),
            "sha256": pa.array(column("sha256"), pa.string()),
            "bytes": pa.array(column("bytes"), pa.int64()),
        }
    )
