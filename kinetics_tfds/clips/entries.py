"""What a listing holds, and how one directory entry is judged by its name."""

from __future__ import annotations

import collections
import dataclasses
import posixpath
from collections.abc import Mapping

from kinetics_tfds.annotations.names import is_annotation_file

# In the order in which containers are preferred where one clip lies in several files.
MEDIA_SUFFIXES: tuple[str, ...] = (".mp4", ".mkv", ".webm", ".mov", ".avi", ".m4v", ".3gp", ".mpg")

_TEMPORARY_SUFFIXES = (".part", ".ytdl", ".tmp", ".temp", ".partial", ".crdownload", ".incomplete", "~")
# Folders that archivers and network disks add: their files only look like clips.
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

    @property
    def ignored_endings(self) -> dict[str, int]:
        """How many files end neither like media nor like a list, by ending, the most frequent first."""
        names = (path.rpartition("/")[2] for path in self.others if not is_annotation_file(path))
        endings = collections.Counter(posixpath.splitext(name)[1].lower() or "no ending" for name in names)
        return dict(endings.most_common())


class ListingBuilder:
    """Collects the entries of a walk over a local or remote folder."""

    def __init__(self) -> None:
        self.media: list[str] = []
        self.others: list[str] = []
        self.skipped: collections.Counter[str] = collections.Counter()
        self.unreadable: list[str] = []

    def add_file(self, path: str) -> None:
        """Files one path, relative to the root with forward slashes, under media, others or skipped."""
        name = path.rpartition("/")[2]
        why = _why_skipped(name, path)
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
        """Returns what was found, sorted, so that equal folders give equal listings."""
        self.media.sort()
        self.others.sort()
        self.unreadable.sort()
        return Listing(root, tuple(self.media), tuple(self.others), dict(self.skipped), tuple(self.unreadable))


def _why_skipped(name: str, path: str) -> str | None:
    if name.startswith("._"):
        return "apple_double"
    if name.startswith("."):
        return "hidden"
    if name.lower().endswith(_TEMPORARY_SUFFIXES):
        return "temporary"
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        return "not_utf8"
    return None
