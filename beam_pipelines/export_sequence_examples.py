"""Exports a split as SequenceExamples, which DMVR, Scenic, MediaSequence and the Model Garden read.

    python -m beam_pipelines.export_sequence_examples --dataset=kinetics600/jpeg256 --data_dir=DATA --split=train
        --output_dir=OUT --num_shards=1024

writes OUT/kinetics600_train-00000-of-01024 and so on. The same command, given again after a stop, writes what is
missing. Options that this command does not know are Beam's and override the file's.
"""

from __future__ import annotations

import argparse
import functools
import sys
from collections.abc import Sequence
from typing import Any

from beam_pipelines.options import beam_options
from beam_pipelines.over_shards import add_arguments, run_over_shards
from kinetics_tfds.errors import KineticsError
from kinetics_tfds.prepared.dataset import Prepared, find_prepared, open_prepared
from kinetics_tfds.prepared.sequence_examples import Export, export_shard, prepare_export


def make_parser() -> argparse.ArgumentParser:
    """Returns the parser of this command; arguments it does not know are Beam's."""
    parser = argparse.ArgumentParser(
        prog="python -m beam_pipelines.export_sequence_examples",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add_arguments(parser)
    parser.add_argument("--split", required=True, help="the split to export")
    parser.add_argument("--output_dir", required=True, help="where the shards go; made when missing")
    parser.add_argument("--name", help="what shard names begin with (default: DATASET_SPLIT)")
    parser.add_argument("--num_shards", type=int, help="output shards (default: as many as the dataset has)")
    parser.add_argument("--no_audio", action="store_true", help="leave the audio out")
    return parser


def write(prepared: Prepared, split: str, number: int, *, export: Export) -> dict[str, Any]:
    """Writes one output shard."""
    return {"clips": export_shard(prepared, export, number)}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit code."""
    args, beam_args = make_parser().parse_known_args(sys.argv[1:] if argv is None else argv)
    try:
        options = beam_options(args.runners_file, beam_args)
        prepared = open_prepared(find_prepared(args.dataset, args.data_dir))
        export = _make_export(args, prepared)
        missing = prepare_export(export)
        work = functools.partial(write, export=export)
        shards = [(export.split, number) for number in missing]
        lines = run_over_shards(prepared.folder, shards, work, options, args.results_dir) if shards else []
    except KineticsError as error:
        print(f"export: {error}", file=sys.stderr)
        return 1
    clips = sum(line["clips"] for line in lines)
    there = export.num_shards - len(missing)
    print(f"{export.target}: {clips:,} clips in {len(missing)} shards written, {there} shards were there already")
    return 0


def _make_export(args: argparse.Namespace, prepared: Prepared) -> Export:
    shards = prepared.identity.splits.get(args.split, {}).get("shards", 1)
    return Export(
        source=str(prepared.folder),
        target=args.output_dir,
        split=args.split,
        name=args.name or f"{prepared.identity.dataset}_{args.split}",
        num_shards=shards if args.num_shards is None else args.num_shards,
        audio=not args.no_audio,
    )


if __name__ == "__main__":
    sys.exit(main())
