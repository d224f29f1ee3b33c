"""Builds a dataset: what `tfds build` does, with the runner's options in a file.

    kinetics build kinetics600 --manual_dir=CLIPS --data_dir=DATA

With --update, a version that exists is extended by what has come or changed since: see docs/updating.md.
Options that this command does not know are Beam's; they override the file's. The same command, given again after a stop
or a crash, goes on where it stopped.
"""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING, Any

from kinetics_tfds.cli.arguments import add_build_inputs, add_runner
from kinetics_tfds.cli.builders import make_builder, make_download_config
from kinetics_tfds.errors import UsageError

if TYPE_CHECKING:
    from apache_beam.options.pipeline_options import PipelineOptions

SUMMARY = "build a dataset from the clips you have"
TAKES_BEAM_OPTIONS = True
IS_RESUMABLE = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds this command's arguments."""
    add_build_inputs(parser)
    add_runner(parser)
    add = parser.add_argument
    add("--register_checksums", action="store_true", help="record sizes and hashes of downloaded lists")
    add("--overwrite", action="store_true", help="build anew what exists, and drop other half-done builds")
    add("--update", action="store_true", help="make a new version; records of the newest one that are right are copied")
    add("--replace", action="store_true", help="with --update: remove the version that was updated")
    add("--dry_run", action="store_true", help="say what would be built, and build nothing")


def run(args: argparse.Namespace, options: PipelineOptions | None = None) -> int:
    """Builds; returns 0."""
    import tensorflow_datasets as tfds

    if args.replace and not args.update:
        raise UsageError("--replace is given without --update.", "Add --update, or leave out --replace.")
    if args.update:
        from kinetics_tfds.shards.transform import with_update

        options = with_update(options, replace=args.replace)
    settings: dict[str, Any] = {"beam_options": options, "register_checksums": args.register_checksums}
    if args.overwrite:
        settings["download_mode"] = tfds.GenerateMode.REUSE_CACHE_IF_EXISTS
    builder = make_builder(args)
    config = make_download_config(args, **settings)
    if args.dry_run:
        print(describe(builder, args.download_dir, config))
        return 0
    builder.download_and_prepare(download_dir=args.download_dir, download_config=config)
    print(f"{builder.info.full_name} is in {builder.data_path}")
    return 0


def describe(builder: Any, download_dir: str | None, config: Any) -> str:
    """Returns what a build would do: rows, clips, shards, predicted bytes, runner."""
    from apache_beam.options.pipeline_options import StandardOptions

    from kinetics_tfds.planning.predict import predict_bytes

    manager = builder._make_download_manager(download_dir=download_dir, download_config=config)
    inputs = builder.find_inputs(manager)
    lines = [f"{builder.info.full_name} would go to {os.fspath(builder.data_path)}", inputs.describe()]
    total = 0
    for split, plan in builder.plan(inputs, config).items():
        size = predict_bytes((planned.clip for planned in plan.clips), builder.kinetics_config.decode_settings)
        total += size
        lines.append(
            f"{split}: {len(plan.clips):,} clips in {plan.num_shards:,} shards, about {size / 1e9:,.1f} GB; "
            f"{len(plan.missing):,} missing, {len(plan.excluded):,} excluded"
        )
    options = config.beam_options
    runner = (options.view_as(StandardOptions).runner if options is not None else None) or "FnApiRunner"
    lines.append(f"All: about {total / 1e9:,.1f} GB, written by {runner}")
    return "\n".join(lines)
