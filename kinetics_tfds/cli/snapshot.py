"""Writes down exactly which clips a store has, for a paper or for others; or compares two such files.

    kinetics snapshot kinetics600 --store=CLIPS --out=mine.parquet
    kinetics snapshot kinetics600 --store=CLIPS --compare theirs.parquet
    kinetics snapshot kinetics600 --compare mine.parquet theirs.parquet

`python -m beam_pipelines.acquire --snapshot=theirs.parquet` gets the same rows.
"""

from __future__ import annotations

import argparse
import json

from kinetics_tfds.cli.arguments import add_annotated_version, add_json
from kinetics_tfds.errors import ConfigError

SUMMARY = "write down exactly which clips a store has, or compare two such lists"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds this command's arguments."""
    add_annotated_version(parser)
    parser.add_argument("--store", help="the clip store: a folder or bucket")
    parser.add_argument("--out", metavar="FILE", help="where to write the snapshot: .parquet or .csv")
    parser.add_argument("--compare", nargs="+", metavar="FILE", default=[], help="one file and --store, or two files")
    parser.add_argument("--rehash", action="store_true", help="read every clip anew instead of trusting the ledger")
    parser.add_argument("--check", action="store_true", help="decode every clip; one that is damaged is left out")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Writes or compares; returns 0 also where two snapshots differ."""
    from kinetics_tfds.acquire.reports import snapshot

    given = [snapshot.read_snapshot(path) for path in args.compare]
    if args.store:
        entries = _take(args)
        given.insert(0, entries)
    elif not given:
        raise ConfigError("Neither --store nor --compare is given.", "Name a store, or two snapshots to compare.")
    if args.out and not args.store:
        raise ConfigError("--out needs --store.", "Name the store to take a snapshot of.")
    if args.compare and len(given) != 2:
        raise ConfigError(f"{len(given)} snapshots cannot be compared.", "Name one and --store, or two.")
    report = _compare(*given) if args.compare else _describe(given[0])
    if args.json:
        print(json.dumps(report, indent=2))
    else:
        for key, value in report.items():
            print(f"{key:14} {value:,}" if isinstance(value, int) else f"{key:14} {value}")
    return 0


def _take(args: argparse.Namespace) -> list:
    from kinetics_tfds.acquire.reports import snapshot
    from kinetics_tfds.acquire.run.rows import read_rows
    from kinetics_tfds.acquire.store.clip_store import open_store
    from kinetics_tfds.annotations.versions import get_version

    version = get_version(args.dataset)
    store = open_store(args.store, create=False)
    rows = read_rows(version, store, args.annotations, keep=False)
    entries = snapshot.take_snapshot(rows.clips, store, version, args.rehash, args.check)
    if args.out:
        about = {"version": version.name, "annotations_sha256": rows.digest(), "clips_sha256": snapshot.digest(entries)}
        snapshot.write_snapshot(args.out, entries, about)
    return entries


def _describe(entries: list) -> dict[str, int | str]:
    from kinetics_tfds.acquire.reports.snapshot import digest

    return {"clips": len(entries), "bytes": sum(entry.bytes for entry in entries), "sha256": digest(entries)}


def _compare(first: list, second: list) -> dict[str, int | str]:
    from kinetics_tfds.clip_sets.clip_set import from_entries
    from kinetics_tfds.clip_sets.difference import find_difference

    difference = find_difference(*(from_entries("", "snapshot", entries) for entries in (first, second)))
    other = difference.other_content or ()
    same = not (difference.only_a or difference.only_b or other)
    return {
        "same bytes": len(difference.both) - len(other),
        "other bytes": len(other),
        "only first": len(difference.only_a),
        "only second": len(difference.only_b),
        "verdict": "the same clips" if same else "not the same clips",
    }
