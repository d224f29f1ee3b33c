"""Kinetics on a cluster, on paper: `python benchmarks/scale.py`.

Plans so many made-up rows for real, in a process of its own (time, memory, plan, graph), and computes the build with 1
to 1,000 workers (wall time, skew, cost) and its requests to a bucket. docs/cluster.md has the tables.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import resource
import subprocess
import sys
import tempfile
import time
from typing import Any

from scale_model import Machine, Measured, Prices, count_requests, simulate

from kinetics_tfds.durations import format_duration


def main() -> None:
    """Prints the tables, or, as the process that plans, one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=500_000)
    parser.add_argument("--workers", default="1,10,50,100,250,1000", help="how many machines, at most")
    parser.add_argument("--plan", default="500000,1000000,2000000", help="rows to plan, each in a process of its own")
    parser.add_argument("--plan_only", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.plan_only is not None:
        print(json.dumps(plan(args.plan_only)))
        return
    planned = [_plan_elsewhere(int(rows)) for rows in args.plan.split(",")]
    print_plans(planned)
    shards = planned[0]["shards"] * args.clips // planned[0]["rows"]
    print_builds(args.clips, shards, [int(count) for count in args.workers.split(",")])


def plan(rows: int) -> dict[str, Any]:
    """Plans made-up rows as a build does; returns what that took."""
    import apache_beam as beam
    from etils import epath

    from kinetics_tfds.annotations.versions import get_version
    from kinetics_tfds.config import KineticsConfig
    from kinetics_tfds.decode import versions
    from kinetics_tfds.features import RECORD_REVISION
    from kinetics_tfds.planning.fingerprint import BuildIdentity, describe_splits
    from kinetics_tfds.planning.plan import Selection, Sharding, plan_splits
    from kinetics_tfds.shards.resume import open_staging
    from kinetics_tfds.shards.transform import WriteShards
    from kinetics_tfds.shards.write import BuildJob

    before = _peak_mb()
    found = _make_rows(rows, get_version("kinetics600").class_names)
    made = _peak_mb()
    config = KineticsConfig(name="scale", fps=25.0)
    began = time.perf_counter()
    plans = plan_splits(list(found), found, selection=Selection(), sharding=Sharding(), settings=config.decode_settings)
    planned = time.perf_counter()
    identity = BuildIdentity(
        "kinetics600", "1.0.0", config.identity(), "tfrecord", RECORD_REVISION, versions(), describe_splits(plans)
    )
    fingerprint = identity.fingerprint
    named = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        staging = open_staging(epath.Path(folder) / "1.0.0", identity, plans, run="scale", overwrite=False)
        written = time.perf_counter()
        plan_mb = os.path.getsize(staging.path / "plan.parquet") / 1e6
        pipeline = beam.Pipeline(runner="FnApiRunner")
        shards = sum(split.num_shards for split in plans.values())
        _ = pipeline | WriteShards(BuildJob(folder, fingerprint, "scale", "kinetics600", folder), list(range(shards)))
        graph = pipeline.to_runner_api().ByteSize()
    return {
        "rows": rows,
        "shards": shards,
        "plan_s": planned - began,
        "fingerprint_s": named - planned,
        "write_s": written - named,
        "plan_mb": plan_mb,
        "graph_kb": graph / 1e3,
        "rows_mb": made - before,
        "peak_mb": _peak_mb(),
    }


def _make_rows(rows: int, classes: tuple[str, ...]) -> dict:
    from kinetics_tfds.annotations.clip import Clip, Split
    from kinetics_tfds.clips.media import MediaFile, Span

    found = {}
    for number in range(rows):
        label = classes[number % len(classes)]
        clip = Clip(Split.TRAIN, f"{number:011d}", 10.0, 20.0, label)
        found[clip] = MediaFile(f"train/{label}/{clip.id}.mp4", Span.TRIMMED)
    return found


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _plan_elsewhere(rows: int) -> dict[str, Any]:
    command = [sys.executable, os.fspath(pathlib.Path(__file__)), f"--plan_only={rows}"]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout.splitlines()[-1])


def print_plans(planned: list[dict[str, Any]]) -> None:
    """Prints what planning took."""
    print("| rows | shards | plan, s | fingerprint, s | plan file, s | plan file, MB | graph, KB | peak memory, MB |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for each in planned:
        print(
            f"| {each['rows']:,} | {each['shards']:,} | {each['plan_s']:.1f} | {each['fingerprint_s']:.1f} "
            f"| {each['write_s']:.1f} | {each['plan_mb']:,.0f} | {each['graph_kb']:,.0f} | {each['peak_mb']:,.0f} |"
        )
    print()


def print_builds(clips: int, shards: int, workers: list[int]) -> None:
    """Prints what builds come to."""
    measured, machine, prices = Measured(), Machine(), Prices()
    print(f"{clips:,} clips in {shards:,} shards, machines with {machine.vcpus} vCPUs:\n")
    print("| machines | wall time | last ends at, times the mean | machine hours | US dollars |")
    print("| ---: | ---: | ---: | ---: | ---: |")
    for count in workers:
        build = simulate(clips, shards, count, machine, measured, prices)
        print(
            f"| {count:,} | {format_duration(build.wall_seconds)} | {build.skew:.3f} | {build.worker_hours:,.1f} "
            f"| {build.dollars:,.0f} |"
        )
    requests = count_requests(clips, shards, measured)
    print("\nRequests: " + ", ".join(f"{count:,} {kind}" for kind, count in requests.items()))


if __name__ == "__main__":
    main()
