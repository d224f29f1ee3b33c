"""What a build starts from: annotation rows, and the files that hold their clips."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import posixpath
import shutil
import tempfile
from collections.abc import Callable, Sequence
from typing import Any

from kinetics_tfds.annotations import AnnotationSet, is_annotation_file, possible_files, read_annotations
from kinetics_tfds.annotations.versions import KineticsVersion
from kinetics_tfds.clips.listing import Listing, list_folder
from kinetics_tfds.clips.match import Matches, match_clips
from kinetics_tfds.errors import AnnotationError, ClipsError, KineticsError
from kinetics_tfds.file_systems import is_local, open_file


@dataclasses.dataclass(frozen=True)
class Inputs:
    """Rows and files of one Kinetics version.

    Attributes:
        root: the folder of clips.
        annotations: the rows.
        annotation_files: local paths of the annotation files in the folder, of this version and of others.
        listing: the folder's files.
        matches: which file holds which row's clip.
    """

    root: str
    annotations: AnnotationSet
    annotation_files: tuple[str, ...]
    listing: Listing
    matches: Matches

    def describe(self) -> str:
        """Returns a few lines for people: lists, rows, files."""
        matches = self.matches
        lines = [
            self.annotations.describe(),
            f"Clips in {self.root}: {len(self.listing.media):,} media files, {len(matches.found):,} rows found, "
            f"{len(matches.missing):,} missing, {len(matches.unclaimed):,} files that no row names",
        ]
        if matches.ambiguous:
            each = matches.ambiguous[0]
            lines.append(
                f"  {len(matches.ambiguous):,} rows have several files; for {each.clip.id} {each.chosen} was chosen "
                f"over {each.others[0]} by {each.why}"
            )
        if matches.label_conflicts:
            each = matches.label_conflicts[0]
            lines.append(
                f"  {len(matches.label_conflicts):,} files lie in another class's folder than their row says (the row "
                f"counts): {each.path} is {each.clip.label!r}"
            )
        lines += [f"  not readable: {folder}" for folder in self.listing.unreadable[:5]]
        return "\n".join(lines)


def read_inputs(
    root: str, version: KineticsVersion, download: Callable[[Sequence[str]], Sequence[Any]] | None = None
) -> Inputs:
    """Lists a folder once, reads the annotation files in it and finds every row's clip.

    Args:
        root: the folder of clips, local or remote, in any layout.
        version: of Kinetics.
        download: fetches the official lists, given their URLs, where the folder holds none.

    Raises:
        ClipsError: the folder cannot be listed.
        AnnotationError: an annotation file cannot be used, or there is none and none can be fetched.
    """
    listing = list_folder(root)
    files = _annotation_files(root, listing)
    if not possible_files(version, files) and download is not None:
        annotations = read_annotations(version, _download(version, download))
    else:
        annotations = read_annotations(version, files)
    return Inputs(root, annotations, files, listing, match_clips(annotations.clips, listing, version))


def _annotation_files(root: str, listing: Listing) -> tuple[str, ...]:
    names = [path for path in listing.others if is_annotation_file(path)]
    if is_local(root):
        return tuple(os.path.join(root, *name.split("/")) for name in names)
    folder = _Copies.folder()
    return tuple(_copy(root, name, folder) for name in names)


class _Copies:
    """Copies of remote lists; they go when the process ends."""

    _kept: tempfile.TemporaryDirectory[str] | None = None

    @classmethod
    def folder(cls) -> str:
        """Returns a new empty folder."""
        if cls._kept is None:
            cls._kept = tempfile.TemporaryDirectory(prefix="kinetics-lists-")
        return tempfile.mkdtemp(dir=cls._kept.name)


def _copy(root: str, name: str, folder: str) -> str:
    """Copies a remote list, folders and all: they may tell which version it is of."""
    local = pathlib.Path(folder, *name.split("/"))
    local.parent.mkdir(parents=True, exist_ok=True)
    try:
        with open_file(posixpath.join(root, name)) as source, open(local, "wb") as target:
            shutil.copyfileobj(source, target)
    except Exception as error:  # each file system brings its own classes of errors
        raise ClipsError(
            f"Cannot read {root}/{name}: {type(error).__name__}: {error}", "Check the credentials and the connection."
        ) from error
    return os.fspath(local)


def _download(version: KineticsVersion, download: Callable[[Sequence[str]], Sequence[Any]]) -> list[Any]:
    try:
        return list(download(version.annotation_urls))
    except KineticsError:
        raise
    except Exception as error:  # the network, a proxy, a checksum: TFDS and its libraries have a class for each
        raise AnnotationError(
            f"The folder of clips holds no annotation file of {version.title}, and "
            f"{', '.join(version.annotation_urls)} cannot be downloaded: {type(error).__name__}: {error}",
            "Put annotation files anywhere in the folder of clips (docs/annotations.md says which), or try again with "
            "a connection.",
        ) from error
