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
import shutil
import tempfile
from collections.abc import Iterator
from typing import Protocol

from kinetics_tfds.acquire import scratch
from kinetics_tfds.annotations.clip import Clip
from kinetics_tfds.clips.listing import Listing, list_folder
from kinetics_tfds.errors import AcquireError, ClipsError

HIDDEN = ".acquire"
_ID = re.compile(r"[A-Za-z0-9_-]{11}")
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
        from kinetics_tfds.acquire.bucket import BucketStore  # only buckets need fsspec

        return BucketStore(path)
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
    if not _ID.fullmatch(clip.youtube_id):
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


class LocalStore:
    """A store in a folder of this machine or of a network file system.

    Attributes:
        root: the folder, absolute.
    """

    def __init__(self, root: str, create: bool = True) -> None:
        self.root = os.path.abspath(os.path.expanduser(root))
        self._hidden = pathlib.Path(self.root, HIDDEN)
        if not create:
            if not os.path.isdir(self.root):
                raise AcquireError(f"There is no store {self.root!r}.", "Check --store: it names the folder of clips.")
            return
        try:
            self._hidden.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise AcquireError(
                f"The store {self.root!r} cannot be written: {error.strerror or error}.",
                "Give this user the right to write there, or name another folder with --store.",
            ) from error

    def listing(self) -> Listing:
        """See `Store`."""
        try:
            return list_folder(self.root)
        except ClipsError:
            if os.access(self.root, os.R_OK | os.X_OK):
                return Listing(self.root, (), ())  # nothing there yet
            raise

    @contextlib.contextmanager
    def scratch(self) -> Iterator[pathlib.Path]:
        """See `Store`."""
        base = self._hidden / "tmp"
        base.mkdir(parents=True, exist_ok=True)
        scratch.remove_dead(base)
        with scratch.folder(base) as path:
            yield path

    def left_behind(self) -> Iterator[pathlib.Path]:
        """See `Store`."""
        return scratch.files_of_dead(self._hidden / "tmp")

    @contextlib.contextmanager
    def run_folder(self, run: str) -> Iterator[str]:
        """See `Store`."""
        with self.scratch() as path:
            yield f"{path.parent.name}/{path.name}"

    def publish(self, path: pathlib.Path, relative: str) -> None:
        """See `Store`."""
        target = pathlib.Path(self.root, *relative.split("/"))
        target.parent.mkdir(parents=True, exist_ok=True)
        _sync(path)
        if path.stat().st_dev == target.parent.stat().st_dev:
            os.replace(path, target)
        else:  # a class's folder that is a link to another disk
            beside = target.with_name(f".{target.name}.part")
            shutil.copyfile(path, beside)
            _sync(beside)
            os.replace(beside, target)
            path.unlink()
        _sync(target.parent)

    def check_space(self, min_free: int) -> None:
        """See `Store`."""
        free = shutil.disk_usage(self.root).free
        if free < min_free:
            raise disk_full(self.root, free, min_free)

    def appender(self, name: str) -> Appender:
        """See `Store`."""
        path = self._hidden / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return _LocalAppender(path)

    def list_hidden(self, folder: str) -> list[str]:
        """See `Store`."""
        return sorted(self.hidden_sizes(folder))

    def hidden_sizes(self, folder: str) -> dict[str, int]:
        """See `Store`."""
        try:
            with os.scandir(self._hidden / folder) as entries:
                return {f"{folder}/{entry.name}": entry.stat().st_size for entry in entries if entry.is_file()}
        except FileNotFoundError:
            return {}

    def read_lines(self, name: str, skip: int = 0) -> Iterator[bytes]:
        """See `Store`."""
        with open(self._hidden / name, "rb") as file:
            file.seek(skip)
            yield from file

    def write_hidden(self, name: str, data: bytes, sync: bool = True) -> None:
        """See `Store`."""
        path = self._hidden / name
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".new-")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                if sync:
                    os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            pathlib.Path(temporary).unlink(missing_ok=True)
            raise

    def remove_hidden(self, folder: str) -> None:
        """See `Store`."""
        shutil.rmtree(self._hidden / folder, ignore_errors=True)


def disk_full(where: str, free: int, min_free: int) -> AcquireError:
    """Returns the error of a disk with too little room left."""
    return AcquireError(
        f"Only {free / 1e9:.1f} GB are free at {where!r}, and the settings keep {min_free / 1e9:.1f} GB free.",
        "Make room, or lower `min_free_gb` in the config, and run the same command again: it goes on where it stopped.",
    )


class _LocalAppender:
    def __init__(self, path: pathlib.Path) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        _sync(path.parent)

    def append(self, data: bytes, sync: bool = True) -> None:
        """See `Appender`."""
        while data:
            data = data[os.write(self._descriptor, data) :]
        if sync:
            os.fsync(self._descriptor)

    def close(self) -> None:
        """See `Appender`."""
        os.fsync(self._descriptor)
        os.close(self._descriptor)


def _sync(path: pathlib.Path) -> None:
    """Makes a file's bytes, or a folder's names, survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError:
        if not path.is_dir():  # some network file systems cannot sync a folder
            raise
    finally:
        os.close(descriptor)
