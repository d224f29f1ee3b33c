"""Re-read every shard of a prepared dataset and compare it with its manifest.

Checks the records' checksums and hashes, their order and number, the labels, every frame's JPEG, and that the files
around the shards agree. Exit code 1 and a list when anything is wrong. With --runners_file, or any of Beam's options,
the shards are checked by Beam's workers instead of this machine's cores.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from typing import TYPE_CHECKING

from kinetics_tfds.cli.arguments import add_json, add_prepared_dataset, add_runner
from kinetics_tfds.durations import format_duration
from kinetics_tfds.printable import printable

if TYPE_CHECKING:
    from apache_beam.options.pipeline_options import PipelineOptions

    from kinetics_tfds.prepared.verify import Verification

SUMMARY = "check a prepared dataset against its manifest"
TAKES_BEAM_OPTIONS = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds this command's arguments."""
    add_prepared_dataset(parser)
    parser.add_argument("--workers", type=int, help="processes on this machine (default: one per core)")
    add_json(parser)
    add_runner(parser, results=True)


def run(args: argparse.Namespace, options: PipelineOptions | None = None) -> int:
    """Verifies; returns 0 when all is well, 1 when not."""
    from kinetics_tfds.prepared.dataset import find_prepared
    from kinetics_tfds.prepared.verify import verify_dataset

    folder = find_prepared(args.dataset, args.data_dir)
    if options is not None:
        from kinetics_tfds.jobs.verify import verify_on_beam

        found = verify_on_beam(folder, options, args.results_dir)
    else:
        found = verify_dataset(folder, args.workers, _Progress().shard_done)
    return print_verification(found, as_json=args.json)


def print_verification(found: Verification, *, as_json: bool) -> int:
    """Prints the problems and a line that sums up, or one JSON object; returns the exit code."""
    if as_json:
        print(json.dumps(found.to_json()))
        return 0 if found.ok else 1
    for problem in found.problems:
        print(printable(problem))
    for note in found.notes:
        print(f"note: {printable(note)}")
    print(
        f"{found.folder}: {found.shards} shards, {found.records:,} records, {found.frames:,} frames, "
        f"{found.bytes / 1e9:,.2f} GB in {found.seconds:.0f} s: "
        + ("all is well" if found.ok else f"{len(found.problems)} problems")
    )
    if not found.ok:
        print(
            "  Next: move the damaged files away and build again with --overwrite, or copy the dataset again.",
            file=sys.stderr,
        )
    return 0 if found.ok else 1


class _Progress:
    """Says now and then how far the check is, where someone is watching."""

    def __init__(self) -> None:
        self._done, self._problems = 0, 0
        self._started = self._said = time.monotonic()

    def shard_done(self, result, shards: int) -> None:
        """Counts one of so many shards."""
        self._done += 1
        self._problems += len(result.problems)
        now = time.monotonic()
        if sys.stderr.isatty() and now - self._said > 2:
            self._said = now
            left = (now - self._started) / self._done * (shards - self._done)
            text = f"{self._done} of {shards} shards, {self._problems} problems, {format_duration(left)} left"
            print(f"kinetics verify: {text}", file=sys.stderr)
