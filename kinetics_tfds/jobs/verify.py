"""Verifies a prepared dataset on Beam, one work item per shard."""

from __future__ import annotations

import dataclasses
import time
from typing import Any

from apache_beam.options.pipeline_options import PipelineOptions
from etils import epath

from kinetics_tfds.jobs.over_shards import run_over_shards
from kinetics_tfds.prepared.dataset import Prepared
from kinetics_tfds.prepared.problem import Problem
from kinetics_tfds.prepared.verify import ShardResult, Verification, summarise, verify_shard
from kinetics_tfds.prepared.verify_folder import verify_folder


def verify_on_beam(folder: epath.PathLike, options: PipelineOptions, results_dir: str | None) -> Verification:
    """Checks every file of a prepared dataset; see `run_over_shards`."""
    started = time.monotonic()
    check = verify_folder(folder)
    lines = run_over_shards(check.prepared, check_shard, options, results_dir) if check.prepared is not None else []
    results = [_to_result(line["result"]) for line in lines]
    return summarise(folder, check, results, time.monotonic() - started)


def check_shard(prepared: Prepared, split: str, number: int) -> dict[str, Any]:
    """Checks one shard, in a worker."""
    result = verify_shard(prepared.shard(split, number), prepared.identity.dataset)
    return {"result": dataclasses.asdict(result)}


def _to_result(values: dict[str, Any]) -> ShardResult:
    return ShardResult(**{**values, "problems": tuple(Problem(**problem) for problem in values["problems"])})
