"""Builds a dataset: `python -m beam_pipelines.build --dataset=kinetics600 --manual_dir=CLIPS --data_dir=DATA`.

What `tfds build` does, with the runner's options in a file. Options that this command does not know are Beam's and
override the file's. The same command, given again after a stop or a crash, goes on where it stopped.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import sys
from collections.abc import Sequence
from typing import Any

from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions

from beam_pipelines.options import beam_options
from kinetics_tfds.errors import ConfigError, KineticsError


def make_parser() -> argparse.ArgumentParser:
    """Returns the parser of this command; arguments it does not know are Beam's."""
    parser = argparse.ArgumentParser(
        prog="python -m beam_pipelines.build",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,  # `--runner` is Beam's, not short for --runners_file
    )
    add = parser.add_argument
    add("--dataset", required=True, metavar="NAME[/CONFIG]", help="kinetics400, kinetics600/jpeg256_10fps, …")
    add("--config", metavar="JSON", help="a config's settings, or a file that holds them (configs/build)")
    add("--data_dir", help="where datasets go; TFDS's default if left out")
    add("--manual_dir", help="the folder or bucket of clips")
    add("--download_dir", help="where downloads go; a folder in the data_dir if left out")
    add("--runners_file", help="YAML with Beam's options (configs/runners)")
    add("--file_format", choices=("tfrecord", "array_record", "riegeli"))
    add("--num_shards", type=int, help="shards of each split; chosen by size if left out")
    add("--max_shard_size_mb", type=int)
    add("--max_examples_per_split", type=int)
    add("--register_checksums", action="store_true", help="record sizes and hashes of downloaded lists")
    add("--overwrite", action="store_true", help="build anew what is there, and drop other half-done builds")
    add("--dry_run", action="store_true", help="say what would be built, and build nothing")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit code."""
    args, beam_args = make_parser().parse_known_args(sys.argv[1:] if argv is None else argv)
    try:
        _run(args, beam_options(args.runners_file, beam_args))
    except KineticsError as error:
        print(f"build: {error}", file=sys.stderr)
        return 1
    return 0


def _run(args: argparse.Namespace, options: PipelineOptions) -> None:
    builder = make_builder(args)
    config = make_download_config(args, options)
    if args.dry_run:
        print(describe(builder, args.download_dir, config))
        return
    builder.download_and_prepare(download_dir=args.download_dir, download_config=config)
    print(f"{builder.info.full_name} is in {builder.data_path}")


def make_builder(args: argparse.Namespace) -> Any:
    """Returns the builder that the arguments name.

    Raises:
        ConfigError: an unknown dataset or config, or settings that cannot be read.
    """
    import tensorflow_datasets as tfds

    from kinetics_tfds import VERSIONS, KineticsConfig

    name, _, config = args.dataset.partition("/")
    if name not in VERSIONS:
        raise ConfigError(f"There is no dataset {name!r}.", f"Name one of {', '.join(VERSIONS)}.")
    if config and args.config:
        raise ConfigError(
            f"Two configs are given: {config!r} and --config.", f"Write --dataset={name}, or leave out --config."
        )
    config, _, version = config.partition(":")
    settings = KineticsConfig(**read_settings(args.config)) if args.config else config or None
    builder_cls: Any = tfds.builder_cls(name)
    if isinstance(settings, str) and settings not in builder_cls.builder_configs:
        raise ConfigError(
            f"{name} has no config {settings!r}.",
            f"Name one of {', '.join(builder_cls.builder_configs)}, or give your own with --config.",
        )
    return builder_cls(data_dir=args.data_dir, config=settings, version=version or None, file_format=args.file_format)


def read_settings(text: str) -> dict[str, Any]:
    """Returns a config's settings.

    Args:
        text: JSON, or the path of a file that holds it.

    Raises:
        ConfigError: there is no such file, or it is not a JSON object.
    """
    inline = text.lstrip().startswith("{")
    source = "--config" if inline else text
    try:
        settings = json.loads(text if inline else pathlib.Path(text).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"Cannot read the settings in {source}: {error}", "Give JSON, or a file such as configs/build/mini.json."
        ) from error
    if not isinstance(settings, dict):
        raise ConfigError(f"{source} is not a JSON object.", 'Write {"name": "mini", …}.')
    return settings


def make_download_config(args: argparse.Namespace, options: PipelineOptions) -> Any:
    """Returns TFDS's DownloadConfig for the arguments."""
    import tensorflow_datasets as tfds

    settings: dict[str, Any] = {}
    if args.max_shard_size_mb is not None:
        settings["max_shard_size"] = args.max_shard_size_mb << 20
    if args.overwrite:
        settings["download_mode"] = tfds.GenerateMode.REUSE_CACHE_IF_EXISTS
    return tfds.download.DownloadConfig(
        manual_dir=args.manual_dir,
        num_shards=args.num_shards,
        max_examples_per_split=args.max_examples_per_split,
        register_checksums=args.register_checksums,
        beam_options=options,
        **settings,
    )


def describe(builder: Any, download_dir: str | None, config: Any) -> str:
    """Returns what a build would do: rows, clips, shards, predicted bytes, runner."""
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
    runner = config.beam_options.view_as(StandardOptions).runner or "FnApiRunner"
    lines.append(f"All: about {total / 1e9:,.1f} GB, written by {runner}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
