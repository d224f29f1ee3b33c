"""Worker processes that decode clips under limits."""

from __future__ import annotations

import collections
import concurrent.futures
import multiprocessing
import os
from collections.abc import Iterable, Iterator

import pebble

from kinetics_tfds.decode.types import (
    DecodedClip,
    DecodeFailure,
    DecodeLimits,
    DecodeRequest,
    DecodeSettings,
    FailureReason,
)


def available_cpus() -> int:
    """Returns how many CPUs this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _decode(request: DecodeRequest, settings: DecodeSettings, limits: DecodeLimits) -> DecodedClip | DecodeFailure:
    from kinetics_tfds.decode.clip import decode_clip
    from kinetics_tfds.decode.failure import DecodeError

    try:
        return decode_clip(request, settings, limits)
    except DecodeError as error:
        return error.failure


class DecodePool:
    """Decodes clips in worker processes, in order, under limits."""

    def __init__(
        self, settings: DecodeSettings, limits: DecodeLimits | None = None, workers: int | None = None
    ) -> None:
        self._settings = settings
        self._limits = limits or DecodeLimits()
        self.workers = workers or available_cpus()
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["kinetics_tfds.decode.clip"])
        self._pool = pebble.ProcessPool(max_workers=self.workers, context=context)

    def __enter__(self) -> DecodePool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the workers; clips in flight are given up."""
        self._pool.stop()
        self._pool.join()

    def decode(self, requests: Iterable[DecodeRequest]) -> Iterator[tuple[DecodeRequest, DecodedClip | DecodeFailure]]:
        """Yields each request with its frames or its failure, in the order of the requests."""
        flying: collections.deque = collections.deque()
        for request in requests:
            future = self._pool.schedule(
                _decode, args=(request, self._settings, self._limits), timeout=self._limits.wall_seconds
            )
            flying.append((request, future))
            if len(flying) >= 2 * self.workers:
                yield self._finish(*flying.popleft())
        while flying:
            yield self._finish(*flying.popleft())

    def _finish(self, request: DecodeRequest, future) -> tuple[DecodeRequest, DecodedClip | DecodeFailure]:
        try:
            return request, future.result()
        except concurrent.futures.TimeoutError:
            return request, DecodeFailure(FailureReason.TIMEOUT, f"not decoded within {self._limits.wall_seconds:g} s")
        except pebble.ProcessExpired as error:
            return request, DecodeFailure(FailureReason.CRASHED, f"the worker ended with code {error.exitcode}")
