"""One pass over a folder of clips, local or remote, that opens nothing and asks the file system as little as it can.

A folder of Kinetics holds half a million files, and on a network file system every question about one of them costs a
round trip. The listing therefore only reads directories: names and entry types come with them.
"""

from __future__ import annotations

import collections
import dataclasses
import os
from collections.abc import Mapping

from kinetics_tfds.errors import ClipsError
from kinetics_tfds.file_systems import is_local

# In the order in which containers are preferred where one clip lies in several files.
MEDIA_SUFFIXES: tuple[str, ...] = (".mp4", ".mkv", ".webm", ".mov", ".avi")

_TEMPORARY_SUFFIXES = (".part", ".ytdl", ".tmp", ".temp", ".partial", ".crdownload", ".incomplete", "~")
# Folders that archivers and network disks add: what they hold only looks like clips.
_FOREIGN_FOLDERS = frozenset({"__MACOSX", "@eaDir", "$RECYCLE.BIN", "lost+found"})


@dataclasses.dataclass(frozen=True)
class Listing:
    """The files under a folder.

    Attributes:
        root: the folder that was listed, as given.
        media: paths that end like media, relative to the root with forward slashes, sorted.
        others: all other files (annotation files among them), likewise.
        skipped: how many entries were passed over, by why: `hidden`, `apple_double`, `temporary`, `foreign_folder`
            (archivers' and network disks' own), `not_a_file` (pipes, sockets), `not_utf8` (the name cannot be written
            into reports), `linked_twice` (a folder reached before).
        unreadable: folders that could not be listed, relative, with the system's reason.
    """

    root: str
    media: tuple[str, ...]
    others: tuple[str, ...]
    skipped: Mapping[str, int] = dataclasses.field(default_factory=dict)
    unreadable: tuple[str, ...] = ()


def list_folder(root: str | os.PathLike[str]) -> Listing:
    """Lists every file under `root` at any depth.

    Links to folders are followed, each folder once, and after everything that is reached without a link: a loop of
    links ends, and a file's path does not depend on the order of directory entries.

    Args:
        root: a local folder, or a remote one (`gs://`, `s3://`, …, `memory://`).

    Returns:
        The listing, sorted, so that equal folders give equal listings.

    Raises:
        ClipsError: the folder is not there, is a file, cannot be read or holds no file at all.
    """
    path = os.fspath(root)
    if not is_local(path):
        from kinetics_tfds.clips import remote  # only remote folders need fsspec and epath

        found = remote.walk(path)
    else:
        found = _walk_local(os.path.expanduser(path))
    if not found.media and not found.others:
        detail = f"; skipped: {_counts(found.skipped)}" if found.skipped else ""
        detail += f"; unreadable: {', '.join(found.unreadable[:3])}" if found.unreadable else ""
        raise ClipsError(
            f"The folder {path!r} holds no clip and no annotation file{detail}.",
            "Put the clips there, in any layout at any depth (docs/clips.md), or name another folder.",
        )
    return found.listing(path)


class Found:
    """Collects the entries of a walk; shared by local and remote folders."""

    def __init__(self) -> None:
        self.media: list[str] = []
        self.others: list[str] = []
        self.skipped: collections.Counter[str] = collections.Counter()
        self.unreadable: list[str] = []

    def add_file(self, path: str, name: str) -> None:
        """Files one file under media, others or skipped.

        Args:
            path: relative to the root, with forward slashes.
            name: its last part.
        """
        why = _why_skipped(name)
        if why is None and not _is_utf8(path):
            why = "not_utf8"
        if why is not None:
            self.skipped[why] += 1
        elif name.lower().endswith(MEDIA_SUFFIXES):
            self.media.append(path)
        else:
            self.others.append(path)

    def wants_folder(self, name: str) -> bool:
        """Returns whether to walk into a folder, and counts it if not."""
        why = "hidden" if name.startswith(".") else "foreign_folder" if name in _FOREIGN_FOLDERS else None
        if why is not None:
            self.skipped[why] += 1
        return why is None

    def listing(self, root: str) -> Listing:
        """Returns what was found, sorted."""
        self.media.sort()
        self.others.sort()
        self.unreadable.sort()
        return Listing(root, tuple(self.media), tuple(self.others), dict(self.skipped), tuple(self.unreadable))


def _why_skipped(name: str) -> str | None:
    if name.startswith("._"):
        return "apple_double"
    if name.startswith("."):
        return "hidden"
    if name.lower().endswith(_TEMPORARY_SUFFIXES):
        return "temporary"
    return None


def _is_utf8(path: str) -> bool:
    if path.isascii():
        return True
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _counts(skipped: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {why}" for why, count in sorted(skipped.items()))


def _walk_local(root: str) -> Found:
    found = Found()
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


def _read_folder(entries, folder: str, found: Found, waiting: list[str], links: list[str]) -> None:
    prefix = f"{folder}/" if folder else ""
    try:
        for entry in entries:
            name = entry.name
            # The type comes with the directory entry: no call to the file system, but for links below.
            if entry.is_dir(follow_symlinks=False):
                if found.wants_folder(name):
                    waiting.append(prefix + name)
            elif entry.is_file(follow_symlinks=False):
                found.add_file(prefix + name, name)
            elif not entry.is_symlink():
                found.skipped["not_a_file"] += 1  # a pipe named x.mp4 would block whoever opens it
            elif name.lower().endswith(MEDIA_SUFFIXES) or not _links_to_folder(entry):
                # A link named like media is taken for a file unasked: folders of half a million links exist.
                found.add_file(prefix + name, name)
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


def _report_unreadable(found: Found, root: str, folder: str, error: OSError) -> None:
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
