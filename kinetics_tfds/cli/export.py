"""Exports a split for readers that do not use TFDS: SequenceExamples, WebDataset tars or a Hugging Face folder.

    kinetics export kinetics600/jpeg256 --data_dir=DATA --split=train
        --format=sequence_examples --output_dir=OUT --num_shards=1024

writes OUT/kinetics600_train-00000-of-01024 and so on. The same command, given again after a stop, writes what is
missing. Options that this command does not know are Beam's; they override the file's.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from kinetics_tfds.cli.arguments import add_prepared_dataset, add_runner

if TYPE_CHECKING:
    from apache_beam.options.pipeline_options import PipelineOptions

    from kinetics_tfds.exports.export import Export
    from kinetics_tfds.prepared.dataset import Prepared

SUMMARY = "write a split for readers that do not use TFDS"
TAKES_BEAM_OPTIONS = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds this command's arguments."""
    from kinetics_tfds.exports.export import FORMATS

    add_prepared_dataset(parser)
    parser.add_argument("--format", required=True, choices=list(FORMATS), help="what to write")
    parser.add_argument("--split", required=True, help="the split to export")
    parser.add_argument("--output_dir", required=True, help="where the shards go; made when missing")
    parser.add_argument("--name", help="what shard names begin with (default: DATASET_SPLIT)")
    parser.add_argument("--num_shards", type=int, help="output shards (default: as many as the dataset has)")
    parser.add_argument("--no_audio", action="store_true", help="leave the audio out")
    add_runner(parser, results=True)


def run(args: argparse.Namespace, options: PipelineOptions | None = None) -> int:
    """Writes what is missing; returns 0."""
    from kinetics_tfds.jobs.beam_options import beam_options
    from kinetics_tfds.jobs.export import export_on_beam
    from kinetics_tfds.prepared.dataset import find_prepared, open_prepared

    prepared = open_prepared(find_prepared(args.dataset, args.data_dir))
    export = _make_export(args, prepared)
    clips, shards = export_on_beam(prepared, export, options or beam_options(), args.results_dir)
    existed = export.num_shards - shards
    print(f"{export.target}: {clips:,} clips in {shards} shards written, {existed} shards were there already")
    return 0


def _make_export(args: argparse.Namespace, prepared: Prepared) -> Export:
    from kinetics_tfds.exports.export import Export

    shards = prepared.identity.splits.get(args.split, {}).get("shards", 1)
    return Export(
        source=str(prepared.folder),
        target=args.output_dir,
        format=args.format,
        split=args.split,
        name=args.name or f"{prepared.identity.dataset}_{args.split}",
        num_shards=shards if args.num_shards is None else args.num_shards,
        audio=not args.no_audio,
    )
