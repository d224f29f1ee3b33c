"""Arguments that several commands have, under one name each."""

from __future__ import annotations

import argparse

VERSION_NAMES = "kinetics400, kinetics600, kinetics700 or kinetics700_2020"


def add_dataset(parser: argparse.ArgumentParser, what: str) -> None:
    """Adds DATASET, which older scripts give as --dataset.

    Args:
        parser: of the command. `main` refuses a call that names no dataset.
        what: the help text.
    """
    parser.add_argument("dataset", metavar="DATASET", nargs="?", default=argparse.SUPPRESS, help=what)
    parser.add_argument("--dataset", dest="dataset", metavar="DATASET", default=None, help=argparse.SUPPRESS)


def add_prepared_dataset(parser: argparse.ArgumentParser) -> None:
    """Adds DATASET and --data_dir, by which a command names a dataset that has been built."""
    add_dataset(parser, "kinetics600/jpeg256, with :VERSION if wanted; or a dataset's folder")
    parser.add_argument("--data_dir", help="the root of datasets (default: TFDS's)")


def add_annotated_version(parser: argparse.ArgumentParser) -> None:
    """Adds DATASET and --annotations, by which a command names annotation rows."""
    add_dataset(parser, VERSION_NAMES)
    parser.add_argument(
        "--annotations", action="append", default=[], metavar="PATH", help="annotation files, if not in the store"
    )


def add_build_inputs(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments by which a command names a dataset that is to be built; `builders.make_builder` reads them."""
    add_dataset(parser, f"{VERSION_NAMES}, or NAME/CONFIG")
    add = parser.add_argument
    add("--config", help="a named config, its settings as JSON, or a file of them (configs/build)")
    add("--manual_dir", help="the folder or bucket of clips, in any layout; not needed for the config `sample`")
    add("--data_dir", help="where datasets go (default: TFDS's)")
    add("--download_dir", help="where annotation files are downloaded to (default: DATA_DIR/downloads)")
    add("--file_format", choices=("tfrecord", "array_record", "riegeli"), help="default: tfrecord")
    add("--num_shards", type=int, help="shards of each split (default: chosen by size)")
    add("--max_shard_size_mb", type=int, help="the largest size of a shard")
    add("--max_examples_per_split", type=int, help="build only this many clips of each split")


def add_failure_limit(parser: argparse.ArgumentParser) -> None:
    """Adds --max_failure_rate, which overrides the config's."""
    parser.add_argument(
        "--max_failure_rate", type=float, metavar="SHARE", help="how many of the clips may fail, 0 to 1 (default: 0.05)"
    )


def add_json(parser: argparse.ArgumentParser) -> None:
    """Adds --json."""
    parser.add_argument("--json", action="store_true", help="print one JSON object, for scripts")


def add_runner(parser: argparse.ArgumentParser, *, results: bool = False) -> None:
    """Adds what a command that can run on Beam takes besides Beam's own options.

    Args:
        parser: of the command; its module sets TAKES_BEAM_OPTIONS.
        results: whether workers hand results back, which needs a place for them.
    """
    parser.add_argument("--runners_file", metavar="FILE", help="YAML with Beam's options (configs/runners)")
    if results:
        parser.add_argument(
            "--results_dir",
            metavar="FOLDER",
            help="where Beam's workers leave their results; on a cluster, a place that all of it reaches",
        )
