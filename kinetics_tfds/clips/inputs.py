"""What a build starts from: annotation rows, and the files that hold their clips."""

from __future__ import annotations

import dataclasses
import functools
import os
import pathlib
import posixpath
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from kinetics_tfds.annotations.annotation_set import AnnotationSet
from kinetics_tfds.annotations.names import is_annotation_file
from kinetics_tfds.annotations.read import possible_files, read_annotations
from kinetics_tfds.annotations.versions import KineticsVersion
from kinetics_tfds.clips.listing import Listing, list_folder
from kinetics_tfds.clips.match import Matches, match_clips
from kinetics_tfds.errors import AnnotationError, ClipsError, KineticsError
from kinetics_tfds.file_systems import is_local, open_file
from kinetics_tfds.printable import printable

# What pathlib makes of the URLs that epath does not know: `abfs://clips` becomes `abfs:/clips`.
_MANGLED_URL = re.compile(r"^([a-z][a-z0-9+.-]+):/(?!/)")


@dataclasses.dataclass(frozen=True)
class Inputs:
    """Rows and files of one Kinetics version.

    Attributes:
        root: the folder of clips.
        annotations: the rows.
        annotation_files: local paths of the folder's annotation files, of this version and of others.
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
            f"Clips in {printable(self.root)}: {len(self.listing.media):,} media files, "
            f"{len(matches.found):,} rows found, {len(matches.missing):,} missing, "
            f"{len(matches.unclaimed):,} files that no row names",
        ]
        if matches.ambiguous:
            each = matches.ambiguous[0]
            lines.append(
                f"  {len(matches.ambiguous):,} rows have several files; for {each.clip.id} {printable(each.chosen)} "
                f"was chosen over {printable(each.others[0])} by {each.why}"
            )
        if matches.label_conflicts:
            each = matches.label_conflicts[0]
            lines.append(
                f"  {len(matches.label_conflicts):,} files lie in another class's folder than their row says (the row "
                f"counts): {printable(each.path)} is {each.clip.label!r}"
            )
        if endings := self.listing.ignored_endings:
            some = ", ".join(f"{count:,} {ending}" for ending, count in list(endings.items())[:5])
            lines.append(f"  ignored for their endings: {printable(some)}")
        lines += [f"  not readable: {printable(folder)}" for folder in self.listing.unreadable[:5]]
        return "\n".join(lines)


def find_manual_dir(dl_manager: Any) -> str:
    """Returns the folder of clips that a download manager of TFDS was given, a path or any URL.

    Raises:
        ClipsError: none was given, or the local one does not exist or is empty.
    """
    # Not asked for as TFDS would: it looks for the folder through TensorFlow, which knows few kinds of buckets.
    given = dl_manager._manual_dir
    text = "" if given is None else _MANGLED_URL.sub(r"\1://", os.fspath(given))
    if text and not is_local(text):
        dl_manager._manual_dir = None  # or it looks there, through TensorFlow, for what is to be downloaded
        return text
    try:
        return os.fspath(dl_manager.manual_dir)
    except AssertionError as error:
        raise ClipsError(
            f"There is no folder of clips: {str(error).split('. Create it')[0]}.",
            "Pass --manual_dir=FOLDER with your clips, in any layout; or try --config=sample, which needs none; or get "
            "clips from YouTube with `python -m beam_pipelines.acquire`.",
        ) from None


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
    files = annotation_files(listing, tempfile.mkdtemp(dir=_process_folder().name))
    if not possible_files(version, files) and download is not None:
        annotations = read_annotations(version, _download(version, download))
    else:
        annotations = read_annotations(version, files)
    return Inputs(root, annotations, files, listing, match_clips(annotations.clips, listing, version))


def annotation_files(listing: Listing, scratch: str | os.PathLike[str]) -> tuple[str, ...]:
    """Returns local paths of the annotation files in a listed folder.

    Args:
        listing: the folder's files.
        scratch: a local folder that the lists of a remote one are copied to.

    Raises:
        ClipsError: a remote list cannot be read.
    """
    names = [path for path in listing.others if is_annotation_file(path)]
    if is_local(listing.root):
        root = os.path.expanduser(listing.root)
        return tuple(os.path.join(root, *name.split("/")) for name in names)
    return tuple(_copy(listing.root, name, scratch) for name in names)


def find_lists(paths: Iterable[str]) -> list[str]:
    """Returns local paths of annotation files: those named, and all beneath the folders named.

    Raises:
        ClipsError: a folder cannot be listed.
    """
    found: list[str] = []
    for path in paths:
        local = os.path.expanduser(path)
        if os.path.isfile(local):
            found.append(local)
        else:
            found += annotation_files(list_folder(path), tempfile.mkdtemp(dir=_process_folder().name))
    return found


@functools.cache
def _process_folder() -> tempfile.TemporaryDirectory[str]:
    """Copied lists are read again while a build is planned; they are removed when the process ends."""
    return tempfile.TemporaryDirectory(prefix="kinetics-lists-")


def _copy(root: str, name: str, folder: str | os.PathLike[str]) -> str:
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
