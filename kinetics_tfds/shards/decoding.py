"""Decodes planned clips wherever their files lie; the one way from a plan to frames.

Decode workers open local paths only. Remote files are copied to a temporary folder a few ahead of the decoder, and
removed as soon as they are decoded.
"""

from __future__ import annotations

import collections
import concurrent.futures
import contextlib
import os
import pathlib
import posixpath
import tempfile
from collections.abc import Callable, Generator, Iterator, Sequence

from kinetics_tfds.decode import DecodedClip, DecodeFailure, DecodePool, DecodeRequest, FailureReason
from kinetics_tfds.file_systems import copy_to_disk, is_local
from kinetics_tfds.planning.plan import PlannedClip

_COPIES_AT_ONCE = 8
_COPIED_AHEAD = 16  # files waiting on the local disk for a decode worker


def decode_clips(
    root: str, clips: Sequence[PlannedClip], pool: DecodePool, on_all_requested: Callable[[], None] | None = None
) -> Generator[DecodedClip | DecodeFailure]:
    """Yields the outcome of each clip, in order. Close the iterator to remove the copies of clips in flight.

    Args:
        root: the folder that the clips' paths are relative to, local or remote.
        clips: what to decode.
        pool: decodes.
        on_all_requested: called when the last clip has been handed to the pool.

    Raises:
        StorageError: a clip cannot be copied from a remote folder; that is the storage's failure, not the clip's.
    """
    with contextlib.ExitStack() as stack:
        copies = None if is_local(root) else stack.enter_context(_Copies(root, clips))

        def requests() -> Iterator[DecodeRequest]:
            paths = _local_paths(root, clips) if copies is None else copies.paths()
            for planned, path in zip(clips, paths, strict=True):
                clip = planned.clip
                yield DecodeRequest(clip.id, path, planned.media.span, clip.time_start, clip.time_end)
            if on_all_requested:
                on_all_requested()

        for request, outcome in pool.decode(requests()):
            failure = None if copies is None else copies.remove(request.path)
            yield failure or outcome


def _local_paths(root: str, clips: Sequence[PlannedClip]) -> Iterator[str]:
    return (os.path.join(root, *planned.media.path.split("/")) for planned in clips)


class _Copies:
    """Local copies of remote files, made by a few threads."""

    def __init__(self, root: str, clips: Sequence[PlannedClip]) -> None:
        self._root = root
        self._clips = clips
        self._failures: dict[str, DecodeFailure] = {}

    def __enter__(self) -> _Copies:
        self._folder = tempfile.TemporaryDirectory(prefix="kinetics-media-", ignore_cleanup_errors=True)
        self._threads = concurrent.futures.ThreadPoolExecutor(_COPIES_AT_ONCE)
        return self

    def __exit__(self, *_: object) -> None:
        self._threads.shutdown(cancel_futures=True)
        self._folder.cleanup()

    def paths(self) -> Iterator[str]:
        """Yields the path of each clip's copy, when it is complete or has failed."""
        waiting: collections.deque[concurrent.futures.Future[str]] = collections.deque()
        for number, planned in enumerate(self._clips):
            waiting.append(self._threads.submit(self._copy, planned.media.path, number))
            if len(waiting) > _COPIED_AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()

    def remove(self, path: str) -> DecodeFailure | None:
        """Removes a copy; returns the failure of a clip that could not be copied."""
        pathlib.Path(path).unlink(missing_ok=True)
        return self._failures.pop(path, None)

    def _copy(self, path: str, number: int) -> str:
        local = os.path.join(self._folder.name, f"{number:06d}{posixpath.splitext(path)[1]}")
        try:
            copy_to_disk(posixpath.join(self._root, path), local)
        except FileNotFoundError:
            self._failures[local] = DecodeFailure(
                FailureReason.UNREADABLE, f"cannot copy {path}: FileNotFoundError: it does not exist any more"
            )
        return local
