"""Runs a function over the shards of a prepared dataset, on any runner, and brings its results back.

The graph holds shard numbers only; each worker opens the dataset once. Results are JSON objects, left in
files by the workers and read by the program that started them, because runners do not hand values back.
"""

from __future__ import annotations

import json
import os
import tempfile
import uuid
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions
from etils import epath

from kinetics_tfds.beam.pipeline import run_pipeline
from kinetics_tfds.beam.stalls import Work
from kinetics_tfds.errors import ConfigError, KineticsError, WorkerError
from kinetics_tfds.prepared.dataset import Prepared, open_prepared

# Takes the dataset, a split and a shard's number; gives plain JSON values. Sent to workers by its name.
ShardWork = Callable[[Prepared, str, int], dict[str, Any]]

_SUFFIX = ".json"
_LOCAL_RUNNERS = (None, "FnApiRunner", "DirectRunner", "BundleBasedDirectRunner")


class OverShards(beam.PTransform):
    """Applies `work` to every (split, number), and leaves each result in a file of its own."""

    def __init__(
        self, folder: str, work: ShardWork, shards: Sequence[tuple[str, int]], results: str | os.PathLike[str]
    ) -> None:
        super().__init__()
        self._shards = shards
        self._work = _Work(folder, work, os.fspath(results))

    def expand(self, pcoll: Any) -> Any:
        """Applies the transform to a pipeline's root."""
        return (
            pcoll
            | "Shards" >> beam.Create(self._shards, reshuffle=False)
            # Without it, Beam fuses everything and one worker gets all the shards.
            | "Spread" >> beam.Reshuffle()
            | "Work" >> beam.ParDo(self._work)
        )


class _Work(beam.DoFn):
    """Errors that a user can put right travel as results: trying again would not help."""

    def __init__(self, folder: str, work: ShardWork, results: str) -> None:
        self._folder = folder
        self._work = work
        self._results = results

    def setup(self) -> None:
        self._prepared = open_prepared(self._folder)

    def process(self, shard: tuple[str, int]) -> Iterator[tuple[str, int]]:
        split, number = shard
        try:
            result = self._work(self._prepared, split, number)
        except KineticsError as error:
            result = {"error": [error.problem, error.next_step]}
        # An engine may do a shard twice, even at once: the same bytes under the same name.
        results = epath.Path(self._results)
        temporary = results / f"incomplete.{uuid.uuid4().hex}"
        temporary.write_text(json.dumps({"split": split, "shard": number, **result}))
        temporary.replace(results / f"{split}-{number}{_SUFFIX}")
        beam.metrics.Metrics.counter("kinetics", "shards").inc()
        yield shard


def run_over_shards(
    prepared: Prepared,
    work: ShardWork,
    options: PipelineOptions,
    results_dir: str | None = None,
    shards: Sequence[tuple[str, int]] | None = None,
) -> list[dict[str, Any]]:
    """Runs a job to its end.

    Args:
        prepared: the dataset, in a folder that workers reach.
        work: what to do with a shard; a function of a module, so that workers find it.
        options: Beam's; FnApiRunner where they name no runner.
        results_dir: where workers leave their results, in a folder of this run's own that is removed afterwards; this
            machine's folder of temporary files where the runner is of this machine.
        shards: (split, number) of each; all of the dataset where None.

    Returns:
        Each shard's result, with its `split` and `shard`, in the order of the shards.

    Raises:
        ConfigError: the runner needs a `results_dir`.
        WorkerError: what a worker met, a job that failed, or a shard without a result.
    """
    if shards is None:
        shards = list(prepared.shard_numbers())
    standard = options.view_as(StandardOptions)
    if results_dir is None and standard.runner not in _LOCAL_RUNNERS:
        raise ConfigError(
            f"{standard.runner} needs a place for results.", "Name a folder that all workers reach with --results_dir."
        )
    # Each run has a folder of its own: process ids are all the same in containers.
    results = epath.Path(results_dir or tempfile.gettempdir()) / f"kinetics-results-{uuid.uuid4().hex}"
    results.mkdir(parents=True)
    try:
        transform = OverShards(os.fspath(prepared.folder), work, shards, results)
        done = Work(lambda: len(list(results.glob(f"*{_SUFFIX}"))), len(shards), "shards", announced=True)
        run_pipeline(transform, options, done)
        lines = [json.loads(path.read_text()) for path in results.glob(f"*{_SUFFIX}")]
    finally:
        if results.exists():
            results.rmtree()
    return _check(shards, {(line["split"], line["shard"]): line for line in lines}, results)


def _check(
    shards: Sequence[tuple[str, int]], found: dict[tuple[str, int], dict[str, Any]], results: epath.Path
) -> list[dict[str, Any]]:
    for result in found.values():
        if "error" in result:
            raise WorkerError(*result["error"])
    missing = [shard for shard in shards if shard not in found]
    if missing:
        split, number = missing[0]
        raise WorkerError(
            f"Beam says that it is done, but {len(missing)} of {len(shards)} shards left no result in "
            f"{results.parent}, {split} shard {number} first.",
            "Check that every worker reaches --results_dir under the same path; then run the command again.",
        )
    return [found[shard] for shard in shards]
