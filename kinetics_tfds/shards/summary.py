"""The counts and the table at the end of a build: how many rows ended how, by split and reason."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Mapping
from typing import Any

from kinetics_tfds import tables
from kinetics_tfds.annotations.clip import Split
from kinetics_tfds.planning.plan import SplitPlan
from kinetics_tfds.printable import printable
from kinetics_tfds.shards.report import ClipState, ShardReport

_SHOWN_FAILURES = 10


@dataclasses.dataclass
class SplitCounts:
    """How many rows of a split ended how.

    Attributes:
        rows: annotation rows.
        planned: clips on disk that were to be tried.
        written: records.
        missing: rows without a file.
        excluded: rows left out by settings.
        failed: clips that failed, by reason.
        shard_lengths: records of each shard, in order.
        file_bytes: size of all its shards.
    """

    rows: int = 0
    planned: int = 0
    written: int = 0
    missing: int = 0
    excluded: int = 0
    failed: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
    shard_lengths: list[int] = dataclasses.field(default_factory=list)
    file_bytes: int = 0

    @property
    def tried(self) -> int:
        """Clips that were written or failed."""
        return self.written + self.failed.total()


@dataclasses.dataclass
class BuildSummary:
    """How a build ended, or how far it has come.

    Attributes:
        splits: counts by split.
        examples: a few failures, each `path: reason: detail`.
    """

    splits: dict[Split, SplitCounts]
    examples: list[str] = dataclasses.field(default_factory=list)

    @property
    def planned(self) -> int:
        """Clips on disk that were to be tried, in all splits."""
        return sum(counts.planned for counts in self.splits.values())

    @property
    def tried(self) -> int:
        """Clips that were written or failed, in all splits."""
        return sum(counts.tried for counts in self.splits.values())

    @property
    def failed(self) -> int:
        """Clips that failed, in all splits."""
        return sum(counts.failed.total() for counts in self.splits.values())


def summarise(plans: Mapping[Split, SplitPlan], reports: Mapping[str, ShardReport]) -> BuildSummary:
    """Counts how every row ended.

    Args:
        plans: of every split that has rows.
        reports: of the finished shards, by name.
    """
    summary = BuildSummary({})
    for split, plan in plans.items():
        counts = SplitCounts(
            rows=len(plan.clips) + len(plan.missing) + len(plan.excluded),
            planned=len(plan.clips),
            missing=len(plan.missing),
            excluded=len(plan.excluded),
        )
        for shard in plan.shards():
            report = reports.get(shard.name)
            if report is None:
                continue
            counts.written += report.written
            counts.failed += report.failures
            counts.shard_lengths.append(report.written)
            counts.file_bytes += report.file_bytes
            if len(summary.examples) < _SHOWN_FAILURES and report.failures:
                for planned, clip_report in zip(shard.clips, report.read_clips(), strict=True):
                    if clip_report.state is ClipState.FAILED and len(summary.examples) < _SHOWN_FAILURES:
                        example = f"{planned.media.path}: {clip_report.reason}: {clip_report.detail}"
                        summary.examples.append(printable(example))
        summary.splits[split] = counts
    return summary


def format_table(summary: BuildSummary) -> str:
    """Returns the table as lines of text, ready to print."""
    head = ("split", "rows", "found", "written", "failed", "missing", "excluded")
    body: list[tuple[Any, ...]] = [
        (str(split), each.rows, each.planned, each.written, each.failed.total(), each.missing, each.excluded)
        for split, each in summary.splits.items()
    ]
    if len(body) > 1:
        body.append(("all", *(sum(column) for column in zip(*(row[1:] for row in body), strict=True))))
    lines = [tables.format_table(head, body)]
    lines += [
        f"{split}: no clip found, left out of the dataset" for split, each in summary.splits.items() if not each.planned
    ]
    lines += [
        f"{split} failed: " + ", ".join(f"{reason} {clips:,}" for reason, clips in each.failed.most_common())
        for split, each in summary.splits.items()
        if each.failed
    ]
    if summary.examples:
        lines.append("the first failures:" if summary.failed > len(summary.examples) else "failures:")
        lines += [f"  {example}" for example in summary.examples]
    return "\n".join(lines)
