"""Writes the page and what it shows into a folder that any static host serves.

    index.html, assets/         the page; assets/static_site.js answers its questions from the files below
    data/site.json              counts of the whole collection, and the card of every exported clip
    data/clips/N/ROW.json       what the full view of a clip shows; N is ROW // 1000
    data/clips/N/ROW.frames     its thumbnails, see `answers.pack_frames`
    kinetics-browse.json        says that the folder is an export

Files are named by the number of a row: nothing that comes from the data becomes part of a path, or of HTML.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import pathlib
import shutil
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from kinetics_tfds.browse import answers, marks
from kinetics_tfds.browse.app import read_assets
from kinetics_tfds.browse.clip_table import AVAILABLE, ClipTable, Query
from kinetics_tfds.browse.collection import Collection
from kinetics_tfds.browse.headers import CONTENT_SECURITY_POLICY
from kinetics_tfds.browse.thumbnails import Thumbnails, read_thumbnails
from kinetics_tfds.errors import BrowseError, UsageError
from kinetics_tfds.file_systems import is_local
from kinetics_tfds.locks import try_lock

MARKER = "kinetics-browse.json"
_ENTRIES = frozenset({MARKER, "index.html", "assets", "data"})
_LOCK, _NEW, _OLD = "lock", "new", "old"
_ROWS_PER_FOLDER = 1000
# A policy in a page may not say who embeds it: browsers complain.
_POLICY = CONTENT_SECURITY_POLICY.partition("; frame-ancestors")[0]
_HEAD = (
    f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n<meta name="referrer" content="no-referrer">\n'
)


@dataclasses.dataclass(frozen=True)
class ExportLimits:
    """How much an export holds at most. Clips are taken from all classes in turn until either limit is reached.

    Attributes:
        clips: number of clips.
        megabytes: size of all files, in 10^6 bytes.
    """

    clips: int = 10_000
    megabytes: float = 500

    def __post_init__(self) -> None:
        if self.clips < 1 or not self.megabytes > 0:
            raise UsageError(
                f"An export of {self.clips} clips and {self.megabytes:g} MB holds nothing.",
                "Give --export_clips and --export_mb numbers above 0.",
            )


@dataclasses.dataclass(frozen=True)
class Export:
    """What was written.

    Attributes:
        folder: it is there.
        clips: exported.
        with_thumbnails: those of them that have pictures.
        rows: of the collection.
        bytes: of all files.
        limit: which limit left clips out, `clips` or `megabytes`; empty where everything is exported.
    """

    folder: pathlib.Path
    clips: int
    with_thumbnails: int
    rows: int
    bytes: int
    limit: str


def export_site(
    collection: Collection,
    folder: str | os.PathLike[str],
    limits: ExportLimits | None = None,
    on_clip: Callable[[int, int], None] = lambda done, total: None,
) -> Export:
    """Writes a static site beside the folder, and puts it in its place when it is complete.

    The same collection and limits give the same bytes. An earlier export in the folder is replaced.

    Args:
        collection: what to show.
        folder: on this machine; new, empty, or an earlier export.
        limits: on what is exported; the defaults where None.
        on_clip: called after each clip with how many are done, and how many may be exported at most.

    Raises:
        BrowseError: the folder holds something else, cannot be written, or the limits leave no room for a clip.
    """
    limits = limits or ExportLimits()
    try:
        target = _check_target(folder)
        with _scratch_folder(target) as scratch:
            site = _Site(collection, scratch / _NEW, limits)
            clips, with_thumbnails, limit = site.write(on_clip)
            _replace(scratch, target)
    except OSError as error:
        raise BrowseError(
            f"The export to {os.fspath(folder)} failed: {error.strerror or error}.",
            "Free some space, or choose another FOLDER.",
        ) from error
    return Export(target, clips, with_thumbnails, len(collection.table), site.bytes, limit)


def _check_target(folder: str | os.PathLike[str]) -> pathlib.Path:
    if not is_local(folder):
        raise BrowseError(
            f"{os.fspath(folder)} is not on this machine.", "Export to a folder here, and copy it from there."
        )
    target = pathlib.Path(os.path.abspath(os.path.expanduser(folder)))
    if not target.parent.is_dir():
        raise BrowseError(f"There is no folder {target.parent}.", "Make it first, or choose another FOLDER.")
    if not os.path.lexists(target):
        return target
    names = {each.name for each in target.iterdir()} if target.is_dir() and not target.is_symlink() else {""}
    if names and MARKER not in names:
        raise BrowseError(f"{target} was not written by an export.", "Choose a FOLDER that does not exist yet.")
    if foreign := sorted(names - _ENTRIES):
        raise BrowseError(
            f"{target} holds {foreign[0]}, which no export wrote and a new one would remove.",
            "Move it away, or choose a FOLDER that does not exist yet.",
        )
    return target


@contextlib.contextmanager
def _scratch_folder(target: pathlib.Path) -> Iterator[pathlib.Path]:
    """Gives a folder beside the target that is removed at the end; one that a killed export left is used again."""
    scratch = target.with_name(f".{target.name}.exporting")
    scratch.mkdir(exist_ok=True)
    lock = try_lock(scratch / _LOCK)
    if lock is None:
        raise BrowseError(f"Another export to {target} is running.", "Wait for it, or choose another FOLDER.")
    try:
        _put_back(scratch, target)
        for leftover in (_NEW, _OLD):
            if (scratch / leftover).exists():
                shutil.rmtree(scratch / leftover)
        yield scratch
    finally:
        _put_back(scratch, target)
        shutil.rmtree(scratch, ignore_errors=True)
        os.close(lock)


def _replace(scratch: pathlib.Path, target: pathlib.Path) -> None:
    if target.exists():
        target.rename(scratch / _OLD)
    (scratch / _NEW).rename(target)


def _put_back(scratch: pathlib.Path, target: pathlib.Path) -> None:
    """Undoes the first half of `_replace` where the second did not happen."""
    if (scratch / _OLD).exists() and not target.exists():
        (scratch / _OLD).rename(target)


class _Site:
    """Writes the files of one export."""

    def __init__(self, collection: Collection, folder: pathlib.Path, limits: ExportLimits) -> None:
        self._collection, self._folder, self._limits = collection, folder, limits
        self._bytes = 0

    def write(self, on_clip: Callable[[int, int], None]) -> tuple[int, int, str]:
        """Writes everything.

        Returns:
            How many clips there are, how many of them have thumbnails, and the limit that left clips out.
        """
        for name, data in read_assets().items():
            path, data = (name, _as_static(data)) if name == "index.html" else (f"assets/{name}", data)
            self._put(path, data)
        self._put(MARKER, _to_json({"export": 1, "title": self._collection.title}))
        rows = choose_rows(self._collection.table, self._limits.clips)
        site = self._describe()
        cards = self._write_clips(rows, len(_to_json(site)), on_clip)
        if rows and not cards:
            raise BrowseError(
                f"{self._limits.megabytes:g} MB have no room for a single clip.", "Raise --export_mb, or leave it out."
            )
        self._put("data/site.json", _to_json({**site, "clips": sorted(cards, key=lambda card: card["row"])}))
        left_out = len(cards) < len(self._collection.table)
        limit = ("clips" if len(cards) == len(rows) else "megabytes") if left_out else ""
        return len(cards), sum(card["has_thumbnails"] for card in cards), limit

    @property
    def bytes(self) -> int:
        """What has been written."""
        return self._bytes

    def _describe(self) -> dict[str, Any]:
        """Returns what the page shows of the collection as a whole, without paths of this machine."""
        about = answers.describe_collection(self._collection)
        counts = self._collection.table.count(Query())
        return {
            "collection": {name: about[name] for name in ("kind", "title", "rows", "splits", "flags")},
            "facets": {name: [each["value"] for each in values] for name, values in counts["facets"].items()},
            "classes": [{name: each[name] for name in ("name", "rows", "available")} for each in counts["classes"]],
            "marks": {"name": marks.default_name(about["title"]), "head": marks.HEAD},
            "clips": [],
        }

    def _write_clips(
        self, rows: Sequence[int], reserved: int, on_clip: Callable[[int, int], None]
    ) -> list[dict[str, Any]]:
        """Writes clips in the order of `rows` as long as there is room beside `reserved` bytes; returns their cards."""
        cards = []
        most = self._limits.megabytes * 1e6
        with contextlib.closing(read_thumbnails(self._collection, rows)) as pictures:
            for row, picture in zip(rows, pictures, strict=True):
                frames = answers.pack_frames(picture.frames) if isinstance(picture, Thumbnails) else b""
                card = answers.card(self._collection, row)
                card.update(playable=False, has_thumbnails=bool(frames))
                detail = _to_json(_describe_clip(self._collection, card["key"], picture))
                reserved += len(_to_json(card)) + 1
                if self._bytes + reserved + len(detail) + len(frames) > most:
                    break
                path = f"data/clips/{row // _ROWS_PER_FOLDER}/{row}"
                self._put(f"{path}.json", detail)
                if frames:
                    self._put(f"{path}.frames", frames)
                cards.append(card)
                on_clip(len(cards), len(rows))
        return cards

    def _put(self, path: str, data: bytes) -> None:
        file = self._folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
        self._bytes += len(data)


def choose_rows(table: ClipTable, most: int) -> list[int]:
    """Returns up to `most` rows, one of each class in turn: first those with a clip, in an order without a pattern."""
    keys = [f"{table.value('split', row)}/{clip_id}" for row, clip_id in enumerate(table.rows["id"].to_pylist())]
    shuffled = np.array(
        [int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest()) for key in keys], np.uint64
    )
    available = np.array([table.value("state", row) in AVAILABLE for row in range(len(table))], bool)
    classes = table.codes("label")
    order = np.lexsort((shuffled, ~available, classes))
    sizes = np.bincount(classes)
    turn = np.arange(len(table)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return order[np.argsort(turn, kind="stable")][:most].tolist()


def _describe_clip(collection: Collection, key: str, picture: Thumbnails | str | None) -> dict[str, Any]:
    """Returns what `answers.describe_clip` does, other clips by their keys alone, and times of the thumbnails."""
    found = answers.describe_clip(collection, key)
    del found["card"]
    return {
        **found,
        **{name: [card["key"] for card in found[name]] for name in ("siblings", "alike")},
        "problem": picture if isinstance(picture, str) else found["problem"],
        "media": None,  # not in the export
        "thumbnails": picture.timestamps if isinstance(picture, Thumbnails) else None,
    }


def _as_static(page: bytes) -> bytes:
    """Returns the page with its source of answers, and the policy that the server sends in a header."""
    page = page.replace(b'data-source="server"', b'data-source="static"')
    return page.replace(b'<meta charset="utf-8">\n', f'<meta charset="utf-8">\n{_HEAD}'.encode())


def _to_json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
