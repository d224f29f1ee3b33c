"""Opens a page in the browser to look at clips: of a prepared dataset, a clip store or folder, or a version's rows.

    kinetics browse kinetics600/jpeg256 --data_dir=DATA
    kinetics browse CLIPS

The page is served by this machine for this machine; it loads nothing from elsewhere, and nothing is decoded but by the
browser. Marked videos go into a text file that the setting `exclude` of a config takes.
"""

from __future__ import annotations

import argparse
import re

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


def run(args: argparse.Namespace) -> int:
    """Serves the page until Ctrl-C; returns 0."""
    from kinetics_tfds.browse.marks import Marks
    from kinetics_tfds.browse.open_collection import open_collection
    from kinetics_tfds.browse.serve import serve

    collection = open_collection(args.what, args.data_dir, args.annotations, args.kinetics_version)
    marks = Marks(args.marks or default_marks(collection.title))
    serve(collection, marks, args.host, args.port, tuple(args.allow_host), open_browser=not args.no_open)
    return 0


def default_marks(title: str) -> str:
    """Returns the name of the file of marks of a collection.

    >>> default_marks("kinetics600/jpeg256:1.0.0")
    'kinetics600-jpeg256-1.0.0-marks.txt'
    """
    return re.sub(r"[^\w.]+", "-", title).strip("-") + "-marks.txt"
