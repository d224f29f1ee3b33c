"""Reads all records of a prepared dataset on Beam, one work item per shard, and adds up what they hold."""

from __future__ import annotations

from typing import Any

from apache_beam.options.pipeline_options import PipelineOptions

from kinetics_tfds.jobs.over_shards import run_over_shards
from kinetics_tfds.prepared.dataset import Prepared
from kinetics_tfds.prepared.stats import RecordStats, read_record_stats


def read_record_stats_on_beam(prepared: Prepared, options: PipelineOptions, results_dir: str | None) -> RecordStats:
    """Returns the statistics of all records; see `run_over_shards`."""
    records = RecordStats()
    for line in run_over_shards(prepared, read_shard, options, results_dir):
        records.add(RecordStats.from_json(line["records"]))
    return records


def read_shard(prepared: Prepared, split: str, number: int) -> dict[str, Any]:
    """Reads all records of one shard, in a worker."""
    return {"records": read_record_stats([prepared.shard(split, number)]).to_json()}
