"""Says which of your clips are no longer in a list, such as the official one of today.

    kinetics gone kinetics600/jpeg256 today.tar.gz --data_dir=DATA --ids=gone.txt
    kinetics gone CLIPS kinetics600_train.csv

Only splits that the list has rows of are compared. `kinetics prune DATASET --ids=gone.txt` makes one without them.
Exit code 0 whether some are gone or not.
"""

from __future__ import annotations

import argparse
import collections
import json
import pathlib

from kinetics_tfds.cli.arguments import VERSION_NAMES, add_json

SUMMARY = "say which of your clips are no longer in a list"

_SHOWN = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds this command's arguments."""
    parser.add_argument("clips", metavar="CLIPS", help="a dataset or its folder, a store, a snapshot")
    parser.add_argument("list", metavar="LIST", help="the list: a file, an archive, or a folder of lists")
    parser.add_argument("--data_dir", help="the root of datasets (default: TFDS's)")
    parser.add_argument("--ids", metavar="FILE", help="write the YouTube ids of the videos that are gone here")
    parser.add_argument("--kinetics_version", metavar="NAME", help=f"{VERSION_NAMES}, where no name of a list tells it")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Compares; returns 0."""
    from kinetics_tfds.clip_sets.clip_set import open_clip_set
    from kinetics_tfds.clip_sets.gone import find_gone

    held, listed = (
        open_clip_set(what, version=args.kinetics_version, data_dir=args.data_dir) for what in (args.clips, args.list)
    )
    gone = find_gone(held, listed)
    videos = sorted({clip.youtube_id for clip in gone})
    if args.ids:
        pathlib.Path(args.ids).write_text("".join(f"{video}\n" for video in videos), encoding="utf-8")
    if args.json:
        print(json.dumps({"clips": [clip.key for clip in gone], "videos": videos}))
        return 0
    by_split = collections.Counter(str(clip.split) for clip in gone)
    for clip in gone[:_SHOWN]:
        print(f"{clip.key}  {clip.label or ''}".rstrip())
    if len(gone) > _SHOWN:
        print(f"and {len(gone) - _SHOWN:,} more")
    counts = ", ".join(f"{split} {count:,}" for split, count in sorted(by_split.items()))
    print(f"{len(gone):,} of {len(held.clips):,} clips are gone{': ' + counts if counts else ''}")
    return 0
