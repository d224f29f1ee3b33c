"""What archives hold, remembered from when they were last read whole.

An archive tells what is in it only when all of it has been read. Remembered, the next run reads just those that
hold a clip it still wants.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import pathlib
import tempfile
from collections.abc import Iterable, Sequence

from kinetics_tfds.acquire.sources.urls import public_url
from kinetics_tfds.annotations.classes import fold_label
from kinetics_tfds.annotations.clip import Clip
from kinetics_tfds.clips.layouts import MediaName, read_name
from kinetics_tfds.clips.match import compare_times

_SUFFIXES = (".tar.gz", ".tgz", ".tar", ".zip")


@dataclasses.dataclass(frozen=True, slots=True)
class Archive:
    """One archive.

    Attributes:
        place: its URL or local path.
        first: read before the others, since its clips are to be preferred.
    """

    place: str
    first: bool = False

    @property
    def label_fold(self) -> str:
        """The folded class that its file's name would mean, if it were named for one."""
        name = self.place.rstrip("/").rpartition("/")[2]
        return fold_label(archive_stem(name))


def archive_stem(name: str) -> str:
    """Returns an archive's name without its suffix; the name itself where it has none.

    >>> archive_stem("tying knot (not on a tie).tar.gz")
    'tying knot (not on a tie)'
    """
    suffix = next((suffix for suffix in _SUFFIXES if name.lower().endswith(suffix)), "")
    return name[: len(name) - len(suffix)]


def is_archive_name(name: str) -> bool:
    """Returns whether a file is named like an archive of clips."""
    return name.lower().endswith(_SUFFIXES)


class Catalogue:
    """The names of the clips in each archive that was read whole; one small JSON file an archive."""

    def __init__(self, folder: pathlib.Path | None) -> None:
        self._folder = folder

    def read(self, archive: Archive) -> list[str] | None:
        """Returns the clips' names in an archive, in its order; None where they are not known, or not any more."""
        path = self._path(archive)
        if path is None:
            return None
        try:
            values = json.loads(path.read_text(encoding="ascii"))
            return list(values["names"]) if values["state"] == _state(archive.place) else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def write(self, archive: Archive, names: Iterable[str]) -> None:
        """Remembers what an archive holds, if there is room for it: without, it is only read once more."""
        path = self._path(archive)
        if path is None:
            return
        values = {"archive": public_url(archive.place), "state": _state(archive.place), "names": list(names)}
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".new-")
            with os.fdopen(handle, "w", encoding="ascii") as file:
                json.dump(values, file)
            os.replace(temporary, path)

    def _path(self, archive: Archive) -> pathlib.Path | None:
        if self._folder is None:
            return None
        return self._folder / f"archive-{hashlib.sha256(archive.place.encode()).hexdigest()[:24]}.json"


def _state(place: str) -> list[int] | None:
    """Returns what tells whether a local archive has changed; None for a URL, which is not asked."""
    try:
        status = os.stat(place)
    except OSError:
        return None
    return [status.st_size, status.st_mtime_ns]


class ArchiveLocator:
    """Where the wanted clips may lie, as far as names and the catalogue tell."""

    def __init__(self, archives: Sequence[Archive], catalogue: Catalogue, class_names: Iterable[str]) -> None:
        folds = {fold_label(name) for name in class_names}
        self._archives = archives
        self._by_label: dict[str, Archive] = {}
        self._holders: dict[str, list[tuple[MediaName, Archive]]] = {}
        self.unread: list[Archive] = []
        for archive in archives:
            names = catalogue.read(archive)
            if names is not None:
                self._add_names(archive, names)
            elif archive.label_fold in folds:
                self._by_label.setdefault(archive.label_fold, archive)
            else:
                self.unread.append(archive)

    def _add_names(self, archive: Archive, names: Iterable[str]) -> None:
        for text in names:
            name = read_name(text)
            if name is not None:
                self._holders.setdefault(name.youtube_id, []).append((name, archive))

    def holder(self, clip: Clip) -> Archive | None:
        """Returns the first archive that is known to hold a clip."""
        for name, archive in self._holders.get(clip.youtube_id, ()):
            if compare_times(clip, name) is not None:
                return archive
        return None

    def of(self, clip: Clip) -> Archive | None:
        """Returns the one archive to look for a clip in; None where it may lie in any of `unread`, or in none."""
        named = None if clip.label is None else self._by_label.get(fold_label(clip.label))
        return self.holder(clip) or named
