"""Checks before acquiring: yt-dlp's age, JavaScript runtime, disk, rights, cookies, and how long it will take.

Exit code 1 if something will not work; warnings alone are 0.
"""

from __future__ import annotations

import argparse
import dataclasses
import json

from kinetics_tfds.cli.arguments import add_annotated_version, add_json
from kinetics_tfds.printable import printable

SUMMARY = "check this machine, the store and the config before acquiring"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds this command's arguments."""
    add_annotated_version(parser)
    parser.add_argument("--store", required=True, help="the clip store: a folder or bucket")
    parser.add_argument("--config", help="YAML as for acquiring; YouTube as a guest if left out")
    parser.add_argument(
        "--try",
        dest="video",
        nargs="?",
        const="jNQXAC9IVRw",  # the first one of all: 19 seconds, public, and in no Kinetics
        metavar="VIDEO",
        help="fetch one video from YouTube (a known one if no id is given), to see whether this address is refused",
    )
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Prints the findings."""
    from kinetics_tfds.acquire.config import read_config
    from kinetics_tfds.acquire.reports.doctor import Finding, Level, examine
    from kinetics_tfds.acquire.run.rows import read_rows
    from kinetics_tfds.acquire.siblings import find_siblings
    from kinetics_tfds.acquire.store.clip_store import open_store
    from kinetics_tfds.acquire.store.intact import intact_clips
    from kinetics_tfds.annotations.versions import get_version
    from kinetics_tfds.errors import AnnotationError

    version = get_version(args.dataset)
    config = read_config(args.config)
    store = open_store(args.store)
    findings: list[Finding] = []
    try:
        clips = read_rows(version, store, args.annotations, keep=False).clips
        have = intact_clips(clips, store, version, find_siblings(clips))
        missing = [clip for clip in clips if clip not in have]
        findings.append(Finding("rows", Level.OK, f"{len(clips):,} of {version.title}, {len(have):,} in the store"))
    except AnnotationError as error:
        missing = []
        findings.append(Finding("rows", Level.FAILURE, error.problem, error.next_step))
    findings += examine(store, config, missing, args.video)
    if args.json:
        print(json.dumps([dataclasses.asdict(finding) for finding in findings], indent=2))
    else:
        for finding in findings:
            print(f"{finding.level:8} {finding.check:20} {printable(finding.what)}")
            if finding.next_step:
                print(f"{'':29} -> {printable(finding.next_step)}")
    return 1 if any(finding.level is Level.FAILURE for finding in findings) else 0
