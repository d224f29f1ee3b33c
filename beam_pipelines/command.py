"""What the commands of this package share: arguments that they do not know are Beam's, errors are one message."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence

from apache_beam.options.pipeline_options import PipelineOptions

from beam_pipelines.options import beam_options
from kinetics_tfds.errors import KineticsError


def make_parser(name: str, description: str | None) -> argparse.ArgumentParser:
    """Returns the parser of `python -m beam_pipelines.NAME`, with the arguments that every command has."""
    parser = argparse.ArgumentParser(
        prog=f"python -m beam_pipelines.{name}",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,  # `--runner` is Beam's, not short for --runners_file
    )
    parser.add_argument("--runners_file", help="YAML with Beam's options (configs/runners)")
    return parser


def run_command(
    name: str,
    parser: argparse.ArgumentParser,
    run: Callable[[argparse.Namespace, PipelineOptions], int],
    argv: Sequence[str] | None,
) -> int:
    """Runs a command and returns its exit code: 1 and a message where `run` raises a KineticsError."""
    args, beam_args = parser.parse_known_args(sys.argv[1:] if argv is None else argv)
    try:
        return run(args, beam_options(args.runners_file, beam_args))
    except KineticsError as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 1
