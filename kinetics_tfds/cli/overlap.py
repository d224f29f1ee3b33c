"""Counts what two splits share: videos, clips, footage, and clips that changed their class.

    kinetics overlap kinetics400/validation kinetics700/train --annotations LISTS

Without a split all splits of a version are meant. LISTS is a folder with the annotation files of both versions, at any
depth; the version stands in the files' names or in the nearest folder's.
"""

from __future__ import annotations

import argparse
import json
import pathlib
from typing import Any

from kinetics_tfds.annotations.clip import Clip
from kinetics_tfds.annotations.overlap import Overlap, find_overlap, parse_clip_set, read_one_version
from kinetics_tfds.clips.inputs import find_lists
from kinetics_tfds.tables import format_table

SUMMARY = "count the clips and videos that two versions or splits share"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("a", metavar="A", help="a version, or a split of it: kinetics400/validation")
    parser.add_argument("b", metavar="B", help="what to compare it with: kinetics700/train")
    parser.add_argument(
        "--annotations", metavar="DIR", required=True, action="append", help="folder of annotation files; repeatable"
    )
    parser.add_argument("--examples", type=int, default=5, metavar="N", help="relabelled clips to show (default 5)")
    parser.add_argument("--ids", metavar="FILE", help="write the shared videos' ids here, for the setting `exclude`")
    parser.add_argument("--json", action="store_true", help="print JSON, with all shared videos and relabelled clips")


def run(args: argparse.Namespace) -> int:
    """Runs the command."""
    a, b = parse_clip_set(args.a), parse_clip_set(args.b)
    files = find_lists(args.annotations)
    sets = {version: read_one_version(version, files) for version in {a.version, b.version}}
    overlap = find_overlap(a, a.choose(sets[a.version]), b, b.choose(sets[b.version]))
    if args.ids:
        pathlib.Path(args.ids).write_text("".join(f"{video}\n" for video in overlap.shared_videos), encoding="utf-8")
    print(json.dumps(_as_json(overlap), indent=1) if args.json else _as_table(overlap, args.examples))
    return 0


def _as_table(overlap: Overlap, examples: int) -> str:
    a, b = str(overlap.a), str(overlap.b)
    clips_a, clips_b = overlap.clips
    rows = [
        ("clips", f"{clips_a:,}", f"{clips_b:,}"),
        ("videos", f"{overlap.videos[0]:,}", f"{overlap.videos[1]:,}"),
        ("videos in both", *_shares(len(overlap.shared_videos), overlap.videos)),
        ("clips with the same times", *_shares(len(overlap.same_clips), overlap.clips)),
        ("clips that share footage", *_shares_of_clips(overlap)),
    ]
    lines = [format_table(("", a, b), rows)]
    labelled = sum(None not in (one.label, other.label) for one, other in overlap.same_footage)
    lines.append(
        f"\n{labelled:,} pairs share footage and have labels; {len(overlap.relabelled):,} have another in {b}."
    )
    lines += [f"  {one.id}  {one.label} -> {other.label}" for one, other in overlap.relabelled[:examples]]
    return "\n".join(lines)


def _shares(count: int, totals: tuple[int, int]) -> tuple[str, str]:
    left, right = (f"{count:,} ({count / total:.1%})" for total in totals)
    return left, right


def _shares_of_clips(overlap: Overlap) -> tuple[str, str]:
    # A clip may meet two of the other side; it counts once.
    left = len({pair[0] for pair in overlap.same_footage})
    right = len({pair[1] for pair in overlap.same_footage})
    return f"{left:,} ({left / overlap.clips[0]:.1%})", f"{right:,} ({right / overlap.clips[1]:.1%})"


def _as_json(overlap: Overlap) -> dict[str, Any]:
    return {
        "a": {"name": str(overlap.a), "clips": overlap.clips[0], "videos": overlap.videos[0]},
        "b": {"name": str(overlap.b), "clips": overlap.clips[1], "videos": overlap.videos[1]},
        "shared_videos": list(overlap.shared_videos),
        "same_clips": len(overlap.same_clips),
        "same_footage": len(overlap.same_footage),
        "relabelled": [{"a": _clip(one), "b": _clip(other)} for one, other in overlap.relabelled],
    }


def _clip(clip: Clip) -> dict[str, Any]:
    return {"id": clip.id, "split": str(clip.split), "label": clip.label}
