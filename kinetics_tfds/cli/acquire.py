"""Fills a clip store from folders, archives, mirrors and YouTube.

    kinetics acquire kinetics600 --split=validation --store=CLIPS

For every annotation row the config's sources are tried in order. The store is what `kinetics build` takes as
`--manual_dir`. The same command, given again after a stop, a crash or a week, goes on where it stopped. Exit code 3:
rows are left that the same command will try again.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from kinetics_tfds.acquire.config import AcquireConfig, read_config
from kinetics_tfds.acquire.outcome import OutcomeClass
from kinetics_tfds.annotations.classes import find_class
from kinetics_tfds.annotations.clip import Clip, Split
from kinetics_tfds.annotations.names import parse_split
from kinetics_tfds.annotations.versions import KineticsVersion, get_version
from kinetics_tfds.cli.arguments import add_annotated_version, add_runner
from kinetics_tfds.errors import ConfigError
from kinetics_tfds.printable import printable

if TYPE_CHECKING:
    from apache_beam.options.pipeline_options import PipelineOptions

    from kinetics_tfds.acquire.run.passes import Summary

SUMMARY = "fill a clip store from folders, archives, mirrors and YouTube"
TAKES_BEAM_OPTIONS = True
IS_RESUMABLE = True
# The exit code where rows are left that the same command will try again, a day later for example.
INCOMPLETE = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds this command's arguments."""
    add_annotated_version(parser)
    add_runner(parser)
    add = parser.add_argument
    add("--store", required=True, help="the folder or bucket that the clips go to")
    add("--split", action="append", default=[], help="may be given several times; all splits if left out")
    add("--classes", action="append", default=[], metavar="CLASS", help="a raw class name; may be given several times")
    add("--max_clips", type=int, help="at most so many rows, the same ones every time")
    add("--snapshot", help="only the rows of this snapshot (`kinetics snapshot`)")
    add("--config", help="YAML with sources and rate_limit (configs/acquire); YouTube as a guest if left out")
    add("--source", action="append", default=[], help="only this source of the config; may be given several times")
    add(
        "--retry", action="append", default=[], metavar="CLASS", help="try again rows that ended so, whatever their age"
    )
    add("--dry_run", action="store_true", help="print what would be done, and do nothing")
    add("--interval", type=float, default=10.0, help="seconds between two lines of progress")


def run(args: argparse.Namespace, options: PipelineOptions | None = None) -> int:
    """Acquires; returns 0 when nothing is left that can be tried, 1 when nothing worked, else INCOMPLETE."""
    from kinetics_tfds.acquire.reports.dry_run import describe
    from kinetics_tfds.acquire.run.passes import Run, acquire
    from kinetics_tfds.acquire.run.rows import read_rows
    from kinetics_tfds.acquire.run.stop import stop_on_signals
    from kinetics_tfds.acquire.store.clip_store import open_store

    version = get_version(args.dataset)
    config = _config(args)
    store = open_store(args.store)
    rows = read_rows(version, store, args.annotations, keep=not args.dry_run).clips
    clips = wanted_clips(args, version, rows)
    force = frozenset(_outcome_class(word) for word in args.retry)
    if args.dry_run:
        print(printable(describe(version, clips, store, config, force, rows), keep_newlines=True))
        return 0
    from kinetics_tfds.jobs.acquire import run_pass
    from kinetics_tfds.jobs.beam_options import beam_options

    beam = options or beam_options()
    acquiring = Run(
        version=version,
        clips=clips,
        rows=rows,
        store=store.root,
        config=config,
        all_sources=[source.name for source in read_config(args.config).sources],
        force=force,
        run_pass=lambda task, work: run_pass(task, work, beam),
        say=lambda line: print(printable(line, keep_newlines=True), flush=True),
        interval=args.interval,
    )
    with stop_on_signals(config, acquiring.name):
        summary = acquire(acquiring)
    return report(summary, f"kinetics coverage {version} --store={store.root}")


def report(summary: Summary, coverage: str) -> int:
    """Prints the last line and returns the exit code.

    Args:
        summary: of the run.
        coverage: the command that says more.
    """
    counts = f"{summary.stored:,} clips stored by this run, {summary.had:,} were there, {summary.left:,} lack"
    if summary.left and not summary.stored and not summary.had:
        print(f"Nothing worked: {counts}. `{coverage}` says why.")
        return 1
    if summary.pending:
        print(f"Incomplete: {counts}; {summary.pending:,} of these can be tried again. `{coverage}` says why.")
        return INCOMPLETE
    print(f"Complete: {counts}" + (f" and will not be tried again. `{coverage}` says why." if summary.left else "."))
    return 0


def wanted_clips(args: argparse.Namespace, version: KineticsVersion, rows: Sequence[Clip]) -> tuple[Clip, ...]:
    """Returns the rows, of all of the version, that the arguments name.

    Raises:
        ConfigError: an unknown split or class, or no row is left.
    """
    splits = {_split(word, version) for text in args.split for word in text.split(",")}
    classes = {_class(name, version) for name in args.classes}
    clips = [clip for clip in rows if not splits or clip.split in splits]
    if args.snapshot:
        from kinetics_tfds.acquire.reports.snapshot import restrict_to_snapshot

        clips = restrict_to_snapshot(clips, args.snapshot)
    from kinetics_tfds.acquire.run.passes import sample_rows

    chosen = sample_rows(clips, classes or None, args.max_clips)
    if not chosen:
        raise ConfigError("No annotation row is left to get.", "Loosen --split, --classes, --snapshot or --max_clips.")
    return chosen


def _config(args: argparse.Namespace) -> AcquireConfig:
    config = read_config(args.config)
    return config.only(args.source) if args.source else config


def _split(word: str, version: KineticsVersion) -> Split:
    split = parse_split(word)
    if split is None or split not in version.splits:
        raise ConfigError(f"{version.title} has no split {word!r}.", f"Name one of {', '.join(version.splits)}.")
    return split


def _class(name: str, version: KineticsVersion) -> str:
    found = find_class(name, version)
    if found is None:
        raise ConfigError(
            f"{version.title} has no class {name!r}.", f"kinetics_tfds/{version}/labels.txt lists all of them."
        )
    return found


def _outcome_class(word: str) -> OutcomeClass:
    try:
        return OutcomeClass(word)
    except ValueError:
        known = ", ".join(kind for kind in OutcomeClass if kind is not OutcomeClass.DONE)
        raise ConfigError(f"--retry={word} is no class of outcomes.", f"Name one of {known}.") from None
