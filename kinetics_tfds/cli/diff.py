"""Compares two sets of clips: datasets, manifests, clip stores, snapshots, official lists.

    kinetics diff kinetics600/jpeg256 kinetics600/validation --annotations=LISTS --data_dir=DATA
    kinetics diff CLIPS theirs.parquet

Says which clips only one of them has, which have other labels, and which have other bytes where both know theirs: two
datasets by their records, stores and snapshots by their files. Exit code 0 whether they differ or not.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from kinetics_tfds.cli.arguments import VERSION_NAMES, add_json

if TYPE_CHECKING:
    from kinetics_tfds.annotations.clip import Clip
    from kinetics_tfds.clip_sets.difference import Difference

SUMMARY = "compare two datasets, stores, snapshots or lists, clip by clip"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds this command's arguments."""
    what = "a dataset or its folder, manifest.parquet, store, snapshot, list, or kinetics600/validation"
    parser.add_argument("a", metavar="A", help=what)
    parser.add_argument("b", metavar="B", help="what to compare it with, likewise")
    parser.add_argument("--data_dir", help="the root of datasets (default: TFDS's)")
    parser.add_argument(
        "--annotations", action="append", default=[], metavar="PATH", help="lists, where A or B names rows of them"
    )
    parser.add_argument(
        "--kinetics_version", metavar="NAME", help=f"{VERSION_NAMES}, where no name of a store or list tells it"
    )
    parser.add_argument("--examples", type=int, default=5, metavar="N", help="clips of each kind to show (default: 5)")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Compares; returns 0."""
    from kinetics_tfds.clip_sets.clip_set import open_clip_set
    from kinetics_tfds.clip_sets.difference import find_difference

    a, b = (
        open_clip_set(what, version=args.kinetics_version, data_dir=args.data_dir, lists=args.annotations)
        for what in (args.a, args.b)
    )
    difference = find_difference(a, b)
    print(json.dumps(difference.to_json(), indent=1) if args.json else format_difference(difference, args.examples))
    return 0


def format_difference(difference: Difference, examples: int) -> str:
    """Returns the difference as lines of text."""
    from kinetics_tfds.printable import printable

    a, b = difference.a, difference.b
    lines = [f"A: {printable(each.name)} ({each.kind}), {len(each.clips):,} clips" for each in (a, b)]
    lines[1] = "B" + lines[1][1:]
    lines.append("")
    for split, (both, held) in difference.coverage().items():
        lines.append(f"A has {both / held:.1%} of B's {split}: {both:,} of {held:,}")
    lines += _some("only in A", difference.only_a, examples) + _some("only in B", difference.only_b, examples)
    lines.append(f"other labels: {len(difference.other_labels):,}")
    lines += [f"  {one.key}: {one.label!r} in A, {two.label!r} in B" for one, two in difference.other_labels[:examples]]
    if difference.other_content is None:
        lines.append("other bytes: not comparable, since A and B do not both know the same kind of content")
    else:
        lines += _some("other bytes", difference.other_content, examples)
    lines += ["", "the same clips" if difference.is_empty else "not the same clips"]
    return "\n".join(lines)


def _some(title: str, clips: Sequence[Clip], examples: int) -> list[str]:
    return [f"{title}: {len(clips):,}", *(f"  {clip.key}  {clip.label or ''}".rstrip() for clip in clips[:examples])]
