"""A store in a bucket: work happens in a local scratch folder, and finished clips are uploaded under their final name.

An object becomes visible when its upload is complete, so an upload needs no temporary name. Objects cannot grow: an
append writes a small one anew, with all that it held.
"""

from __future__ import annotations

import contextlib
import dataclasses
import pathlib
import posixpath
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator

from kinetics_tfds.acquire.store import scratch
from kinetics_tfds.acquire.store.clip_store import HIDDEN, Appender, disk_full
from kinetics_tfds.clips.listing import Listing, list_folder
from kinetics_tfds.errors import AcquireError, ClipsError

_SEGMENT_BYTES = 1 << 18
# Google's buckets take about one write a second to one object; faster ones go to several objects in turn.
_REWRITE_SECONDS = 1.0


class BucketStore:
    """A store behind an fsspec file system.

    Attributes:
        root: the bucket's URL, without a slash at its end.
    """

    def __init__(self, root: str) -> None:
        import fsspec

        self.root = root.rstrip("/")
        try:
            self._files, base = fsspec.core.url_to_fs(self.root)
        except (ImportError, ValueError) as error:
            raise AcquireError(
                f"The store {self.root!r} cannot be opened: {error}.",
                "Install the fsspec driver of this scheme (gcsfs for gs://, s3fs for s3://), or name a local folder.",
            ) from error
        self._base = base.rstrip("/")

    def listing(self) -> Listing:
        """See `Store`."""
        try:
            return list_folder(self.root)
        except ClipsError:
            if self._files.exists(self._base) and self._files.find(f"{self._base}/", maxdepth=1):
                raise
            return Listing(self.root, (), ())

    @contextlib.contextmanager
    def scratch(self) -> Iterator[pathlib.Path]:
        """See `Store`."""
        base = self._local_base()
        scratch.remove_dead(base)
        with scratch.folder(base) as path:
            yield path

    @staticmethod
    def _local_base() -> pathlib.Path:
        base = pathlib.Path(tempfile.gettempdir(), "kinetics_acquire")
        base.mkdir(exist_ok=True)
        return base

    def left_behind(self) -> Iterator[pathlib.Path]:
        """See `Store`."""
        return scratch.files_of_dead(self._local_base())

    @contextlib.contextmanager
    def run_folder(self, run: str) -> Iterator[str]:
        """See `Store`."""
        try:
            yield f"runs/{run}"
        finally:
            self.remove_hidden(f"runs/{run}")

    def publish(self, path: pathlib.Path, relative: str) -> None:
        """See `Store`."""
        target = posixpath.join(self._base, relative)
        self._files.makedirs(posixpath.dirname(target), exist_ok=True)
        self._files.put_file(str(path), target)
        path.unlink()

    def check_space(self, min_free: int) -> None:
        """See `Store`."""
        base = self._local_base()
        free = shutil.disk_usage(base).free
        if free < min_free:
            raise disk_full(str(base), free, min_free)

    def appender(self, name: str) -> Appender:
        """See `Store`."""
        return _Segments(self, name)

    def list_hidden(self, folder: str) -> list[str]:
        """See `Store`."""
        return sorted(self.hidden_sizes(folder))

    def hidden_sizes(self, folder: str) -> dict[str, int]:
        """See `Store`."""
        try:
            found = self._files.ls(self._name(folder), detail=True, refresh=True)
        except FileNotFoundError:
            return {}
        return {
            f"{folder}/{posixpath.basename(entry['name'])}": int(entry["size"] or 0)
            for entry in found
            if entry["type"] == "file"
        }

    def read_lines(self, name: str, skip: int = 0) -> Iterator[bytes]:
        """See `Store`."""
        yield from self._files.cat_file(self._name(name))[skip:].splitlines(keepends=True)

    def write_hidden(self, name: str, data: bytes, sync: bool = True) -> None:
        """See `Store`."""
        target = self._name(name)
        self._files.makedirs(posixpath.dirname(target), exist_ok=True)
        self._files.pipe_file(target, data)

    def remove_hidden(self, folder: str) -> None:
        """See `Store`."""
        with contextlib.suppress(FileNotFoundError):
            self._files.rm(self._name(folder), recursive=True)

    def _name(self, name: str) -> str:
        return posixpath.join(self._base, HIDDEN, name)


@dataclasses.dataclass
class _Segment:
    """An object that is written anew, longer each time, until it is long enough."""

    name: str
    data: bytes = b""
    written: float = -_REWRITE_SECONDS


class _Segments:
    """A file in parts. Half a million attempts are some hundred objects, not as many objects as attempts."""

    def __init__(self, store: BucketStore, name: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._store, self._clock = store, clock
        self._stem, self._suffix = posixpath.splitext(name)
        self._open: list[_Segment] = []
        self._count = 0

    def append(self, data: bytes, sync: bool = True) -> None:
        """See `Appender`."""
        now = self._clock()
        rested = (segment for segment in self._open if now - segment.written >= _REWRITE_SECONDS)
        segment = next(rested, None) or self._new()
        grown = segment.data + data
        self._store.write_hidden(segment.name, grown)
        segment.data, segment.written = grown, self._clock()
        if len(grown) >= _SEGMENT_BYTES:
            self._open.remove(segment)

    def _new(self) -> _Segment:
        segment = _Segment(f"{self._stem}-{self._count:06d}{self._suffix}")
        self._count += 1
        self._open.append(segment)
        return segment

    def close(self) -> None:
        """See `Appender`."""
        pass
