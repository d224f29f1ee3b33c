"""Verifies a dataset on a cluster: `python -m beam_pipelines.verify --dataset=kinetics600/jpeg256 --data_dir=DATA`.

What `kinetics verify` does, with a shard a work item. Options that this command does not know are Beam's and override
the file's. Exit code 1 and a list when anything is wrong.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import time
from collections.abc import Sequence
from typing import Any

from beam_pipelines.options import beam_options
from beam_pipelines.over_shards import add_arguments, run_over_shards
from kinetics_tfds.cli.verify import print_verification
from kinetics_tfds.errors import KineticsError
from kinetics_tfds.prepared.dataset import Prepared, find_prepared, open_prepared
from kinetics_tfds.prepared.problem import Problem
from kinetics_tfds.prepared.verify import ShardResult, Verification, summarise, verify_shard
from kinetics_tfds.prepared.verify_folder import verify_folder


def make_parser() -> argparse.ArgumentParser:
    """Returns the parser of this command; arguments it does not know are Beam's."""
    parser = argparse.ArgumentParser(
        prog="python -m beam_pipelines.verify",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add_arguments(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser


def check(prepared: Prepared, split: str, number: int) -> dict[str, Any]:
    """Checks one shard."""
    result = verify_shard(prepared.shard(split, number), prepared.identity.dataset)
    return {"result": dataclasses.asdict(result)}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit code."""
    args, beam_args = make_parser().parse_known_args(sys.argv[1:] if argv is None else argv)
    try:
        found = _verify(args, beam_args)
    except KineticsError as error:
        print(f"verify: {error}", file=sys.stderr)
        return 1
    if args.json:
        print(json.dumps(found.to_json()))
    else:
        print_verification(found)
    return 0 if found.ok else 1


def _verify(args: argparse.Namespace, beam_args: Sequence[str]) -> Verification:
    started = time.monotonic()
    options = beam_options(args.runners_file, beam_args)
    prepared = open_prepared(find_prepared(args.dataset, args.data_dir))
    shards = [(split, index) for split in prepared.identity.splits for index in range(len(prepared.lengths(split)))]
    lines = run_over_shards(prepared.folder, shards, check, options, args.results_dir)
    results = [_to_result(line["result"]) for line in lines]
    return summarise(prepared, verify_folder(prepared), results, time.monotonic() - started)


def _to_result(values: dict[str, Any]) -> ShardResult:
    return ShardResult(**{**values, "problems": tuple(Problem(**problem) for problem in values["problems"])})


if __name__ == "__main__":
    sys.exit(main())
