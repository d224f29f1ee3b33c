"""Decoding clips in worker processes, in order, under limits."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
from collections.abc import Iterable, Iterator

from kinetics_tfds.clips.content import read_content
from kinetics_tfds.decode.types import (
    DecodedClip,
    DecodeFailure,
    DecodeLimits,
    DecodeRequest,
    DecodeSettings,
    FailureReason,
)
from kinetics_tfds.workers import TaskCrashedError, TaskFuture, TaskTimeoutError, WorkerPool

# How many clips are in the pool for each worker: one in hand and one to go on with while the caller writes.
_CLIPS_PER_WORKER = 2
# In this order: the first keeps libraries that the second imports from starting threads.
PRELOAD = ("kinetics_tfds.decode.single_thread", "kinetics_tfds.decode.clip")


class DecodePool:
    """Decodes clips in worker processes, in order, under limits.

    A clip that exceeds its time or memory, or ends its worker, also when it is tried again alone, has failed; the pool
    goes on. A worker that is killed from outside costs no clip. May be used from several threads at once. Workers end
    with `close`, with this object, and with this process.

    Attributes:
        workers: how many worker processes there are.
    """

    def __init__(
        self, settings: DecodeSettings, limits: DecodeLimits | None = None, workers: int | None = None
    ) -> None:
        """Starts no process yet.

        Args:
            settings: what is stored of each clip.
            limits: what one file may cost.
            workers: number of processes; None for one on each CPU that this process may use.
        """
        self._settings = settings
        self._limits = limits or DecodeLimits()
        self._pool = WorkerPool(workers, memory_bytes=self._limits.memory_bytes, preload=PRELOAD)
        self.workers = self._pool.workers

    def __enter__(self) -> DecodePool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the workers; clips in flight are given up."""
        self._pool.close()

    def decode(self, requests: Iterable[DecodeRequest]) -> Iterator[tuple[DecodeRequest, DecodedClip | DecodeFailure]]:
        """Yields each request with its frames or its failure, in the order of the requests.

        Requests are taken as they are needed: twice as many as there are workers are in flight, so that memory does
        not depend on how many there are.

        Raises:
            RuntimeError: the pool was closed.
            WorkerError: no worker can be started, or they are killed again and again from outside.
        """
        flights: collections.deque[tuple[DecodeRequest, TaskFuture]] = collections.deque()
        try:
            for request in requests:
                flights.append((request, self._submit(request)))
                if len(flights) >= _CLIPS_PER_WORKER * self.workers:
                    yield flights[0][0], self._result(flights[0][1])
                    flights.popleft()
            while flights:
                yield flights[0][0], self._result(flights[0][1])
                flights.popleft()
        finally:
            for _, future in flights:
                future.abandon()

    def _submit(self, request: DecodeRequest) -> TaskFuture:
        return self._pool.submit(
            decode_request, request, self._settings, self._limits, seconds=self._limits.wall_seconds
        )

    def _result(self, future: TaskFuture) -> DecodedClip | DecodeFailure:
        try:
            return future.result()
        except TaskTimeoutError:
            return DecodeFailure(FailureReason.TIMEOUT, f"not decoded within {self._limits.wall_seconds:g} s")
        except TaskCrashedError as error:
            return DecodeFailure(FailureReason.CRASHED, str(error))
        except MemoryError as error:
            return DecodeFailure(FailureReason.MEMORY, str(error) or "memory ran out")


def decode_request(
    request: DecodeRequest, settings: DecodeSettings, limits: DecodeLimits
) -> DecodedClip | DecodeFailure:
    """Decodes one clip inside a worker; whatever a file makes the libraries do ends as its failure."""
    from kinetics_tfds.decode.clip import decode_clip
    from kinetics_tfds.decode.failure import DecodeError

    try:
        decoded = decode_clip(request, settings, limits)
        return dataclasses.replace(decoded, content=read_content(request.path))
    except DecodeError as error:
        if error.failure.reason is FailureReason.MEMORY:  # to be tried again in a new worker
            raise MemoryError(error.failure.detail) from error
        with contextlib.suppress(OSError):
            return dataclasses.replace(error.failure, content=read_content(request.path))
        return error.failure
    except MemoryError:
        raise
    except OSError as error:
        return DecodeFailure(FailureReason.UNREADABLE, error.strerror or type(error).__name__)
    except Exception as error:
        return DecodeFailure(FailureReason.CRASHED, f"the decoder raised {type(error).__name__}: {error}"[:300])
