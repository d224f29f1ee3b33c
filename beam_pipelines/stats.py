"""Statistics of a dataset from all its records: `python -m beam_pipelines.stats --dataset=kinetics600 --data_dir=DATA`.

What `kinetics stats --all` does, with one work item per shard. Options that this command does not know are Beam's and
override the file's.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Any

from apache_beam.options.pipeline_options import PipelineOptions

from beam_pipelines.command import run_command
from beam_pipelines.over_shards import make_shards_parser, open_dataset, run_over_shards
from kinetics_tfds.cli.stats import format_stats, to_json
from kinetics_tfds.prepared.dataset import Prepared
from kinetics_tfds.prepared.stats import RecordStats, read_record_stats, read_split_stats


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit code."""
    parser = make_shards_parser("stats", __doc__)
    parser.add_argument("--classes", action="store_true", help="list every class with its clips")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return run_command("stats", parser, _run, argv)


def _run(args: argparse.Namespace, options: PipelineOptions) -> int:
    prepared = open_dataset(args)
    records = RecordStats()
    for line in run_over_shards(prepared, read_shard, options, args.results_dir):
        records.add(RecordStats.from_json(line["records"]))
    splits = read_split_stats(prepared)
    print(
        json.dumps(to_json(splits, records)) if args.json else format_stats(splits, records, every_class=args.classes)
    )
    return 0


def read_shard(prepared: Prepared, split: str, number: int) -> dict[str, Any]:
    """Reads all records of one shard, in a worker."""
    return {"records": read_record_stats([prepared.shard(split, number)]).to_json()}


if __name__ == "__main__":
    sys.exit(main())
