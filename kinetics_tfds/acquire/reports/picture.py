"""Coverage as one PNG picture: every class as a column, the reasons, and how links rot."""

from __future__ import annotations

import collections
import io

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from kinetics_tfds.acquire.reports.clip_status import ClipStatus
from kinetics_tfds.acquire.reports.coverage import Coverage, Tally

# Told apart by lightness too.
_COLOURS = {
    ClipStatus.THERE: "#1ea078",
    ClipStatus.NEEDS_ACCESS: "#f0aa28",
    ClipStatus.GONE: "#be3232",
    ClipStatus.FAILED: "#7a4a8c",
    ClipStatus.PENDING: "#cdcdcd",
}
_REASONS = 12
_MONTHS = 36


def draw_png(coverage: Coverage) -> bytes:
    """Returns the picture, a PNG file."""
    figure = Figure(figsize=(12.8, 9.6), layout="constrained")
    grid = figure.add_gridspec(2, 2)
    total = sum(coverage.splits.values(), collections.Counter())
    share = total[ClipStatus.THERE] / max(total.total(), 1)
    figure.suptitle(f"{coverage.version}: {total[ClipStatus.THERE]:,} of {total.total():,} clips ({share:.1%})")
    _draw_classes(figure.add_subplot(grid[0, :]), coverage, total)
    _draw_reasons(figure.add_subplot(grid[1, 0]), coverage)
    _draw_months(figure.add_subplot(grid[1, 1]), coverage)
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=100)
    return file.getvalue()


def _draw_classes(axes: Axes, coverage: Coverage, total: Tally) -> None:
    tallies: dict[str, Tally] = collections.defaultdict(collections.Counter)
    for (_, label), tally in coverage.classes.items():
        tallies[label] += tally
    ordered = sorted(tallies.values(), key=lambda tally: tally[ClipStatus.THERE] / tally.total())
    below = [0.0] * len(ordered)
    for status, colour in _COLOURS.items():
        shares = [tally[status] / tally.total() for tally in ordered]
        label = f"{status.replace('_', ' ')} {total[status]:,}"
        axes.bar(range(len(ordered)), shares, 1.0, bottom=below, color=colour, label=label)
        below = [low + share for low, share in zip(below, shares, strict=True)]
    axes.set(xlabel="classes, from the least to the best covered", ylabel="share of the class's rows")
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes.legend(loc="upper left", ncols=len(_COLOURS))


def _draw_reasons(axes: Axes, coverage: Coverage) -> None:
    rows = coverage.reasons.most_common(_REASONS)[::-1]
    names = [f"{reason.replace('_', ' ')} ({status.replace('_', ' ')})" for (status, reason), _ in rows]
    bars = axes.barh(names, [count for _, count in rows], color=[_COLOURS[status] for (status, _), _ in rows])
    axes.bar_label(bars, fmt="{:,.0f}", padding=3)
    axes.set(title="rows without a clip, by reason", xlabel="rows")


def _draw_months(axes: Axes, coverage: Coverage) -> None:
    months = sorted(coverage.months.items())[-_MONTHS:]
    shares = [tally[ClipStatus.GONE] / tally.total() for _, tally in months]
    axes.bar([month for month, _ in months], shares, color=_COLOURS[ClipStatus.GONE])
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes.tick_params(axis="x", rotation=60)
    axes.set(title="link rot: of the rows settled in a month, those gone", ylabel="share of the month's rows")
