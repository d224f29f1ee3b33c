"""Fills a clip store: `python -m beam_pipelines.acquire --dataset=kinetics600 --split=validation --store=CLIPS`.

For every annotation row the config's sources are tried in order. The store is what `tfds build` takes as
`--manual_dir`. The same command, given again after a stop, a crash or a week, goes on where it stopped.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import shlex
import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence

import apache_beam as beam
from apache_beam.metrics import Metrics
from apache_beam.options.pipeline_options import PipelineOptions

from kinetics_tfds.acquire.config import AcquireConfig, read_config
from kinetics_tfds.acquire.ledger.ledger import FOLDER, read_ledger
from kinetics_tfds.acquire.outcome import OutcomeClass
from kinetics_tfds.acquire.rate_limit import SourceStoppedError
from kinetics_tfds.acquire.reports.dry_run import describe
from kinetics_tfds.acquire.reports.snapshot import restrict_to_snapshot
from kinetics_tfds.acquire.run.passes import Run, Summary, acquire, sample_rows
from kinetics_tfds.acquire.run.rows import read_rows
from kinetics_tfds.acquire.run.stop import stop_on_signals
from kinetics_tfds.acquire.run.unit_worker import Task, Worker
from kinetics_tfds.acquire.run.work_list import WorkList, read_work
from kinetics_tfds.acquire.store.clip_store import ClipStore, open_store
from kinetics_tfds.annotations.classes import find_class
from kinetics_tfds.annotations.clip import Clip, Split
from kinetics_tfds.annotations.names import parse_split
from kinetics_tfds.annotations.versions import KineticsVersion, get_version
from kinetics_tfds.beam.pipeline import run_pipeline
from kinetics_tfds.beam.stalls import Work
from kinetics_tfds.errors import AcquireError, ConfigError, KineticsError
from kinetics_tfds.jobs.beam_options import beam_options
from kinetics_tfds.printable import printable

_NAMESPACE = "acquire"
# The exit code where rows are left that the same command will try again, a day later for example.
INCOMPLETE = 3


class FetchShards(beam.PTransform):
    """Works through the shards of a pass's work list; the output is (outcome class, clips) of each shard."""

    def __init__(self, task: Task, work: WorkList) -> None:
        super().__init__()
        self._task = task
        self._work = work

    def expand(self, pcoll):
        """Applies the transform to a pipeline's root."""
        return (
            pcoll
            | "ShardNumbers" >> beam.Create(range(self._work.shards))
            # Without it, Beam fuses everything and one worker gets all the shards.
            | "Spread" >> beam.Reshuffle()
            | "Fetch" >> beam.ParDo(_Fetch(self._task, self._work))
        )


class _Fetch(beam.DoFn):
    """Works through shards with one `Worker`. What ends the run is left in the store: trying again would not help."""

    def __init__(self, task: Task, work: WorkList) -> None:
        self._task = task
        self._work = work

    def setup(self) -> None:
        self._stack = contextlib.ExitStack()
        self._worker: Worker | None = None
        self._store = open_store(self._task.store)
        with self._reported():
            self._worker = self._stack.enter_context(Worker(self._task))

    def process(self, number: int) -> Iterator[tuple[str, int]]:
        if self._worker is None:
            return
        with self._reported():
            counts = self._worker.run(read_work(self._store, self._work.shard_name(number)))
            for kind, clips in counts.items():
                Metrics.counter(_NAMESPACE, str(kind)).inc(clips)
                yield str(kind), clips

    def teardown(self) -> None:
        self._stack.close()

    @contextlib.contextmanager
    def _reported(self) -> Iterator[None]:
        try:
            yield
        except KineticsError as error:
            self._worker = None
            told = {"problem": error.problem, "next_step": error.next_step}
            told["kind"] = "source" if isinstance(error, SourceStoppedError) else "run"
            name = f"{self._work.folder}/halt/{socket.gethostname()}-{time.time_ns()}.json"
            self._store.write_hidden(name, json.dumps(told).encode())


def run_pass(task: Task, work: WorkList, options: PipelineOptions) -> None:
    """Does one pass as a Beam job.

    Raises:
        AcquireError: a worker had to stop.
        WorkerError: the job failed, or stood still for longer than `--stall_timeout`.
    """
    store = open_store(task.store)
    run_pipeline(FetchShards(task, work), options, Work(_tried_clips(store), work.clips, "clips"))
    raise_halts(store, work)


def _tried_clips(store: ClipStore) -> Callable[[], int]:
    """Returns a function that counts the clips tried from now on."""
    offsets, tried = store.hidden_sizes(FOLDER), 0

    def count() -> int:
        nonlocal tried
        tried += sum(1 for _ in read_ledger(store, offsets))
        return tried

    return count


def raise_halts(store: ClipStore, work: WorkList) -> None:
    """Raises what made workers of a pass stop, if anything did."""
    for name in store.hidden_sizes(f"{work.folder}/halt"):
        told = json.loads(b"".join(store.read_lines(name)))
        kind = SourceStoppedError if told["kind"] == "source" else AcquireError
        raise kind(told["problem"], told["next_step"])


def make_parser() -> argparse.ArgumentParser:
    """Returns the parser of this command; arguments it does not know are Beam's."""
    parser = argparse.ArgumentParser(
        prog="python -m beam_pipelines.acquire",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,  # `--runner` is Beam's
    )
    add = parser.add_argument
    add("--dataset", required=True, help="kinetics400, kinetics600, kinetics700 or kinetics700_2020")
    add("--store", required=True, help="the folder or bucket that the clips go to")
    add("--split", action="append", default=[], help="may be given several times; all splits if left out")
    add("--classes", action="append", default=[], metavar="CLASS", help="a raw class name; may be given several times")
    add("--max_clips", type=int, help="at most so many rows, the same ones every time")
    add("--snapshot", help="only the rows of this snapshot (`kinetics snapshot`)")
    add("--annotations", action="append", default=[], metavar="PATH", help="annotation files, if not in the store")
    add("--config", help="YAML with sources and rate_limit (configs/acquire); YouTube as a guest if left out")
    add("--source", action="append", default=[], help="only this source of the config; may be given several times")
    add(
        "--retry", action="append", default=[], metavar="CLASS", help="try again rows that ended so, whatever their age"
    )
    add("--dry_run", action="store_true", help="print what would be done, and do nothing")
    add("--interval", type=float, default=10.0, help="seconds between two lines of progress")
    add("--runners_file", help="YAML with Beam options (configs/runners)")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit code."""
    argv = sys.argv[1:] if argv is None else argv
    args, beam_args = make_parser().parse_known_args(argv)
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s", level=logging.WARNING)
    try:
        return _run(args, beam_args)
    except (KineticsError, KeyboardInterrupt) as error:
        print(f"acquire: {error or 'interrupted'}", file=sys.stderr)
        command = shlex.join(["python", "-m", "beam_pipelines.acquire", *argv])
        print(f"  To go on: {command}", file=sys.stderr)
        return 1


def _run(args: argparse.Namespace, beam_args: Sequence[str]) -> int:
    options = beam_options(args.runners_file, beam_args, "acquire")  # names are checked in a dry run, too
    version = get_version(args.dataset)
    config = _config(args)
    store = open_store(args.store)
    rows = read_rows(version, store, args.annotations, keep=not args.dry_run).clips
    clips = wanted_clips(args, version, rows)
    force = frozenset(_outcome_class(word) for word in args.retry)
    if args.dry_run:
        print(printable(describe(version, clips, store, config, force, rows), keep_newlines=True))
        return 0
    run = Run(
        version=version,
        clips=clips,
        rows=rows,
        store=store.root,
        config=config,
        all_sources=[source.name for source in read_config(args.config).sources],
        force=force,
        run_pass=lambda task, work: run_pass(task, work, options),
        say=lambda line: print(printable(line, keep_newlines=True), flush=True),
        interval=args.interval,
    )
    with stop_on_signals(config, run.name):
        summary = acquire(run)
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
        clips = restrict_to_snapshot(clips, args.snapshot)
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


if __name__ == "__main__":
    sys.exit(main())
