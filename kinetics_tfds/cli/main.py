"""The `kinetics` command: picks the subcommand, and turns errors into exit codes.

Exit codes: 0 done, 1 failed (one message that says what to do), 2 wrong usage.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

from kinetics_tfds.errors import KineticsError

# Each names a module of this package with SUMMARY, add_arguments(parser) and run(args) -> exit code. They are imported
# when asked for: most commands need no TensorFlow, and none needs another's imports.
COMMANDS: tuple[str, ...] = ("plan", "verify", "stats", "bench", "coverage", "doctor", "snapshot", "overlap", "browse")


def _module(command: str):
    return importlib.import_module(f"kinetics_tfds.cli.{command}")


def make_parser(argv: Sequence[str]) -> argparse.ArgumentParser:
    """Returns the parser; only the command that `argv` names is imported in full."""
    parser = argparse.ArgumentParser(prog="kinetics", description="Kinetics for TensorFlow Datasets.")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    wanted = [word for word in argv if word in COMMANDS][:1] or COMMANDS
    for command in COMMANDS:
        if command in wanted:
            module = _module(command)
            sub = subparsers.add_parser(
                command,
                help=module.SUMMARY,
                description=module.__doc__,
                formatter_class=argparse.RawDescriptionHelpFormatter,
            )
            module.add_arguments(sub)
            sub.set_defaults(run=module.run)
        else:
            subparsers.add_parser(command)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code."""
    argv = sys.argv[1:] if argv is None else argv
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow greets at length whoever imports it
    args = make_parser(argv).parse_args(argv)
    try:
        return args.run(args)
    except KineticsError as error:
        print(f"kinetics {args.command}: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
