"""Archives, and which of them to read for a clip, as far as names tell and earlier readings showed.

An archive tells what is in it only when all of it has been read. Remembered, the next run reads just those that hold a
clip it still wants.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import pathlib
import re
import tempfile
from collections.abc import Iterable, Sequence

from kinetics_tfds.acquire.sources.web import public_url
from kinetics_tfds.annotations.classes import fold_label
from kinetics_tfds.annotations.clip import Clip
from kinetics_tfds.clips.layouts import MediaName, read_name
from kinetics_tfds.clips.match import compare_times

# `train.tar.gz`, or a part of it: `train.tar.gz.0001`, `train.tar.gz.part-ab`. Zips are not read in parts.
_NAME = re.compile(
    r"(?P<stem>.*)\.(?:zip|(?:tar\.gz|tgz|tar)(?P<part>\.(?:part-?)?(?:\d{2,}|[a-z]{2}))?)", re.IGNORECASE
)


@dataclasses.dataclass(frozen=True, slots=True)
class Archive:
    """One archive.

    Attributes:
        parts: its URL or local path, or those of the parts that it was split into, in their order.
    """

    parts: tuple[str, ...]

    @property
    def key(self) -> str:
        """Names the archive from run to run."""
        return self.parts[0]

    @property
    def stem(self) -> str:
        """Its file's name without a suffix."""
        name = public_url(self.key).rstrip("/").rpartition("/")[2]
        match = _NAME.fullmatch(name)
        return match["stem"] if match else name

    @property
    def is_split(self) -> bool:
        """Whether it was split: nothing tells how many parts there should be."""
        match = _NAME.fullmatch(public_url(self.key))
        return match is not None and match["part"] is not None


def is_archive_name(name: str) -> bool:
    """Returns whether a file is named like an archive of clips, or a part of one.

    >>> [is_archive_name(name) for name in ("a.zip", "a.tar.gz", "a.TAR.GZ.0001", "a.tgz.ab", "a.gz", "a.zip.001")]
    [True, True, True, True, False, False]
    """
    return _NAME.fullmatch(name) is not None


def group_parts(places: Iterable[str]) -> list[Archive]:
    """Returns the archives that URLs or paths are or are parts of, in the order of their first parts.

    >>> group_parts(["b/k.tar.gz.0001", "a.tar", "b/k.tar.gz.0000"])
    [Archive(parts=('b/k.tar.gz.0000', 'b/k.tar.gz.0001')), Archive(parts=('a.tar',))]
    """
    groups: dict[str, list[tuple[int, str, str]]] = {}
    for place in places:
        match = _NAME.fullmatch(public_url(place))
        part = match["part"] if match else None
        whole = public_url(place).removesuffix(part) if part else place
        groups.setdefault(whole, []).append((len(part or ""), part or "", place))
    return [Archive(tuple(place for *_, place in sorted(parts))) for parts in groups.values()]


class ArchiveIndex:
    """The names of the clips in each archive that was read whole: one small JSON file an archive.

    Args:
        folder: local folder to keep them in; None to remember nothing.
    """

    def __init__(self, folder: pathlib.Path | None) -> None:
        self._folder = folder

    def read(self, archive: Archive) -> list[str] | None:
        """Returns the clips' names in an archive; None where they are not known."""
        try:
            return None if self._folder is None else list(json.loads(self._path(archive).read_text("ascii"))["names"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def write(self, archive: Archive, names: Iterable[str]) -> None:
        """Remembers what an archive holds, if there is room for it: without, it is only read once more."""
        if self._folder is None:
            return
        with contextlib.suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(dir=self._folder, prefix=".new-")
            with os.fdopen(handle, "w", encoding="ascii") as file:
                json.dump({"archive": public_url(archive.key), "names": list(names)}, file)
            os.replace(temporary, self._path(archive))

    def _path(self, archive: Archive) -> pathlib.Path:
        assert self._folder is not None
        # Size and time tell whether a local archive has changed; a URL is not asked.
        state = [[part, *_size_and_time(part)] for part in archive.parts]
        return self._folder / f"archive-{hashlib.sha256(json.dumps(state).encode()).hexdigest()[:24]}.json"


def _size_and_time(place: str) -> tuple[int, ...]:
    try:
        status = os.stat(place)
    except OSError:
        return ()
    return status.st_size, status.st_mtime_ns


class ArchiveLocator:
    """Where wanted clips may lie.

    Args:
        archives: those to be preferred first.
        index: what earlier runs learnt.
        class_names: of the version; an archive named for one holds all of its clips.

    Attributes:
        unread: the archives of which nothing tells what they hold.
    """

    def __init__(self, archives: Sequence[Archive], index: ArchiveIndex, class_names: Iterable[str]) -> None:
        classes = {fold_label(name) for name in class_names}
        self._by_class: dict[str, Archive] = {}
        self._by_video: dict[str, list[tuple[MediaName, Archive]]] = {}
        self.unread: list[Archive] = []
        for archive in archives:
            names, named_for = index.read(archive), fold_label(archive.stem)
            if names is not None:
                for name in filter(None, map(read_name, names)):
                    self._by_video.setdefault(name.youtube_id, []).append((name, archive))
            elif named_for in classes:
                self._by_class.setdefault(named_for, archive)
            else:
                self.unread.append(archive)

    def holders(self, clip: Clip) -> list[Archive]:
        """Returns the archives that are known to hold a clip."""
        named = self._by_video.get(clip.youtube_id, ())
        return list(dict.fromkeys(archive for name, archive in named if compare_times(clip, name) is not None))

    def find(self, clip: Clip) -> Archive | None:
        """Returns the one archive to look for a clip in; None where it may lie in any of `unread`, or in none."""
        named_for_class = None if clip.label is None else self._by_class.get(fold_label(clip.label))
        return next(iter(self.holders(clip)), named_for_class)
