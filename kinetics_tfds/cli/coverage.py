"""Says which annotation rows a clip store has, which are gone, and why.

Counts by split, class and reason go to the terminal; --json for scripts, --parquet with one row for each annotation
row, --png as a picture, --html as a page to browse the clips by class.
"""

from __future__ import annotations

import argparse
import json

SUMMARY = "which rows a clip store has, which are gone, which are pending, and why"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds this command's arguments."""
    parser.add_argument("dataset", help="kinetics400, kinetics600, kinetics700 or kinetics700_2020")
    parser.add_argument("--store", required=True, help="the clip store: a folder or bucket")
    parser.add_argument("--annotations", action="append", default=[], metavar="PATH", help="lists, if not in the store")
    parser.add_argument("--worst", type=int, default=10, help="how many of the least covered classes to list")
    parser.add_argument("--json", action="store_true", help="print one JSON object, for scripts")
    parser.add_argument("--parquet", metavar="FILE", help="write one row for each annotation row")
    parser.add_argument("--attempts", metavar="FILE", help="write the ledger, one row an attempt, as Parquet")
    parser.add_argument("--png", metavar="FILE", help="write a picture: classes, reasons, link rot")
    parser.add_argument("--html", metavar="FILE", help="write a page to browse the clips by class")


def run(args: argparse.Namespace) -> int:
    """Prints the counts and writes what was asked for."""
    from kinetics_tfds.acquire.ledger import records as ledger
    from kinetics_tfds.acquire.reports import coverage
    from kinetics_tfds.acquire.reports.clip_status import find_standings
    from kinetics_tfds.acquire.run.rows import read_rows
    from kinetics_tfds.acquire.store.clip_store import open_store
    from kinetics_tfds.annotations.versions import get_version

    version = get_version(args.dataset)
    store = open_store(args.store, create=False)
    rows = read_rows(version, store, args.annotations, keep=False)
    standings = list(find_standings(rows.clips, store, version))
    counted = coverage.count(version, rows.digest(), standings)
    print(json.dumps(counted.as_json(), indent=2) if args.json else coverage.format_table(counted, args.worst))
    if args.parquet:
        _write_parquet(coverage.to_table(standings), args.parquet)
    if args.attempts:
        _write_parquet(ledger.to_table(ledger.read_ledger(store)), args.attempts)
    if args.png:
        from kinetics_tfds.acquire.reports.picture import write_png

        write_png(counted, args.png)
    if args.html:
        from kinetics_tfds.acquire.reports.browse import write_page

        write_page(args.html, version, standings)
    return 0


def _write_parquet(table, path: str) -> None:
    from kinetics_tfds.errors import AcquireError
    from kinetics_tfds.parquet import write_parquet

    try:
        write_parquet(path, table)
    except OSError as error:
        raise AcquireError(f"The table {path!r} cannot be written: {error}", "Choose another place.") from error
