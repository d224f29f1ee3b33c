"""Finds clips that decode and are still of little use: static, black, frozen, letterboxed, tiny, near-duplicates.

Near-duplicates in different splits head the report: a model that is trained on one must not be evaluated on the other.
The flagged clips are written beside the shards, where `kinetics browse` finds them as filters; --ids writes the videos
of some flags into a file for the setting `exclude`. With --runners_file, or any of Beam's options, Beam's workers look.
"""

from __future__ import annotations

import argparse
import json
import pathlib
from typing import TYPE_CHECKING

from kinetics_tfds.cli.arguments import add_json, add_prepared_dataset, add_runner
from kinetics_tfds.cli.output import write_output

if TYPE_CHECKING:
    from apache_beam.options.pipeline_options import PipelineOptions

    from kinetics_tfds.inspection.report import Inspection

SUMMARY = "find static, black, letterboxed, tiny and near-duplicate clips"
TAKES_BEAM_OPTIONS = True
_ID_LENGTH = 11


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds this command's arguments."""
    add_prepared_dataset(parser)
    parser.add_argument("--workers", type=int, help="processes on this machine (default: one per core)")
    parser.add_argument("--examples", type=int, default=5, metavar="N", help="clips of each kind to show (default: 5)")
    parser.add_argument("--ids", metavar="FILE", help="write the ids of flagged videos here, for the setting `exclude`")
    parser.add_argument(
        "--flags", default="static,black", help="of --ids: which flags, separated by commas (default: static,black)"
    )
    add_json(parser)
    add_runner(parser, results=True)


def run(args: argparse.Namespace, options: PipelineOptions | None = None) -> int:
    """Inspects and prints what was found; returns 0."""
    import os

    from kinetics_tfds.inspection.report import inspect_on_this_machine, write_inspection
    from kinetics_tfds.prepared.dataset import find_prepared, open_prepared

    chosen = _flags(args.flags)
    prepared = open_prepared(find_prepared(args.dataset, args.data_dir))
    if options is not None:
        from kinetics_tfds.jobs.inspect import inspect_on_beam

        found = inspect_on_beam(prepared, options, args.results_dir)
    else:
        found = inspect_on_this_machine(prepared, args.workers or len(os.sched_getaffinity(0)))
    path = write_inspection(prepared, found)
    if args.ids:
        ids = sorted({_video(key) for key, flags in found.flags.items() if chosen & set(flags)})
        text = "".join(f"{video}\n" for video in ids)
        write_output(args.ids, lambda file: pathlib.Path(file).write_text(text, encoding="utf-8"))
    print(json.dumps(found.to_json(), indent=1) if args.json else format_inspection(found, str(path), args.examples))
    return 0


def _video(key: str) -> str:
    return key.partition("/")[2][:_ID_LENGTH]


def _flags(text: str) -> set[str]:
    from kinetics_tfds.errors import UsageError
    from kinetics_tfds.inspection.flags import Flag

    words = {word.strip() for word in text.split(",")}
    unknown = sorted(words - set(Flag))
    if unknown:
        raise UsageError(f"There is no flag {unknown[0]!r}.", f"Flags: {', '.join(Flag)}.")
    return words


def format_inspection(found: Inspection, path: str, examples: int) -> str:
    """Returns the report as lines of text."""
    lines = []
    if found.leaks:
        lines.append(f"LEAKAGE: {len(found.leaks):,} pairs of near-duplicates lie in different splits:")
        lines += [f"  {one}  {other}" for one, other in found.leaks[:examples]]
        lines.append("")
    lines.append(f"{found.clips:,} clips inspected, {len(found.flags):,} flagged")
    for flag, count in found.counts().items():
        lines.append(f"{flag.replace('_', ' ')}: {count:,}")
        lines += [f"  {key}" for key in [key for key, flags in found.flags.items() if flag in flags][:examples]]
    lines += ["", f"Written to {path}; `kinetics browse` offers the flags as filters."]
    return "\n".join(lines)
