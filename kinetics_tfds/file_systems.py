"""Files wherever they lie: on this machine, or behind a URL that fsspec or epath can open.

Folders of clips may lie behind any URL that fsspec has a driver for. A dataset lies where TensorFlow reads it: on this
machine's disks and mounts, or in a bucket of `gs://`; those are reached through epath.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import errno
import os
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterable, Iterator
from typing import IO, TYPE_CHECKING, Any, TypeVar

from kinetics_tfds.errors import ConfigError
from kinetics_tfds.retrying import Failure, classify, with_retries

if TYPE_CHECKING:
    from etils import epath

T = TypeVar("T")

_AT_ONCE = 16  # requests


def is_local(path: str | os.PathLike[str]) -> bool:
    """Returns whether the path lies on this machine's own (or mounted) file systems."""
    return "://" not in os.fspath(path)


def absolute(path: str | os.PathLike[str]) -> str:
    """Returns the path as processes with another working folder find it."""
    text = os.fspath(path)
    return os.path.abspath(text) if is_local(text) else text


def check_data_dir(path: str | os.PathLike[str]) -> None:
    """Raises ConfigError for a place that TensorFlow cannot read a dataset from."""
    text = os.fspath(path)
    # `pathlib` makes one slash of two in the URLs that epath does not know.
    scheme, slash, _ = text.partition(":/")
    if slash and scheme != "gs" and "/" not in scheme:
        raise ConfigError(
            f"A dataset cannot be kept at {text}: TensorFlow has no file system for {scheme}://.",
            "Name a --data_dir on a local disk, on a mount that all workers share, or in a bucket of gs:// "
            "(docs/buckets.md); clips (--manual_dir) may lie in any bucket.",
        )


def open_file(path: str | os.PathLike[str]) -> IO[bytes]:
    """Opens a local file for reading, or a URL through fsspec or, without its driver for the scheme, through epath.

    Raises:
        OSError: it cannot be opened.
    """
    name = os.fspath(path)
    if is_local(name):
        return open(os.path.expanduser(name), "rb")
    import fsspec
    from etils import epath

    try:
        try:
            file_system, key = fsspec.core.url_to_fs(name)
        except (ImportError, ValueError):
            return epath.Path(name).open("rb")
        return file_system.open(key, "rb")
    except OSError:
        raise
    except Exception as error:  # each driver brings its own classes of errors
        raise OSError(f"{type(error).__name__}: {error}") from error


def copy_to_disk(path: str | os.PathLike[str], target: str | os.PathLike[str]) -> None:
    """Copies a file, local or behind a URL, to this machine's disk.

    Raises:
        FileNotFoundError: it does not exist.
        StorageError: it cannot be read.
    """

    def copy() -> None:
        with open_file(path) as source, open(target, "wb") as file:
            shutil.copyfileobj(source, file, 1 << 20)

    with_retries("read", path, copy)


def list_names(folder: epath.Path) -> list[str]:
    """Returns the names in a folder; none where it does not exist."""

    def names() -> list[str]:
        if is_local(folder):  # twice as fast, and called every second while a build runs
            return os.listdir(folder)
        return [path.name for path in folder.iterdir()]

    return _if_it_exists("list", folder, names) or []


def read_text(path: epath.Path) -> str:
    """Returns a file's text.

    Raises:
        FileNotFoundError: it does not exist.
        StorageError: it cannot be read.
    """
    return with_retries("read", path, path.read_text)


def write_text(path: epath.Path, text: str) -> None:
    """Writes a file that appears whole, in a folder that is made if need be."""
    with writing(path) as local:
        local.write_text(text)


@contextlib.contextmanager
def writing(target: epath.Path, scratch: epath.Path | None = None, prefix: str = "") -> Iterator[epath.Path]:
    """Gives a path on this machine to write to; the file appears at `target`, whole, when the context ends well.

    Args:
        target: where the file goes; one that exists is replaced. Its folder is made if need be.
        scratch: a folder on the disk of a local target for the unfinished file; the target's own where None.
        prefix: of the unfinished file's name.

    Raises:
        StorageError: the target cannot be written.
    """
    from etils import epath

    if is_local(target):
        folder = target.parent if scratch is None else scratch
        folder.mkdir(parents=True, exist_ok=True)
        temporary = folder / f".{prefix}{uuid.uuid4().hex}.{target.name}"
        try:
            yield temporary
            _rename(temporary, target)
        finally:
            temporary.unlink(missing_ok=True)
        return
    with tempfile.TemporaryDirectory(prefix="kinetics-upload-") as folder:
        temporary = epath.Path(folder) / target.name
        yield temporary
        with_retries("write", target, _upload, temporary, target)


def _upload(local: epath.Path, target: epath.Path) -> None:
    with local.open("rb") as source, target.open("wb") as file:  # `copy` would ask for the target four times first
        shutil.copyfileobj(source, file, 1 << 20)
    arrived, size = target.stat().length, local.stat().length
    if arrived != size:
        raise OSError(errno.EAGAIN, f"{arrived} of {size} bytes arrived")


def _rename(temporary: epath.Path, target: epath.Path) -> None:
    """Renames a finished file, once its bytes are safe from a power cut."""
    descriptor = os.open(temporary, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary.replace(target)


def remove_file(path: epath.Path) -> None:
    """Removes a file, if it exists."""
    with contextlib.suppress(FileNotFoundError):
        with_retries("remove", path, path.unlink)


def remove_tree(folder: epath.Path) -> None:
    """Removes a folder with all in it, if it exists."""
    _if_it_exists("remove", folder, folder.rmtree)


def _if_it_exists(action: str, folder: epath.Path, function: Callable[[], T]) -> T | None:
    """Returns what a function of a folder does, None where the folder does not exist.

    TensorFlow says so of any folder that it cannot ask for, whatever the reason.
    """

    def call() -> T | None:
        try:
            return function()
        except Exception as error:
            if classify(error) is not Failure.MISSING:
                raise
        with contextlib.suppress(FileNotFoundError):
            folder.stat()
            raise OSError(errno.EAGAIN, f"{folder} exists, and cannot be read")
        return None

    return with_retries(action, folder, call)


def for_each(action: Callable[[Any], object], items: Iterable[Any]) -> None:
    """Calls a function that waits for a storage with each item, several at a time; raises the first error."""
    with concurrent.futures.ThreadPoolExecutor(_AT_ONCE) as threads:
        for _ in threads.map(action, items):
            pass
