"""Inspects a prepared dataset on Beam, one work item per shard."""

from __future__ import annotations

from apache_beam.options.pipeline_options import PipelineOptions

from kinetics_tfds.inspection.inspect_shard import inspect_shard
from kinetics_tfds.inspection.report import Inspection, summarise
from kinetics_tfds.jobs.over_shards import run_over_shards
from kinetics_tfds.prepared.dataset import Prepared


def inspect_on_beam(prepared: Prepared, options: PipelineOptions, results_dir: str | None) -> Inspection:
    """Inspects a dataset; see `run_over_shards`."""
    return summarise(run_over_shards(prepared, inspect_shard, options, results_dir))
