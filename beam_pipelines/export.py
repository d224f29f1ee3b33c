"""Exports a split for readers that do not use TFDS: SequenceExamples, WebDataset tars or a Hugging Face folder.

    python -m beam_pipelines.export --dataset=kinetics600/jpeg256 --data_dir=DATA --split=train
        --format=sequence_examples --output_dir=OUT --num_shards=1024

writes OUT/kinetics600_train-00000-of-01024 and so on. The same command, given again after a stop, writes what is
missing. Options that this command does not know are Beam's and override the file's.
"""

from __future__ import annotations

import argparse
import functools
import sys
from collections.abc import Sequence
from typing import Any

from apache_beam.options.pipeline_options import PipelineOptions

from beam_pipelines.command import run_command
from beam_pipelines.over_shards import make_shards_parser, open_dataset, run_over_shards
from kinetics_tfds.exports.export import FORMATS, Export, export_shard, finish_export, prepare_export
from kinetics_tfds.prepared.dataset import Prepared


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit code."""
    parser = make_shards_parser("export", __doc__)
    parser.add_argument("--format", required=True, choices=list(FORMATS), help="what to write")
    parser.add_argument("--split", required=True, help="the split to export")
    parser.add_argument("--output_dir", required=True, help="where the shards go; made when missing")
    parser.add_argument("--name", help="what shard names begin with (default: DATASET_SPLIT)")
    parser.add_argument("--num_shards", type=int, help="output shards (default: as many as the dataset has)")
    parser.add_argument("--no_audio", action="store_true", help="leave the audio out")
    return run_command("export", parser, _run, argv)


def _run(args: argparse.Namespace, options: PipelineOptions) -> int:
    prepared = open_dataset(args)
    export = _make_export(args, prepared)
    missing = [(export.split, number) for number in prepare_export(export)]
    work = functools.partial(write_shard, export=export)
    lines = run_over_shards(prepared, work, options, args.results_dir, missing) if missing else []
    finish_export(prepared, export)
    clips = sum(line["clips"] for line in lines)
    present = export.num_shards - len(missing)
    print(f"{export.target}: {clips:,} clips in {len(missing)} shards written, {present} shards were there already")
    return 0


def write_shard(prepared: Prepared, split: str, number: int, *, export: Export) -> dict[str, Any]:
    """Writes one output shard, in a worker."""
    return {"clips": export_shard(prepared, export, number)}


def _make_export(args: argparse.Namespace, prepared: Prepared) -> Export:
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


if __name__ == "__main__":
    sys.exit(main())
