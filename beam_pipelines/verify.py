"""Verifies a dataset on a cluster: `python -m beam_pipelines.verify --dataset=kinetics600/jpeg256 --data_dir=DATA`.

What `kinetics verify` does, with one work item per shard. Options that this command does not know are Beam's and
override the file's. Exit code 1 and a list when anything is wrong.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import time
from collections.abc import Sequence
from typing import Any

from apache_beam.options.pipeline_options import PipelineOptions

from beam_pipelines.command import run_command
from beam_pipelines.over_shards import make_shards_parser, open_dataset, run_over_shards
from kinetics_tfds.cli.verify import print_verification
from kinetics_tfds.prepared.dataset import Prepared
from kinetics_tfds.prepared.problem import Problem
from kinetics_tfds.prepared.verify import ShardResult, summarise, verify_shard
from kinetics_tfds.prepared.verify_folder import verify_folder


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit code."""
    parser = make_shards_parser("verify", __doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return run_command("verify", parser, _run, argv)


def _run(args: argparse.Namespace, options: PipelineOptions) -> int:
    started = time.monotonic()
    prepared = open_dataset(args)
    lines = run_over_shards(prepared, check_shard, options, args.results_dir)
    results = [_to_result(line["result"]) for line in lines]
    found = summarise(prepared, verify_folder(prepared), results, time.monotonic() - started)
    return print_verification(found, as_json=args.json)


def check_shard(prepared: Prepared, split: str, number: int) -> dict[str, Any]:
    """Checks one shard, in a worker."""
    result = verify_shard(prepared.shard(split, number), prepared.identity.dataset)
    return {"result": dataclasses.asdict(result)}


def _to_result(values: dict[str, Any]) -> ShardResult:
    return ShardResult(**{**values, "problems": tuple(Problem(**problem) for problem in values["problems"])})


if __name__ == "__main__":
    sys.exit(main())
