"""The statistics of a prepared dataset as one PNG picture."""

from __future__ import annotations

import collections
import io
import itertools
from collections.abc import Mapping

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from kinetics_tfds.prepared.stats import RecordStats, SplitStats

_COLOURS = {"written": "#1ea078", "missing": "#cdcdcd", "failed": "#be3232", "excluded": "#f0aa28"}
_BARS = 12


def draw_png(title: str, splits: Mapping[str, SplitStats], records: RecordStats) -> bytes:
    """Returns the picture, a PNG file.

    Args:
        title: names the dataset.
        splits: counts from the manifest, by split.
        records: what records say of themselves.
    """
    figure = Figure(figsize=(14.4, 12.0), layout="constrained")
    figure.suptitle(
        f"{title}: {sum(split.clips for split in splits.values()):,} clips, {records.records:,} of them read"
    )
    grid = figure.add_gridspec(3, 3)
    _draw_classes(figure.add_subplot(grid[0, :]), splits)
    _draw_states(figure.add_subplot(grid[1, 0]), splits)
    _draw_failures(figure.add_subplot(grid[1, 1:]), splits)
    _draw_numbers(figure.add_subplot(grid[2, 0]), "length of the clips", "seconds", records.durations)
    _draw_sources(figure.add_subplot(grid[2, 1]), records)
    _draw_numbers(
        figure.add_subplot(grid[2, 2]), "brightness of the middle frame", "mean of 0 to 255", records.brightness
    )
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=100)
    return file.getvalue()


def _draw_classes(axes: Axes, splits: Mapping[str, SplitStats]) -> None:
    counts: collections.Counter[str] = collections.Counter()
    for split in splits.values():
        counts.update({label: clips for label, clips in split.classes.items() if label is not None})
    ordered = counts.most_common()
    axes.bar(range(len(ordered)), [clips for _, clips in ordered], 1.0, color=_COLOURS["written"])
    axes.set(title="class balance", xlabel="classes, from the largest to the smallest", ylabel="clips")
    for place in {0, len(ordered) - 1} if ordered else ():
        label, clips = ordered[place]
        axes.annotate(f"{label}: {clips:,}", (place, clips), ha="left" if not place else "right", va="bottom")


def _draw_states(axes: Axes, splits: Mapping[str, SplitStats]) -> None:
    below = [0] * len(splits)
    for state, colour in _COLOURS.items():
        rows = [split.states.get(state, 0) for split in splits.values()]
        axes.bar(list(splits), rows, bottom=below, color=colour, label=f"{state} {sum(rows):,}")
        below = [low + count for low, count in zip(below, rows, strict=True)]
    axes.set(title="annotation rows by split", ylabel="rows")
    axes.legend()


def _draw_failures(axes: Axes, splits: Mapping[str, SplitStats]) -> None:
    failures: collections.Counter[str] = collections.Counter()
    for split in splits.values():
        failures.update(split.failures)
    rows = failures.most_common(_BARS)[::-1]
    bars = axes.barh(
        [reason.replace("_", " ") for reason, _ in rows], [clips for _, clips in rows], color=_COLOURS["failed"]
    )
    axes.bar_label(bars, fmt="{:,.0f}", padding=3)
    axes.set(title="clips that failed, by reason" if rows else "no clip failed", xlabel="clips")


def _draw_numbers(axes: Axes, title: str, unit: str, counts: Mapping[int, int]) -> None:
    axes.bar([float(value) for value in counts], list(counts.values()), width=_width(counts), color=_COLOURS["written"])
    axes.set(title=title, xlabel=unit, ylabel="records read")


def _width(counts: Mapping[int, int]) -> float:
    values = sorted(counts)
    gaps = [high - low for low, high in itertools.pairwise(values)]
    return 0.9 * min(gaps, default=1)


def _draw_sources(axes: Axes, records: RecordStats) -> None:
    rows = [(f"{size} px", count) for size, count in records.original_sizes.most_common(_BARS // 2)]
    rows += [(f"{rate} frames/s", count) for rate, count in records.original_fps.most_common(_BARS // 2)]
    axes.barh([name for name, _ in rows[::-1]], [count for _, count in rows[::-1]], color=_COLOURS["excluded"])
    axes.set(title="sizes and frame rates of the sources", xlabel="records read")
