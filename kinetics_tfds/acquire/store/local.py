"""A store in a local folder, or in one of a network file system."""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
import tempfile
from collections.abc import Iterator

from kinetics_tfds.acquire.store import scratch
from kinetics_tfds.acquire.store.clip_store import HIDDEN, Appender, disk_full
from kinetics_tfds.clips.listing import Listing, list_folder
from kinetics_tfds.errors import AcquireError, ClipsError


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
