"""A set of clips: read from a prepared dataset, a manifest, a clip store, a snapshot or annotation lists."""

from __future__ import annotations

import dataclasses
import os
import posixpath
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from kinetics_tfds.annotations.clip import Clip
from kinetics_tfds.annotations.names import version_of, version_of_folders
from kinetics_tfds.annotations.overlap import is_clip_set, parse_clip_set, read_one_version
from kinetics_tfds.annotations.versions import VERSIONS, KineticsVersion, get_version
from kinetics_tfds.clips.inputs import find_lists
from kinetics_tfds.clips.listing import list_folder
from kinetics_tfds.errors import AnnotationError, ClipSetError
from kinetics_tfds.file_systems import is_local

# What tells whether two sets have the same content of a clip.
RECORD_DIGEST = "record"
FILE_HASH = "file"


@dataclasses.dataclass(frozen=True)
class ClipSet:
    """Clips by key.

    Attributes:
        name: what the user called it.
        kind: `dataset`, `store`, `snapshot` or `lists`, for people.
        clips: by `Clip.key`.
        hashes: of each clip's content, by key; empty where only rows are known.
        hash_kind: what was hashed, RECORD_DIGEST or FILE_HASH; empty where nothing was. Only one kind compares.
    """

    name: str
    kind: str
    clips: Mapping[str, Clip]
    hashes: Mapping[str, str] = dataclasses.field(default_factory=dict)
    hash_kind: str = ""


def open_clip_set(
    what: str, *, version: str | None = None, data_dir: str | None = None, lists: Sequence[str] = ()
) -> ClipSet:
    """Reads a set of clips.

    Args:
        what: one of: a prepared dataset (`kinetics600/jpeg256`, or its folder), a `manifest.parquet`, a snapshot
            (`.parquet`, `.csv`), an annotation list or a folder of lists, a clip store or folder of clips, or rows of
            `lists` by the name of a version or split (`kinetics600/validation`).
        version: of Kinetics, for stores and lists whose names do not tell it.
        data_dir: the root of datasets.
        lists: annotation files, or folders of some, for rows that are named.

    Raises:
        ClipSetError: `what` is none of these.
        KineticsError: it cannot be read.
    """
    if what.endswith(".parquet"):
        return _from_parquet(what)
    if _is_prepared(what):
        return _from_dataset(what, data_dir)
    if is_clip_set(what) and not os.path.exists(what):
        return _from_name(what, data_dir, lists)
    if is_local(what) and not os.path.exists(os.path.expanduser(what)):
        raise ClipSetError(
            f"{what!r} is no file, folder, dataset or version.",
            "Name a prepared dataset (kinetics600/jpeg256), a manifest, a clip store, a snapshot, an annotation list; "
            "or kinetics600/validation, with --annotations.",
        )
    if is_local(what) and os.path.isfile(os.path.expanduser(what)):
        return _from_snapshot(what) if _is_snapshot(what) else _from_lists(what, [what], version)
    return _from_folder(what, version)


def _is_prepared(what: str) -> bool:
    from kinetics_tfds.prepared.dataset import is_prepared_folder

    return is_prepared_folder(what)


def _from_dataset(what: str, data_dir: str | None) -> ClipSet:
    from kinetics_tfds.prepared.dataset import find_prepared
    from kinetics_tfds.shards.manifest import read_manifest

    return _from_manifest(what, read_manifest(find_prepared(what, data_dir)))


def _from_name(what: str, data_dir: str | None, lists: Sequence[str]) -> ClipSet:
    """Reads what a text like `kinetics600/jpeg256` or `kinetics600/validation` names: a dataset, or rows of lists."""
    from kinetics_tfds.errors import VerifyError

    try:
        named = parse_clip_set(what)
    except AnnotationError:
        return _from_dataset(what, data_dir)
    if not lists:
        try:
            return _from_dataset(what, data_dir)
        except VerifyError as error:
            raise ClipSetError(
                f"{what} names annotation rows, but no lists are given; and no dataset of that name is prepared.",
                f"Add --annotations=FOLDER with the lists, or: {error.next_step}",
            ) from error
    rows = read_one_version(named.version, find_lists(lists))
    return ClipSet(what, "lists", _by_key(named.choose(rows)))


def _from_parquet(what: str) -> ClipSet:
    import pyarrow as pa

    from kinetics_tfds.parquet import open_parquet

    try:
        with open_parquet(what) as file:
            is_manifest = "digest" in file.schema_arrow.names
            table = file.read() if is_manifest else None
    except (OSError, pa.ArrowException) as error:
        raise ClipSetError(f"Cannot read {what}: {error}", "Name a manifest or a snapshot.") from error
    return _from_snapshot(what) if table is None else _from_manifest(what, table)


def _from_manifest(what: str, table: Any) -> ClipSet:
    import pyarrow.compute as pc

    rows = table.filter(pc.field("state") == "written").to_pylist()
    clips = {row["split"] + "/" + row["id"]: Clip.from_row(row) for row in rows}
    hashes = {key: row["digest"] for key, row in zip(clips, rows, strict=True)}
    return ClipSet(what, "dataset", clips, hashes, RECORD_DIGEST)


def _from_snapshot(what: str) -> ClipSet:
    from kinetics_tfds.acquire.reports.snapshot import read_snapshot

    return from_entries(what, "snapshot", read_snapshot(what))


def from_entries(what: str, kind: str, entries: Iterable[Any]) -> ClipSet:
    """Returns the clips of a snapshot's entries, by the hashes of their files."""
    by_key = {entry.clip.key: entry for entry in entries}
    return ClipSet(
        what,
        kind,
        {key: entry.clip for key, entry in by_key.items()},
        {key: entry.sha256 for key, entry in by_key.items()},
        FILE_HASH,
    )


def _from_folder(what: str, version: str | None) -> ClipSet:
    """Reads a clip store or a folder of clips; a folder that holds only lists is read as lists."""
    from kinetics_tfds.acquire.reports.snapshot import take_snapshot
    from kinetics_tfds.acquire.run.rows import read_rows
    from kinetics_tfds.acquire.store.clip_store import open_store

    listing = list_folder(what)
    lists = find_lists([what])
    if not listing.media and lists:
        return _from_lists(what, lists, version)
    kinetics = version_of_lists(what, version, lists)
    store = open_store(what, create=False)
    rows = read_rows(kinetics, store, keep=False)
    return from_entries(what, "store", take_snapshot(rows.clips, store, kinetics))


def _from_lists(what: str, files: Sequence[str], version: str | None) -> ClipSet:
    rows = read_one_version(version_of_lists(what, version, files), files)
    return ClipSet(what, "lists", _by_key(rows.clips))


def version_of_lists(what: str, version: str | None, lists: Sequence[str]) -> KineticsVersion:
    """Returns the version that is named, or that a folder's or its lists' names tell.

    Raises:
        ClipSetError: they tell none, or several.
    """
    if version is not None:
        return get_version(version)
    paths = (what, *lists)
    told = {version_of(posixpath.basename(path)) or version_of_folders(path) for path in paths} - {None}
    if len(told) == 1:
        return get_version(str(told.pop()))
    raise ClipSetError(
        f"Nothing tells which version of Kinetics {what} is of.", f"Add --kinetics_version={'|'.join(VERSIONS)}."
    )


def _is_snapshot(path: str) -> bool:
    with open(os.path.expanduser(path), encoding="utf-8", errors="replace") as file:
        return "sha256" in file.readline()


def _by_key(clips: Iterable[Clip]) -> dict[str, Clip]:
    return {clip.key: clip for clip in clips}
