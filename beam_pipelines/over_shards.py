"""Runs a function over the shards of a prepared dataset, on any runner, and brings its results back.

The graph holds shard numbers only; each worker opens the dataset once. Results are JSON objects, written as text by the
workers and read by the program that started them, because runners do not hand values back.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions
from etils import epath

from kinetics_tfds.errors import ConfigError, KineticsError, WorkerError
from kinetics_tfds.prepared.dataset import Prepared, open_prepared

# Takes the dataset, a split and a shard's number; gives plain JSON values. Sent to workers by its name.
Work = Callable[[Prepared, str, int], dict[str, Any]]

_LOCAL_RUNNERS = (None, "FnApiRunner", "DirectRunner", "BundleBasedDirectRunner")


class OverShards(beam.PTransform):
    """Applies `work` to every (split, number); the output is a line of JSON each."""

    def __init__(self, folder: str, work: Work) -> None:
        super().__init__()
        self._folder = folder
        self._work = work

    def expand(self, pcoll: Any) -> Any:
        """Applies the transform to a collection of (split, number)."""
        # Without the reshuffle, Beam fuses everything and one worker gets all the shards.
        return pcoll | "Spread" >> beam.Reshuffle() | "Work" >> beam.ParDo(_Work(self._folder, self._work))


class _Work(beam.DoFn):
    """Errors that a user can put right travel as results: trying again would not help."""

    def __init__(self, folder: str, work: Work) -> None:
        self._folder = folder
        self._work = work

    def setup(self) -> None:
        self._prepared = open_prepared(self._folder)

    def process(self, shard: tuple[str, int]) -> Iterator[str]:
        split, number = shard
        try:
            result = self._work(self._prepared, split, number)
        except KineticsError as error:
            result = {"error": [type(error).__name__, error.problem, error.next_step]}
        beam.metrics.Metrics.counter("kinetics", "shards").inc()
        yield json.dumps({"split": split, "shard": number, **result})


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments that all jobs over shards take."""
    parser.add_argument("--dataset", required=True, help="kinetics600/jpeg256, with :VERSION if wanted; or its folder")
    parser.add_argument("--data_dir", help="the root of datasets (default: TFDS's)")
    parser.add_argument("--runners_file", help="YAML with Beam options (configs/runners)")
    parser.add_argument(
        "--results_dir", help="where workers leave their results; on a cluster, a place that all of it reaches"
    )


def run_over_shards(
    folder: epath.PathLike,
    shards: Iterable[tuple[str, int]],
    work: Work,
    options: PipelineOptions,
    results_dir: str | None = None,
) -> list[dict[str, Any]]:
    """Runs a job to its end.

    Args:
        folder: the prepared dataset's, as workers reach it.
        shards: (split, number) of each.
        work: what to do with a shard; a function of a module, so that workers find it.
        options: Beam's; FnApiRunner where they name no runner.
        results_dir: where workers leave their results; a temporary folder where the runner is of this machine.

    Returns:
        Each shard's result, with its `split` and `shard`, in the order of the shards.

    Raises:
        KineticsError: what a worker met, or Beam's failure.
    """
    shards = list(shards)
    standard = options.view_as(StandardOptions)
    if results_dir is None and standard.runner not in _LOCAL_RUNNERS:
        raise ConfigError(
            f"{standard.runner} needs a place for results.", "Name a folder that all workers reach with --results_dir."
        )
    # Beam's own default would first try to download another runner.
    standard.runner = standard.runner or "FnApiRunner"
    with contextlib.ExitStack() as stack:
        if results_dir is None:
            results_dir = stack.enter_context(tempfile.TemporaryDirectory(prefix="kinetics-results-"))
        lines = _run(os.fspath(folder), shards, work, options, epath.Path(results_dir))
    results = {(line["split"], line["shard"]): line for line in map(json.loads, lines)}
    for result in results.values():
        if "error" in result:
            _, problem, next_step = result["error"]
            raise WorkerError(problem, next_step)
    return [results[shard] for shard in shards]


def _run(
    folder: str, shards: list[tuple[str, int]], work: Work, options: PipelineOptions, results: epath.Path
) -> list[str]:
    prefix = results / f"results-{os.getpid()}"
    pipeline = beam.Pipeline(options=options)
    _ = (
        pipeline
        | "Shards" >> beam.Create(shards, reshuffle=False)
        | OverShards(folder, work)
        | "Results" >> beam.io.WriteToText(os.fspath(prefix), file_name_suffix=".jsonl")
    )
    try:
        pipeline.run().wait_until_finish()
    except Exception as error:
        last = str(error).strip().splitlines()[-1] if str(error).strip() else type(error).__name__
        raise WorkerError(
            f"Beam gave up: {last}", "The traceback above this message says where; run the command again."
        ) from error
    return [line for path in sorted(results.glob(f"{prefix.name}-*.jsonl")) for line in path.read_text().splitlines()]
