"""Statistics of a dataset from all its records: `python -m beam_pipelines.stats --dataset=kinetics600 --data_dir=DATA`.

What `kinetics stats --all` does, with a shard a work item. Options that this command does not know are Beam's and
override the file's.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Any

from beam_pipelines.options import beam_options
from beam_pipelines.over_shards import add_arguments, run_over_shards
from kinetics_tfds.cli.stats import format_stats, to_json
from kinetics_tfds.errors import KineticsError
from kinetics_tfds.prepared.dataset import Prepared, find_prepared, open_prepared
from kinetics_tfds.prepared.stats import RecordStats, read_record_stats, read_split_stats


def make_parser() -> argparse.ArgumentParser:
    """Returns the parser of this command; arguments it does not know are Beam's."""
    parser = argparse.ArgumentParser(
        prog="python -m beam_pipelines.stats",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add_arguments(parser)
    parser.add_argument("--classes", action="store_true", help="list every class with its clips")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser


def measure(prepared: Prepared, split: str, number: int) -> dict[str, Any]:
    """Reads all records of one shard."""
    return {"records": read_record_stats([prepared.shard(split, number)]).to_json()}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit code."""
    args, beam_args = make_parser().parse_known_args(sys.argv[1:] if argv is None else argv)
    try:
        options = beam_options(args.runners_file, beam_args)
        prepared = open_prepared(find_prepared(args.dataset, args.data_dir))
        shards = [(split, index) for split in prepared.identity.splits for index in range(len(prepared.lengths(split)))]
        records = RecordStats()
        for line in run_over_shards(prepared.folder, shards, measure, options, args.results_dir):
            records.add(RecordStats.from_json(line["records"]))
        splits = read_split_stats(prepared)
    except KineticsError as error:
        print(f"stats: {error}", file=sys.stderr)
        return 1
    print(
        json.dumps(to_json(splits, records)) if args.json else format_stats(splits, records, every_class=args.classes)
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
