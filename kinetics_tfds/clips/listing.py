"""Lists a folder of clips, local or remote, in one pass that opens no file and asks the file system little.

A folder of Kinetics holds half a million files, and on a network file system every question about one of them costs a
round trip. Only directories are read: names and entry types come with them.
"""

from __future__ import annotations

import os

from kinetics_tfds.clips import remote
from kinetics_tfds.clips.entries import MEDIA_SUFFIXES, Listing, ListingBuilder
from kinetics_tfds.errors import ClipsError
from kinetics_tfds.file_systems import is_local


def list_folder(root: str | os.PathLike[str]) -> Listing:
    """Lists every file under `root` at any depth.

    Links to folders are followed, each folder once, and after everything that is reached without a link: a loop of
    links ends, and a file's path does not depend on the order of directory entries.

    Args:
        root: a local folder, or a remote one (`gs://`, `s3://`, …, `memory://`).

    Returns:
        The listing, sorted.

    Raises:
        ClipsError: the folder does not exist, is a file, cannot be read or holds no file at all.
    """
    path = os.fspath(root)
    found = _walk_local(os.path.expanduser(path)) if is_local(path) else remote.walk(path)
    if not found.media and not found.others:
        skipped = ", ".join(f"{count} {why}" for why, count in sorted(found.skipped.items()))
        detail = f"; skipped: {skipped}" if skipped else ""
        detail += f"; unreadable: {', '.join(found.unreadable[:3])}" if found.unreadable else ""
        raise ClipsError(
            f"The folder {path!r} holds no clip and no annotation file{detail}.",
            "Put the clips there, in any layout at any depth (docs/clips.md), or name another folder.",
        )
    return found.listing(path)


def _walk_local(root: str) -> ListingBuilder:
    found = ListingBuilder()
    waiting = [""]
    links: list[str] = []
    seen: set[tuple[int, int] | str] = set()
    while waiting or links:
        folder = waiting.pop() if waiting else links.pop(0)
        try:
            identity = _identity(os.path.join(root, folder))
            if identity in seen:
                found.skipped["linked_twice"] += 1
                continue
            entries = os.scandir(os.path.join(root, folder))
        except OSError as error:
            _report_unreadable(found, root, folder, error)
            continue
        seen.add(identity)
        linked: list[str] = []
        with entries:
            _read_folder(entries, folder, found, waiting, linked)
        links += sorted(linked)  # the order of directory entries is the file system's whim
    return found


def _read_folder(entries, folder: str, found: ListingBuilder, waiting: list[str], links: list[str]) -> None:
    prefix = f"{folder}/" if folder else ""
    try:
        for entry in entries:
            name = entry.name
            # The type comes with the directory entry: no call to the file system, but for links below.
            if entry.is_dir(follow_symlinks=False):
                if found.wants_folder(name):
                    waiting.append(prefix + name)
            elif entry.is_file(follow_symlinks=False):
                found.add_file(prefix + name)
            elif not entry.is_symlink():
                found.skipped["not_a_file"] += 1  # a pipe named x.mp4 would block whoever opens it
            elif name.lower().endswith(MEDIA_SUFFIXES) or not _links_to_folder(entry):
                # A link named like media is taken for a file unasked: folders of half a million links exist.
                found.add_file(prefix + name)
            elif found.wants_folder(name):
                links.append(prefix + name)
    except OSError as error:  # a network file system that fails half-way through a folder
        found.unreadable.append(f"{folder or '.'}: {error.strerror or error}")


def _links_to_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a loop of links
        return False


def _identity(folder: str) -> tuple[int, int] | str:
    """What tells a folder from another; one `stat` a folder, none a file."""
    status = os.stat(folder)
    return (status.st_dev, status.st_ino) if status.st_ino else os.path.realpath(folder)


def _report_unreadable(found: ListingBuilder, root: str, folder: str, error: OSError) -> None:
    if folder:
        found.unreadable.append(f"{folder}: {error.strerror or error}")
    elif isinstance(error, FileNotFoundError):
        raise ClipsError(
            f"There is no folder {root!r}.", "Check the path: it names the folder that holds the clips."
        ) from error
    elif isinstance(error, NotADirectoryError):
        raise ClipsError(f"{root!r} is a file, not a folder.", "Name the folder that holds the clips.") from error
    else:
        raise ClipsError(
            f"The folder {root!r} cannot be read: {error.strerror or error}.",
            "Give this user the right to list it, or name another folder.",
        ) from error
