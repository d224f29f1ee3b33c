"""The clip store: a folder or bucket that holds whole clips, and a hidden folder with all that a run must remember.

A clip becomes visible by one rename (or one finished upload), after it was checked; until then it lies under the hidden
folder, in a scratch folder of its process. Scratch folders of dead processes are known by their lock, which dies with
them, and are removed by whoever comes next.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import pathlib
import re
from collections.abc import Iterator
from typing import Protocol

from kinetics_tfds.annotations.clip import VIDEO_ID, Clip
from kinetics_tfds.clips.listing import Listing
from kinetics_tfds.errors import AcquireError

HIDDEN = ".acquire"
_NOT_IN_FOLDER = re.compile(r'[\x00-\x1f\x7f/\\:*?"<>|]')


class Appender(Protocol):
    """A file that only grows."""

    def append(self, data: bytes, sync: bool = True) -> None:
        """Adds whole lines; when this returns they outlive the process, and with `sync` a power cut."""
        ...

    def close(self) -> None:
        """Ends the file, and makes all of it safe."""
        ...


class Store(Protocol):
    """What acquiring needs of the place that clips go to."""

    root: str

    def listing(self) -> Listing:
        """Lists the clips and files that are there; empty for a new store."""
        ...

    def scratch(self) -> contextlib.AbstractContextManager[pathlib.Path]:
        """Gives this process a local folder until the block ends; cleans up after dead processes first."""
        ...

    def left_behind(self) -> Iterator[pathlib.Path]:
        """Yields the files that dead processes of this machine left in their scratch folders."""
        ...

    def run_folder(self, run: str) -> contextlib.AbstractContextManager[str]:
        """Gives a run a hidden folder that all its workers reach, until the block ends or, on a disk, a crash."""
        ...

    def publish(self, path: pathlib.Path, relative: str) -> None:
        """Makes a finished file visible at `relative`, all at once, and takes it over."""
        ...

    def check_space(self, min_free: int) -> None:
        """Raises `AcquireError` where fewer than `min_free` bytes are free on the disks in use."""
        ...

    def appender(self, name: str) -> Appender:
        """Opens a new hidden file for appending."""
        ...

    def list_hidden(self, folder: str) -> list[str]:
        """Returns the names of the hidden files directly in a folder, sorted; none where there is no folder."""
        ...

    def hidden_sizes(self, folder: str) -> dict[str, int]:
        """Returns the sizes in bytes of the files that `list_hidden` names."""
        ...

    def read_lines(self, name: str, skip: int = 0) -> Iterator[bytes]:
        """Yields the lines of a hidden file, after its first `skip` bytes."""
        ...

    def write_hidden(self, name: str, data: bytes, sync: bool = True) -> None:
        """Writes a hidden file, all at once; without `sync`, it need not survive a power cut."""
        ...

    def remove_hidden(self, folder: str) -> None:
        """Removes a hidden folder and all in it, if it is there."""
        ...


def open_store(root: str | os.PathLike[str], create: bool = True) -> Store:
    """Opens a store.

    Args:
        root: a local folder, or a bucket's URL (`gs://`, `s3://`, `memory://`) that fsspec has a driver for.
        create: make it where it is not there yet; off for reports, which change nothing.

    Raises:
        AcquireError: the folder is not there, or cannot be made or written.
    """
    path = os.fspath(root)
    if "://" in path:
        from kinetics_tfds.acquire.store.bucket import BucketStore  # only buckets need fsspec

        return BucketStore(path)
    from kinetics_tfds.acquire.store.local import LocalStore

    return LocalStore(path, create)


def clip_path(clip: Clip, suffix: str = ".mp4") -> str:
    """Returns where a clip lies in a store: `{split}/{label}/{id}_{start:06d}_{end:06d}.mp4`.

    Only the row decides: no title and no other remote text reaches a path.

    Raises:
        AcquireError: the id is not that of a YouTube video.

    >>> from kinetics_tfds.annotations.clip import Split
    >>> clip_path(Clip(Split.TRAIN, "-abc_DEF123", 7, 17, "massaging person's head"))
    "train/massaging person's head/-abc_DEF123_000007_000017.mp4"
    >>> clip_path(Clip(Split.TEST, "-abc_DEF123", 7, 17))
    'test/-abc_DEF123_000007_000017.mp4'
    """
    if not VIDEO_ID.fullmatch(clip.youtube_id):
        raise AcquireError(
            f"The row {clip.id!r} of {clip.split} has no valid video id: {clip.youtube_id!r}.",
            "Put the annotation file right: an id is 11 characters out of A-Z, a-z, 0-9, - and _.",
        )
    if clip.label is None:
        return f"{clip.split}/{clip.id}{suffix}"
    return f"{clip.split}/{folder_name(clip.label)}/{clip.id}{suffix}"


def folder_name(label: str) -> str:
    """Returns a class name as one folder's name, whatever the annotation file holds.

    >>> folder_name("using remote controller (not gaming)"), folder_name("../../etc"), folder_name(" ")
    ('using remote controller (not gaming)', '_.._etc', '_')
    """
    name = _NOT_IN_FOLDER.sub("_", label).strip().strip(".")
    return name.encode("utf-8", "replace")[:200].decode("utf-8", "ignore") or "_"


def file_digest(path: pathlib.Path) -> tuple[str, int]:
    """Returns the sha256 (hexadecimal) and the size in bytes of a local file."""
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return digest, file.tell()


def disk_full(where: str, free: int, min_free: int) -> AcquireError:
    """Returns the error of a disk with too little room left."""
    return AcquireError(
        f"Only {free / 1e9:.1f} GB are free at {where!r}, and the settings keep {min_free / 1e9:.1f} GB free.",
        "Make room, or lower `min_free_gb` in the config, and run the same command again: it goes on where it stopped.",
    )
