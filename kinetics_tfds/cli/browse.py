"""Opens a page in the browser to look at clips: of a prepared dataset, a clip store or folder, or a version's rows.

    kinetics browse kinetics600/jpeg256 --data_dir=DATA
    kinetics browse CLIPS
    kinetics browse kinetics600/jpeg256 --export=SITE

The page is served by this machine for this machine; it loads nothing from elsewhere, and nothing is decoded but by the
browser. Marked videos go into a text file that the setting `exclude` of a config takes. --export writes the page into a
folder instead, with a few small frames of each clip, for any static host.
"""

from __future__ import annotations

import argparse
import shlex
import sys
import time
from typing import TYPE_CHECKING

from kinetics_tfds.durations import format_duration

if TYPE_CHECKING:
    from kinetics_tfds.browse.collection import Collection

SUMMARY = "look at the clips of a dataset, store, folder or version in the browser"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds this command's arguments."""
    parser.add_argument(
        "what", metavar="WHAT", help="kinetics600/jpeg256, or a dataset's folder; a clip store or folder; kinetics600"
    )
    parser.add_argument("--data_dir", help="the root of datasets (default: TFDS's)")
    parser.add_argument(
        "--annotations",
        action="append",
        default=[],
        metavar="PATH",
        help="lists of a version, or of a folder without any",
    )
    parser.add_argument("--kinetics_version", metavar="NAME", help="of a folder whose lists do not tell it")
    parser.add_argument(
        "--marks", metavar="FILE", help="where marked videos are written (default: NAME-marks.txt, here)"
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: this machine alone)")
    parser.add_argument("--port", type=int, help="0 for any free one (default: the first free one from 8470)")
    parser.add_argument(
        "--allow_host",
        action="append",
        default=[],
        metavar="NAME",
        help="a further name by which browsers reach this machine",
    )
    parser.add_argument("--no_open", action="store_true", help="do not open the browser")
    export = parser.add_argument_group("export")
    export.add_argument(
        "--export",
        metavar="FOLDER",
        help="write the page into this folder instead, to be shared; an earlier export is replaced",
    )
    export.add_argument(
        "--export_clips",
        type=int,
        metavar="N",
        help="at most this many clips, from all classes in turn (default: 10000)",
    )
    export.add_argument("--export_mb", type=float, metavar="MB", help="at most this size of all files (default: 500)")


def run(args: argparse.Namespace) -> int:
    """Serves the page until Ctrl-C, or exports it; returns 0."""
    from kinetics_tfds.browse.open_collection import open_collection
    from kinetics_tfds.errors import UsageError

    if args.export is None and (args.export_clips, args.export_mb) != (None, None):
        raise UsageError("--export_clips and --export_mb limit an export.", "Add --export=FOLDER.")
    collection = open_collection(args.what, args.data_dir, args.annotations, args.kinetics_version)
    if args.export is None:
        _serve(collection, args)
    else:
        _export(collection, args)
    return 0


def _serve(collection: Collection, args: argparse.Namespace) -> None:
    from kinetics_tfds.browse.marks import Marks, default_name
    from kinetics_tfds.browse.serve import serve

    marks = Marks(args.marks or default_name(collection.title))
    serve(collection, marks, args.host, args.port, tuple(args.allow_host), open_browser=not args.no_open)


def _export(collection: Collection, args: argparse.Namespace) -> None:
    from kinetics_tfds.browse.static_site import ExportLimits, export_site

    given = {"clips": args.export_clips, "megabytes": args.export_mb}
    limits = ExportLimits(**{name: value for name, value in given.items() if value is not None})
    done = export_site(collection, args.export, limits, _Progress().clip_done)
    print(
        f"{collection.title}: {done.clips:,} of {done.rows:,} clips, {done.with_thumbnails:,} with pictures, "
        f"{done.bytes / 1e6:,.1f} MB in {done.folder}"
    )
    if done.limit:
        option = {"clips": f"--export_clips={limits.clips}", "megabytes": f"--export_mb={limits.megabytes:g}"}[
            done.limit
        ]
        print(f"Left out: {done.rows - done.clips:,} clips, evenly from all classes, by {option}.")
    print(f"To look at it: python -m http.server --bind 127.0.0.1 --directory {shlex.quote(str(done.folder))}")


class _Progress:
    """Says now and then how far the export is: often where someone is watching, once a minute in a file."""

    def __init__(self) -> None:
        self._started = self._said = time.monotonic()
        self._pause = 2 if sys.stderr.isatty() else 60

    def clip_done(self, done: int, total: int) -> None:
        """Takes how many clips are done, and how many there will be at most."""
        now = time.monotonic()
        if now - self._said > self._pause:
            self._said = now
            left = format_duration((now - self._started) / done * (total - done))
            print(f"kinetics browse: {done:,} of {total:,} clips, {left} left", file=sys.stderr)
