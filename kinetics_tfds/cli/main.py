# PYTHON_ARGCOMPLETE_OK
"""The `kinetics` command: picks the subcommand, and turns errors into exit codes.

Exit codes: 0 done, 1 failed (one message that says what to do), 2 wrong usage.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import os
import shlex
import sys
from collections.abc import Sequence
from types import ModuleType

import argcomplete

from kinetics_tfds.cli import quiet
from kinetics_tfds.errors import ConfigError, KineticsError, UsageError

# Each names a module of this package with SUMMARY, add_arguments(parser) and run(args) -> exit code. Where it sets
# TAKES_BEAM_OPTIONS, run(args, options) gets Beam's options too, None where none are given. Modules are imported when
# asked for: most commands need no TensorFlow, and none needs another's imports. Where a module sets IS_RESUMABLE, an
# error ends with the command that goes on.
COMMANDS: tuple[str, ...] = (
    *("acquire", "build", "plan", "verify", "stats", "inspect", "browse", "export", "prune", "bench"),
    *("coverage", "doctor", "snapshot", "overlap", "diff", "gone"),
)


def _module(command: str) -> ModuleType:
    return importlib.import_module(f"kinetics_tfds.cli.{command}")


def make_parser(argv: Sequence[str], prog: str = "kinetics") -> argparse.ArgumentParser:
    """Returns the parser; only the command that `argv` names is imported in full."""
    parser = argparse.ArgumentParser(prog=prog, description="Kinetics for TensorFlow Datasets.")
    parser.add_argument(
        "--version", action="version", version=f"kinetics-tfds {importlib.metadata.version('kinetics-tfds')}"
    )
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    wanted = [word for word in argv if word in COMMANDS][:1] or COMMANDS
    for command in COMMANDS:
        if command not in wanted:
            subparsers.add_parser(command)
            continue
        module = _module(command)
        sub = subparsers.add_parser(
            command,
            help=module.SUMMARY,
            description=module.__doc__,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,  # `--runner` is Beam's, not short for --runners_file
        )
        module.add_arguments(sub)
        sub.add_argument("-v", "--verbose", action="store_true", help="let the libraries underneath say what they do")
        sub.set_defaults(command_parser=sub)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code."""
    return _run(sys.argv[1:] if argv is None else argv, on_beam=False)


def run_job(command: str, argv: Sequence[str] | None = None) -> int:
    """Runs a command as a Beam job, also where no option of Beam's is given; returns its exit code."""
    return _run([command, *(sys.argv[1:] if argv is None else argv)], on_beam=True)


def _run(argv: Sequence[str], *, on_beam: bool) -> int:
    parser = make_parser(argv)
    argcomplete.autocomplete(parser)
    args, unknown = parser.parse_known_args(argv)
    module, complain = _module(args.command), args.command_parser.error
    takes_beam_options = getattr(module, "TAKES_BEAM_OPTIONS", False)
    if unknown and not takes_beam_options:
        complain(f"unrecognized arguments: {' '.join(unknown)}")
    if "dataset" in args and args.dataset is None:
        complain("the following arguments are required: DATASET")
    (quiet.speak if args.verbose else quiet.quieten)()
    try:
        if not takes_beam_options:
            return module.run(args)
        options = None
        if on_beam or unknown or args.runners_file is not None:
            from kinetics_tfds.jobs.beam_options import beam_options

            options = beam_options(args.runners_file, unknown, args.command)
        return module.run(args, options)
    except (KineticsError, KeyboardInterrupt) as error:
        print(f"kinetics {args.command}: {error if str(error) else 'interrupted'}", file=sys.stderr)
        # What is mistyped would be mistyped again.
        if getattr(module, "IS_RESUMABLE", False) and not isinstance(error, ConfigError):
            program = ["python", "-m", f"beam_pipelines.{args.command}"] if on_beam else ["kinetics", args.command]
            print(f"  To go on: {shlex.join([*program, *argv[1:]])}", file=sys.stderr)
        return 2 if isinstance(error, UsageError) else 1
    except BrokenPipeError:
        # Whoever read our output has seen enough (`| head`). Python would complain once more when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


if __name__ == "__main__":
    sys.exit(main())
