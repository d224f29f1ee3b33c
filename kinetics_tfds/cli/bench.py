"""How fast a prepared dataset loads on this machine: the whole pipeline, each stage alone, and what to try.

The order of stages is that of a clip's way: read, parse (and choose frames), decode (crop and resize), augment, batch.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
from typing import TYPE_CHECKING

from kinetics_tfds.cli.arguments import add_json, add_prepared_dataset
from kinetics_tfds.tables import format_table

if TYPE_CHECKING:
    from kinetics_tfds.loader.measuring import Measured

SUMMARY = "measure how fast a prepared dataset loads, and what bounds it"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds this command's arguments."""
    add_prepared_dataset(parser)
    parser.add_argument("--split", default="train", help="default: train")
    parser.add_argument("--preset", default="slowfast_8x8", help="a preset's name or YAML file (default: slowfast_8x8)")
    parser.add_argument("--batch_size", type=int, default=8, help="default: 8")
    parser.add_argument("--threads", type=int, help="default: one a core")
    parser.add_argument("--seconds", type=float, default=5.0, help="for each measurement (default: 5)")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Prints the rates; returns 0."""
    import tensorflow_datasets as tfds

    from kinetics_tfds.loader.config import PipelineConfig
    from kinetics_tfds.loader.inputs import open_inputs
    from kinetics_tfds.loader.measuring import measure
    from kinetics_tfds.prepared.dataset import find_prepared

    builder = tfds.builder_from_directory(os.fspath(find_prepared(args.dataset, args.data_dir)))
    config = PipelineConfig(preset=args.preset, batch_size=args.batch_size, parallelism=args.threads)
    measured = measure(open_inputs(builder, args.split, config), args.seconds)
    print(json.dumps(dataclasses.asdict(measured)) if args.json else format_rates(measured))
    return 0


def format_rates(measured: Measured) -> str:
    """Returns the table as lines of text."""
    times = {name: 1 / rate for name, rate in measured.stages.items()}
    total = sum(times.values())
    rows = [
        (name, f"{rate:.1f}", f"{1000 * times[name]:.2f}", f"{times[name] / total:.0%}")
        for name, rate in measured.stages.items()
    ]
    rows.append(("all together", f"{measured.videos:.1f}", f"{1000 / measured.videos:.2f}", ""))
    lines = [
        format_table(("stage alone", "videos/s", "ms per video", "share"), rows),
        "",
        f"{measured.clips:.1f} clips/s; reads {measured.megabytes:.1f} MB/s, "
        f"{measured.bytes_per_pixel:.2f} bytes for each byte of pixels",
        f"bound by: {measured.bound}",
        f"try: {measured.knob}",
    ]
    return "\n".join(lines)
