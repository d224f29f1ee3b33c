"""The clip store: a folder or bucket that holds whole clips, and a hidden folder with all that runs must remember.

A clip becomes visible by one rename, or one finished upload, after it was checked. Until then it lies in a scratch
folder of its process: below the hidden folder, or for a bucket in this machine's temporary folder.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import pathlib
import posixpath
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator

from kinetics_tfds.annotations.clip import VIDEO_ID, Clip
from kinetics_tfds.clips.listing import Listing, list_folder
from kinetics_tfds.errors import AcquireError, ClipsError
from kinetics_tfds.file_systems import is_local

HIDDEN = ".acquire"
_NOT_IN_FOLDER = re.compile(r'[\x00-\x1f\x7f/\\:*?"<>|]')


class ClipStore:
    """A store in a folder of this machine or of a network file system, or in a bucket that fsspec has a driver for.

    Attributes:
        root: the absolute folder, or the bucket's URL without a slash at its end.
        is_local: whether it is a folder.
        scratch_base: local folder of the scratch folders of this machine's processes.
    """

    def __init__(self, root: str | os.PathLike[str]) -> None:
        import fsspec

        path = os.fspath(root)
        self.is_local = is_local(path)
        try:
            if self.is_local:
                self.root = self._base = os.path.abspath(os.path.expanduser(path))
                self._files = fsspec.filesystem("file")
            else:
                self.root = path.rstrip("/")
                self._files, base = fsspec.core.url_to_fs(self.root)
                self._base = base.rstrip("/")
        except (ImportError, ValueError) as error:
            raise AcquireError(
                f"The store {path!r} cannot be opened: {error}.",
                "Install the fsspec driver of this scheme (gcsfs for gs://, s3fs for s3://), or name a local folder.",
            ) from error
        beside = hashlib.sha256(self.root.encode()).hexdigest()[:16]  # a bucket's clips in flight need a disk
        temporary = pathlib.Path(tempfile.gettempdir(), "kinetics_acquire", beside)
        self.scratch_base = pathlib.Path(self.root, HIDDEN, "tmp") if self.is_local else temporary

    def listing(self) -> Listing:
        """Lists the clips and other files; empty for a new store."""
        try:
            return list_folder(self.root)
        except ClipsError as error:
            try:
                self._files.ls(self._base)
            except FileNotFoundError:
                pass
            except Exception:  # each driver brings its own classes
                raise error from None
            return Listing(self.root, (), ())

    def sizes(self, paths: Iterable[str]) -> dict[str, int]:
        """Returns the bytes of visible files; 0 for one that cannot be read."""
        if self.is_local:
            return {path: _local_size(self._path(path)) for path in paths}
        found = self._files.find(self._base, detail=True)
        return {path: int((found.get(self._path(path)) or {}).get("size") or 0) for path in paths}

    def local_path(self, relative: str, folder: str) -> str:
        """Returns the local path of a visible file, or of a copy in `folder` where the store is a bucket."""
        if self.is_local:
            return self._path(relative)
        copy = os.path.join(folder, relative.replace("/", "_"))
        self._files.get_file(self._path(relative), copy)
        return copy

    def publish(self, path: pathlib.Path, relative: str) -> None:
        """Makes a finished local file visible at `relative`, all at once, and takes it over."""
        target = self._path(relative)
        self._files.makedirs(posixpath.dirname(target), exist_ok=True)
        if not self.is_local:
            self._files.put_file(str(path), target)
            path.unlink()
            return
        sync_to_disk(path)
        folder, name = os.path.split(target)
        if path.stat().st_dev != os.stat(folder).st_dev:  # a class's folder that is a link to another disk
            copy = pathlib.Path(folder, f".{name}.part")
            shutil.copyfile(path, copy)
            sync_to_disk(copy)
            path.unlink()
            path = copy
        os.replace(path, target)
        sync_to_disk(folder)

    @contextlib.contextmanager
    def scratch(self, run: str) -> Iterator[pathlib.Path]:
        """Gives this process of a run a local folder until the block ends.

        One run at a time fills a store: folders of other runs are those of killed ones, and go.
        """
        self.clear_scratch(keep=run)
        self.scratch_base.mkdir(parents=True, exist_ok=True)
        path = pathlib.Path(tempfile.mkdtemp(prefix=f"{run}-", dir=self.scratch_base))
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)

    def clear_scratch(self, keep: str | None = None) -> None:
        """Removes this machine's scratch folders, but for those of the run named `keep`."""
        for path in self.scratch_base.glob("*"):
            if keep is None or not path.name.startswith(f"{keep}-"):
                shutil.rmtree(path, ignore_errors=True)

    def check_space(self, min_free: int) -> None:
        """Raises `AcquireError` where fewer than `min_free` bytes are free on the disk in use."""
        place = self.root if self.is_local else tempfile.gettempdir()
        free = shutil.disk_usage(place).free
        if free < min_free:
            raise disk_full(place, free, min_free)

    def hidden_sizes(self, folder: str) -> dict[str, int]:
        """Returns the hidden files directly in a folder with their bytes, by name; empty where it does not exist."""
        try:
            found = self._files.ls(self._path(HIDDEN, folder), detail=True, refresh=True)
        except FileNotFoundError:
            return {}
        sizes = {entry["name"]: int(entry["size"] or 0) for entry in found if entry["type"] == "file"}
        return {f"{folder}/{posixpath.basename(path)}": sizes[path] for path in sorted(sizes)}

    def read_lines(self, name: str, skip: int = 0) -> Iterator[bytes]:
        """Yields the lines of a hidden file, after its first `skip` bytes.

        Raises:
            FileNotFoundError: it does not exist.
        """
        with self._files.open(self._path(HIDDEN, name), "rb") as file:
            file.seek(skip)
            yield from file

    def write_hidden(self, name: str, data: bytes) -> None:
        """Writes a hidden file; one that exists is replaced. It need not survive a power cut."""
        target = self._path(HIDDEN, name)
        self._files.makedirs(posixpath.dirname(target), exist_ok=True)
        self._files.pipe_file(target, data)

    def hidden_path(self, name: str) -> str:
        """Returns the path of a hidden file of a local store."""
        return self._path(HIDDEN, name)

    def remove_hidden(self, name: str) -> None:
        """Removes a hidden file, or a hidden folder with all in it, if it exists."""
        with contextlib.suppress(FileNotFoundError):
            self._files.rm(self._path(HIDDEN, name), recursive=True)

    def _path(self, *names: str) -> str:
        return posixpath.join(self._base, *names)


def open_store(root: str | os.PathLike[str], create: bool = True) -> ClipStore:
    """Opens a store.

    Args:
        root: a local folder, or a bucket's URL (`gs://`, `s3://`, `memory://`).
        create: make a local one that does not exist; off for reports, which change nothing.

    Raises:
        AcquireError: it does not exist, or cannot be made or written, or its URL has no driver.
    """
    store = ClipStore(root)
    if not store.is_local:
        return store
    if not create:
        if not os.path.isdir(store.root):
            raise AcquireError(f"No store {store.root!r} exists.", "Check --store: it names the folder of clips.")
        return store
    try:
        pathlib.Path(store.root, HIDDEN).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise AcquireError(
            f"The store {store.root!r} cannot be written: {error.strerror or error}.",
            "Give this user the right to write there, or name another folder with --store.",
        ) from error
    return store


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
    folder = "" if clip.label is None else f"{folder_name(clip.label)}/"
    return f"{clip.split}/{folder}{clip.id}{suffix}"


def folder_name(label: str) -> str:
    """Returns a class name as one folder's name, whatever the annotation file holds.

    >>> folder_name("using remote controller (not gaming)"), folder_name("../../etc"), folder_name(" ")
    ('using remote controller (not gaming)', '_.._etc', '_')
    """
    name = _NOT_IN_FOLDER.sub("_", label).strip().strip(".")
    return name.encode("utf-8", "replace")[:200].decode("utf-8", "ignore") or "_"


def _local_size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:  # a link to nowhere
        return 0


def sync_to_disk(path: str | os.PathLike[str]) -> None:
    """Makes a file's bytes, or a folder's names, survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError:
        if not os.path.isdir(path):  # some network file systems cannot sync a folder
            raise
    finally:
        os.close(descriptor)


def file_digest(path: pathlib.Path) -> tuple[str, int]:
    """Returns the sha256 (hexadecimal) and the size in bytes of a local file."""
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return digest, file.tell()


def disk_full(where: str, free: int, min_free: int) -> AcquireError:
    return AcquireError(
        f"Only {free / 1e9:.1f} GB are free at {where!r}, and the settings keep {min_free / 1e9:.1f} GB free.",
        "Make room, or lower `min_free_gb` in the config, and run the same command again: it goes on where it stopped.",
    )
