"""Makes a version of a dataset without some of its videos.

    kinetics prune kinetics600/jpeg256 --ids=requests.txt --reason="asked by their owners" --data_dir=DATA
    kinetics prune kinetics600/jpeg256 --not_in=today.tar.gz --data_dir=DATA

Records are copied, nothing is decoded, and neither lists nor clips are needed. The old version stays unless --replace
is given. `removed.json` beside the shards says what was removed and why, and later updates leave it out; with
--forget_ids nothing in the new version names the videos any more, and you have to remove their clips from your store as
well. The same command, given again after a stop or a crash, goes on where it stopped.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from kinetics_tfds.cli.arguments import add_prepared_dataset, add_runner

if TYPE_CHECKING:
    from apache_beam.options.pipeline_options import PipelineOptions

SUMMARY = "make a version of a dataset without some videos"
TAKES_BEAM_OPTIONS = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds this command's arguments."""
    add_prepared_dataset(parser)
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--ids", metavar="FILE", help="a text file with one YouTube id a line")
    which.add_argument("--not_in", metavar="LIST", help="remove what is no longer in this list, or folder of lists")
    parser.add_argument("--reason", help="why, for the record")
    parser.add_argument("--forget_ids", action="store_true", help="leave the ids out of the record and the manifest")
    parser.add_argument("--replace", action="store_true", help="remove the version that was pruned")
    parser.add_argument("--dry_run", action="store_true", help="say how much would be removed, and remove nothing")
    add_runner(parser)


def run(args: argparse.Namespace, options: PipelineOptions | None = None) -> int:
    """Prunes; returns 0."""
    from kinetics_tfds.annotations.exclude import read_id_list
    from kinetics_tfds.clip_sets.clip_set import open_clip_set
    from kinetics_tfds.clip_sets.gone import find_gone
    from kinetics_tfds.prepared.dataset import find_prepared, open_prepared

    folder = find_prepared(args.dataset, args.data_dir)
    held = open_clip_set(str(folder))
    if args.ids:
        videos = read_id_list(args.ids)
    else:
        listed = open_clip_set(args.not_in, version=open_prepared(folder).identity.dataset)
        videos = {clip.youtube_id for clip in find_gone(held, listed)}
    clips = sum(clip.youtube_id in videos for clip in held.clips.values())
    print(f"{len(videos):,} videos to remove; {clips:,} of {len(held.clips):,} clips are theirs")
    if args.dry_run:
        return 0
    from kinetics_tfds.pruning import prune

    reason = args.reason or ("no longer in the list" if args.not_in else "removed on request")
    target = prune(
        folder,
        videos,
        reason=reason,
        keep_ids=not args.forget_ids,
        replace=args.replace,
        beam_options=options,
    )
    print(f"{folder} holds none of them" if target == folder else f"{target} lacks them")
    return 0
