"""What a prepared dataset holds: clips, frames, hours and bytes by split and class, sizes and rates of its records.

Counts come from the manifest. Sizes and rates come from the records: from a few of each shard, or all with --all. With
--runners_file, or any of Beam's options, Beam's workers read all of them.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import pathlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from kinetics_tfds.cli.arguments import add_json, add_prepared_dataset, add_runner
from kinetics_tfds.cli.output import write_output
from kinetics_tfds.tables import format_table

if TYPE_CHECKING:
    from apache_beam.options.pipeline_options import PipelineOptions

    from kinetics_tfds.prepared.stats import RecordStats, SplitStats

SUMMARY = "say what a prepared dataset holds"
TAKES_BEAM_OPTIONS = True
_SHOWN = 5
_OTHER_STATES = ("missing", "failed", "excluded")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds this command's arguments."""
    add_prepared_dataset(parser)
    parser.add_argument(
        "--records_per_shard", type=int, default=4, metavar="N", help="read N of each shard (default 4)"
    )
    parser.add_argument("--all", action="store_true", help="read every record")
    parser.add_argument("--png", metavar="FILE", help="write a picture: classes, sizes, rates, lengths, what failed")
    parser.add_argument("--classes", action="store_true", help="list every class with its clips")
    add_json(parser)
    add_runner(parser, results=True)


def run(args: argparse.Namespace, options: PipelineOptions | None = None) -> int:
    """Prints the statistics; returns 0."""
    from kinetics_tfds.errors import VerifyError
    from kinetics_tfds.prepared.dataset import find_prepared, open_prepared
    from kinetics_tfds.prepared.stats import read_record_stats, read_split_stats

    prepared = open_prepared(find_prepared(args.dataset, args.data_dir))
    splits = read_split_stats(prepared)
    try:
        if options is not None:
            from kinetics_tfds.jobs.stats import read_record_stats_on_beam

            records = read_record_stats_on_beam(prepared, options, args.results_dir)
        else:
            records = read_record_stats(prepared.shards(), None if args.all else args.records_per_shard)
    except OSError as error:
        raise VerifyError(
            f"A shard cannot be read: {error}.", "`kinetics verify` lists everything that is wrong."
        ) from error
    if args.png:
        from kinetics_tfds.prepared.stats_picture import draw_png

        picture = draw_png(args.dataset, splits, records)
        write_output(args.png, lambda path: pathlib.Path(path).write_bytes(picture))
    if args.json:
        print(json.dumps(to_json(splits, records)))
    else:
        print(format_stats(splits, records, every_class=args.classes))
    return 0


def format_stats(splits: Mapping[str, SplitStats], records: RecordStats, *, every_class: bool = False) -> str:
    """Returns the tables as lines of text."""
    from kinetics_tfds.prepared.stats import describe_classes

    seconds_per_frame = records.seconds / records.frames if records.frames else 0.0
    table = [
        (
            name,
            split.clips,
            split.frames,
            f"{split.frames * seconds_per_frame / 3600:,.2f}",
            f"{split.bytes / 1e9:,.3f}",
            *(split.states.get(state, 0) for state in _OTHER_STATES),
        )
        for name, split in splits.items()
    ]
    lines = [format_table(("split", "clips", "frames", "hours", "GB", *_OTHER_STATES), table), ""]
    lines += [f"{name}: {describe_classes(split.classes)}" for name, split in splits.items() if split.clips]
    if every_class:
        names = sorted({label for split in splits.values() for label in split.classes if label is not None})
        rows = ((name, *(split.classes.get(name, 0) for split in splits.values())) for name in names)
        lines += ["", format_table(("class", *splits), rows)]
    return "\n".join([*lines, "", *_record_lines(records)])


def _record_lines(records: RecordStats) -> list[str]:
    if not records.records:
        return ["no record could be read"]
    counters = {
        "stored sizes": records.sizes,
        "stored frames a second": records.fps,
        "sizes of the sources": records.original_sizes,
        "their frames a second": records.original_fps,
    }
    kilobytes = records.frame_bytes / max(records.frames, 1) / 1e3
    means = f"{records.frames / records.records:.0f} frames, {records.seconds / records.records:.1f} s"
    lines = [f"of {records.records:,} records read: {means} and {kilobytes:.1f} KB a frame"]
    for title, counter in counters.items():
        shown = ", ".join(f"{value} {count / records.records:.0%}" for value, count in counter.most_common(_SHOWN))
        more = f", and {len(counter) - _SHOWN} others" if len(counter) > _SHOWN else ""
        lines.append(f"{title}: {shown}{more}")
    lines.append(f"red, green, blue, 0 to 1: mean {records.channel_mean}, standard deviation {records.channel_std}")
    return lines


def to_json(splits: Mapping[str, SplitStats], records: RecordStats) -> dict[str, Any]:
    """Returns plain JSON values: an unlabelled clip's class, None, becomes an empty name."""
    plain = {
        name: {**dataclasses.asdict(split), "classes": {label or "": count for label, count in split.classes.items()}}
        for name, split in splits.items()
    }
    return {"splits": plain, "records": records.to_json()}
