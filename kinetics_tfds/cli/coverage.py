"""Says which annotation rows a clip store has, which are gone, and why.

Counts by split, class and reason go to the terminal; --json for scripts, --parquet with one row for each annotation
row, --png as a picture, --html as a page to browse the clips by class.
"""

from __future__ import annotations

import argparse
import json
import pathlib

from kinetics_tfds.cli.arguments import add_annotated_version, add_json
from kinetics_tfds.cli.output import write_output
from kinetics_tfds.printable import printable

SUMMARY = "which rows a clip store has, which are gone, which are pending, and why"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds this command's arguments."""
    add_annotated_version(parser)
    parser.add_argument("--store", required=True, help="the clip store: a folder or bucket")
    parser.add_argument("--worst", type=int, default=10, help="how many of the least covered classes to list")
    parser.add_argument("--check", action="store_true", help="decode every clip; one that is damaged does not count")
    add_json(parser)
    parser.add_argument("--parquet", metavar="FILE", help="write one row for each annotation row")
    parser.add_argument("--attempts", metavar="FILE", help="write the ledger, one row an attempt, as Parquet")
    parser.add_argument("--png", metavar="FILE", help="write a picture: classes, reasons, link rot")
    parser.add_argument("--html", metavar="FILE", help="write a page to browse the clips by class")


def run(args: argparse.Namespace) -> int:
    """Prints the counts and writes what was asked for."""
    from kinetics_tfds.acquire.ledger.attempt import ledger_table
    from kinetics_tfds.acquire.ledger.ledger import read_ledger
    from kinetics_tfds.acquire.reports import coverage
    from kinetics_tfds.acquire.reports.clip_status import find_statuses
    from kinetics_tfds.acquire.run.rows import read_rows
    from kinetics_tfds.acquire.store.clip_store import open_store
    from kinetics_tfds.annotations.versions import get_version
    from kinetics_tfds.parquet import write_parquet

    version = get_version(args.dataset)
    store = open_store(args.store, create=False)
    rows = read_rows(version, store, args.annotations, keep=False)
    statuses = list(find_statuses(rows.clips, store, version, args.check))
    counted = coverage.count_rows(version, rows.digest(), statuses)
    if args.json:
        print(json.dumps(counted.as_json(), indent=2))
    else:
        print(printable(coverage.format_table(counted, args.worst), keep_newlines=True))
    if args.parquet:
        write_output(args.parquet, lambda path: write_parquet(path, coverage.statuses_table(statuses)))
    if args.attempts:
        write_output(args.attempts, lambda path: write_parquet(path, ledger_table(read_ledger(store))))
    if args.png:
        from kinetics_tfds.acquire.reports.picture import draw_png

        write_output(args.png, lambda path: pathlib.Path(path).write_bytes(draw_png(counted)))
    if args.html:
        from kinetics_tfds.acquire.reports.page import make_page

        write_output(
            args.html, lambda path: pathlib.Path(path).write_text(make_page(version, statuses), encoding="utf-8")
        )
    return 0
