"""Shows what a build would do, before it runs: clips found and missing, size, hours, disk, and how it would end.

A few dozen clips are decoded to measure this machine; nothing is written but downloaded annotation files.
"""

from __future__ import annotations

import argparse
import json
import os

from kinetics_tfds.cli.arguments import add_build_inputs, add_failure_limit, add_json
from kinetics_tfds.cli.builders import make_builder, make_download_config
from kinetics_tfds.errors import ClipsError

SUMMARY = "what a build would do: clips found and missing, GB, hours, shards, disk"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds this command's arguments."""
    add_build_inputs(parser)
    add_failure_limit(parser)
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Prints the plan; returns 0 unless there is nothing to build."""
    import tensorflow_datasets as tfds

    from kinetics_tfds.cli.plan_report import describe_cost, describe_inputs, format_report
    from kinetics_tfds.shards.sample_decode import decode_sample

    builder = make_builder(args)
    config = make_download_config(args)
    data_dir = os.fspath(builder.data_dir_root)
    manager = tfds.download.DownloadManager(
        download_dir=args.download_dir or os.path.join(data_dir, "downloads"),
        manual_dir=config.manual_dir,
        manual_dir_instructions=builder.MANUAL_DOWNLOAD_INSTRUCTIONS,
        url_infos=builder.url_infos,
        dataset_name=builder.name,
    )
    inputs = builder.find_inputs(manager)
    plans, nothing = {}, None
    try:
        plans = builder.plan(inputs, config)
    except ClipsError as error:
        nothing = error  # what was found instead is shown first
    report = describe_inputs(inputs, plans)
    sample = decode_sample(plans, inputs.root, builder.kinetics_config.decode_settings)
    if sample is not None:
        limit = builder.kinetics_config.max_failure_rate if args.max_failure_rate is None else args.max_failure_rate
        report |= describe_cost(sample, plans, data_dir, limit)
    report = {"dataset": f"{builder.name}/{builder.kinetics_config.name}", **report}
    print(json.dumps(report, indent=2) if args.json else format_report(report))
    if nothing is not None:
        raise nothing
    return 0
