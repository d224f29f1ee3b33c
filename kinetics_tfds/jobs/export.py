"""Writes the shards of an export on Beam, one work item per output shard."""

from __future__ import annotations

import functools
from typing import Any

from apache_beam.options.pipeline_options import PipelineOptions

from kinetics_tfds.exports.export import Export, export_shard, finish_export, prepare_export
from kinetics_tfds.jobs.over_shards import run_over_shards
from kinetics_tfds.prepared.dataset import Prepared


def export_on_beam(
    prepared: Prepared, export: Export, options: PipelineOptions, results_dir: str | None
) -> tuple[int, int]:
    """Writes what is missing of an export; see `run_over_shards`.

    Returns:
        How many clips were written, in how many shards.
    """
    missing = [(export.split, number) for number in prepare_export(export)]
    work = functools.partial(write_shard, export=export)
    lines = run_over_shards(prepared, work, options, results_dir, missing) if missing else []
    finish_export(prepared, export)
    return sum(line["clips"] for line in lines), len(missing)


def write_shard(prepared: Prepared, split: str, number: int, *, export: Export) -> dict[str, Any]:
    """Writes one output shard, in a worker."""
    return {"clips": export_shard(prepared, export, number)}
