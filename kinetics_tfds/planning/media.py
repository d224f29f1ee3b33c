"""Puts a shard's media where decode workers can open them: on a local path."""

from __future__ import annotations

import collections
import concurrent.futures
import os
import pathlib
import posixpath
import shutil
import tempfile
from collections.abc import Iterator

from kinetics_tfds.decode.types import DecodeRequest
from kinetics_tfds.file_systems import is_local, open_file
from kinetics_tfds.planning.plan import PlannedClip, ShardPlan

_COPIES_AT_ONCE = 8
_COPIED_AHEAD = 16  # files waiting on the local disk for a decode worker


class MediaSource:
    """The folder of clips as a worker sees it.

    Remote files are copied to a temporary folder a few ahead of the decoder, and removed when they are released.

    Attributes:
        root: the folder that the plan's paths are relative to.
    """

    def __init__(self, root: str) -> None:
        self.root = root
        self._remote = not is_local(root)
        self._folders: dict[str, str] = {}
        self._problems: dict[str, str] = {}

    def requests(self, shard: ShardPlan) -> Iterator[DecodeRequest]:
        """Yields what to decode, in the plan's order; remote files are there when their request is yielded."""
        if self._remote:
            yield from self._copied(shard)
        else:
            for planned in shard.clips:
                yield _request(planned, os.path.join(self.root, *planned.media.path.split("/")))

    def _copied(self, shard: ShardPlan) -> Iterator[DecodeRequest]:
        folder = tempfile.mkdtemp(prefix="kinetics-media-")
        self._folders[shard.name] = folder
        waiting: collections.deque[tuple[PlannedClip, concurrent.futures.Future[str]]] = collections.deque()
        with concurrent.futures.ThreadPoolExecutor(_COPIES_AT_ONCE) as copiers:
            for number, planned in enumerate(shard.clips):
                waiting.append((planned, copiers.submit(self._copy, planned.media.path, folder, number)))
                if len(waiting) > _COPIED_AHEAD:
                    planned, copy = waiting.popleft()
                    yield _request(planned, copy.result())
            while waiting:
                planned, copy = waiting.popleft()
                yield _request(planned, copy.result())

    def problem(self, request: DecodeRequest) -> str | None:
        """Returns why a request's file could not be copied, or None if it was."""
        return self._problems.pop(request.path, None)

    def release(self, request: DecodeRequest) -> None:
        """Removes a request's copy, if it is one."""
        if self._remote:
            pathlib.Path(request.path).unlink(missing_ok=True)

    def finish(self, shard: ShardPlan) -> None:
        """Removes whatever is left of a shard's copies."""
        folder = self._folders.pop(shard.name, None)
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)

    def _copy(self, path: str, folder: str, number: int) -> str:
        local = os.path.join(folder, f"{number:06d}{posixpath.splitext(path)[1]}")
        try:
            with open_file(posixpath.join(self.root, path)) as source, open(local, "wb") as target:
                shutil.copyfileobj(source, target, 1 << 20)
        except Exception as error:  # each file system brings its own classes of errors; the clip alone fails
            self._problems[local] = f"cannot copy {path}: {type(error).__name__}: {error}"[:500]
        return local


def _request(planned: PlannedClip, path: str) -> DecodeRequest:
    clip = planned.clip
    return DecodeRequest(clip.id, path, planned.media.span, clip.time_start, clip.time_end)
