"""Worker processes that decode clips under limits."""

from __future__ import annotations

import collections
import concurrent.futures
import dataclasses
import os
import pickle
import signal
import threading
import time
import weakref
from collections.abc import Iterable, Iterator
from typing import Any

import pebble

from kinetics_tfds.decode import processes
from kinetics_tfds.decode.types import (
    DecodedClip,
    DecodeFailure,
    DecodeLimits,
    DecodeRequest,
    DecodeSettings,
    FailureReason,
)
from kinetics_tfds.decode.worker import run_request, start_worker
from kinetics_tfds.errors import WorkerError

# How many clips are in the pool for each worker: one in hand and one to go on with while the caller writes.
_CLIPS_PER_WORKER = 2
# A worker is replaced now and then, so that no library's memory grows for ever.
_CLIPS_PER_PROCESS = 500
_LOOK_AGAIN_SECONDS = 0.5
# A clip goes back into a new pool when the old one broke under it; this often, then it is to blame.
_MOST_ATTEMPTS = 4
# A result is sent within milliseconds. Its channel being taken for this long means that its sender died in the act.
_STUCK_SECONDS = 5.0
# Pebble gives a worker three seconds to end before it tells of the clip.
_LOST_SECONDS = 6.0
_CLOSED = "the decode pool is closed"


def available_cpus() -> int:
    """Returns how many CPUs this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclasses.dataclass(slots=True)
class _Flight:
    """A clip on its way.

    Attributes:
        request: the clip.
        future: of its pickled result.
        generation: counts pools; tells a clip of a pool that has been replaced.
        attempts: how many pools broke under it.
        running_since: when it was first seen running.
        lost_since: when its worker was first seen gone.
    """

    request: DecodeRequest
    future: concurrent.futures.Future[bytes]
    generation: int
    attempts: int = 0
    running_since: float | None = None
    lost_since: float | None = None


class DecodePool:
    """Decodes clips in worker processes, in order, under limits.

    A worker that exceeds its time or memory, or dies, costs the clip it was at; the pool goes on with a new worker.
    May be used from several threads at once. Workers end with `close`, with this object, and with this process.

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
        self.workers = available_cpus() if workers is None else max(1, workers)
        self._settings = settings
        self._limits = limits or DecodeLimits()
        self._lock = threading.Lock()
        self._generation = 0
        self._stuck_since: float | None = None
        self._crew = _Crew(self._limits, self.workers)
        self._closed = False
        self._proven = False  # whether some worker has come to a clip
        self._finalizer = weakref.finalize(self, _Crew.close, self._crew)

    def __enter__(self) -> DecodePool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the workers; clips in flight are given up."""
        with self._lock:
            self._closed = True
            self._finalizer.detach()
            self._crew.close()

    def decode(self, requests: Iterable[DecodeRequest]) -> Iterator[tuple[DecodeRequest, DecodedClip | DecodeFailure]]:
        """Yields each request with its frames or its failure, in the order of the requests.

        Requests are taken as they are needed: twice as many as there are workers are in flight, so that memory does
        not depend on how many there are.

        Raises:
            RuntimeError: the pool was closed.
        """
        flights: collections.deque[_Flight] = collections.deque()
        try:
            for request in requests:
                flights.append(self._send(request))
                if len(flights) >= _CLIPS_PER_WORKER * self.workers:
                    yield self._land(flights.popleft())
            while flights:
                yield self._land(flights.popleft())
        finally:
            for flight in flights:
                flight.future.cancel()

    def _send(self, request: DecodeRequest, attempts: int = 0) -> _Flight:
        for _ in range(_MOST_ATTEMPTS):
            with self._lock:
                if self._closed:
                    raise RuntimeError(_CLOSED)
                generation = self._generation
                crew = self._crew
            try:
                return _Flight(request, crew.schedule(request, self._settings), generation, attempts)
            except RuntimeError:  # broken since the last look
                self._replace(generation)
        raise WorkerError("Decode workers cannot be started.", "See whether this user may start more processes.")

    def _land(self, flight: _Flight) -> tuple[DecodeRequest, DecodedClip | DecodeFailure]:
        """Waits for a clip, whatever happens to its worker or pool."""
        while True:
            if flight.generation != self._generation and not flight.future.done():
                flight = self._send(flight.request, flight.attempts)
            done, _ = concurrent.futures.wait([flight.future], timeout=_LOOK_AGAIN_SECONDS)
            if not done:
                if (lost := self._look_after(flight)) is not None:
                    return flight.request, lost
                continue
            if (result := self._result(flight)) is not None:
                self._proven = True
                return flight.request, result
            self._replace(flight.generation)
            flight = self._send(flight.request, flight.attempts + 1)

    def _result(self, flight: _Flight) -> DecodedClip | DecodeFailure | None:
        """Returns what became of a clip that is done with, or None if its pool broke and it deserves another."""
        try:
            return pickle.loads(flight.future.result())
        except concurrent.futures.TimeoutError:
            return self._timed_out()
        except pebble.ProcessExpired as error:
            return DecodeFailure(FailureReason.CRASHED, _describe_exit(error.exitcode))
        except Exception as error:  # the pool broke, or was replaced under this clip
            if flight.attempts + 1 < _MOST_ATTEMPTS:
                return None
            if not self._proven:
                raise WorkerError(
                    "Decode workers end as soon as they start.",
                    "See the messages above; in a container, allow it more processes and memory.",
                ) from error
            detail = f"the pool broke {_MOST_ATTEMPTS} times under it: {type(error).__name__}"
            return DecodeFailure(FailureReason.CRASHED, detail)

    def _timed_out(self) -> DecodeFailure:
        return DecodeFailure(FailureReason.TIMEOUT, f"not decoded within {self._limits.wall_seconds:g} s")

    def _look_after(self, flight: _Flight) -> DecodeFailure | None:
        """Looks whether a clip that takes long is still being worked at; returns its failure if it is not."""
        if self._closed:
            raise RuntimeError(_CLOSED)
        now = time.monotonic()
        crew = self._crew
        if not crew.alive or self._channel_stuck(crew, now):
            self._replace(flight.generation)
            return None
        if not flight.future.running():
            return None
        self._proven = True
        flight.running_since = flight.running_since or now
        flight.lost_since = (flight.lost_since or now) if crew.lost(flight.future) else None
        if flight.lost_since is not None and now - flight.lost_since > _LOST_SECONDS:
            return DecodeFailure(FailureReason.CRASHED, "the worker ended as soon as it had begun")
        if now - flight.running_since > self._limits.wall_seconds + 3 * _STUCK_SECONDS:
            self._replace(flight.generation)
            return self._timed_out()
        return None

    def _channel_stuck(self, crew: _Crew, now: float) -> bool:
        if not crew.sending:
            self._stuck_since = None
            return False
        self._stuck_since = self._stuck_since or now
        return now - self._stuck_since > _STUCK_SECONDS

    def _replace(self, generation: int) -> None:
        """Starts afresh, unless another thread did since `generation`."""
        with self._lock:
            if generation != self._generation or self._closed:
                return
            self._finalizer.detach()
            self._crew.close()
            self._crew = _Crew(self._limits, self.workers)
            self._finalizer = weakref.finalize(self, _Crew.close, self._crew)
            self._stuck_since = None
            self._generation += 1


class _Crew:
    """One pebble pool and its workers.

    The questions below look into pebble where it leaves gaps: a worker that dies while it sends leaves the channel
    locked for the others, and one that dies at once may do so before pebble has noted what it was at.
    """

    def __init__(self, limits: DecodeLimits, workers: int) -> None:
        self._limits = limits
        self._lock = threading.Lock()
        self._open = True
        processes.server.acquire()
        self._pool = pebble.ProcessPool(
            max_workers=workers,
            max_tasks=_CLIPS_PER_PROCESS,
            initializer=start_worker,
            initargs=(limits, os.getpid()),
            context=processes.WorkerContext(),
        )

    def schedule(self, request: DecodeRequest, settings: DecodeSettings) -> concurrent.futures.Future[bytes]:
        """Gives a clip to the pool; raises RuntimeError if that is closed or broken."""
        return self._pool.schedule(
            run_request, args=(request, settings, self._limits), timeout=self._limits.wall_seconds
        )

    @property
    def alive(self) -> bool:
        """Whether the pool takes clips."""
        return self._pool.active

    @property
    def sending(self) -> bool:
        """Whether some worker holds the channel on which results are sent."""
        channel = self._manager.workers_channel
        if channel is None or channel.mutex.writer_mutex is None:
            return False
        mutex = channel.mutex.writer_mutex
        if mutex.acquire(block=False):
            mutex.release()
            return False
        return True

    def lost(self, future: concurrent.futures.Future[bytes]) -> bool:
        """Whether a clip is noted as running in a worker that is gone."""
        tasks = list(self._pool._pool_manager.task_manager.tasks.values())
        for task in tasks:
            if task.future is future:
                return bool(task.worker_id) and task.worker_id not in self._manager.workers
        return False

    @property
    def _manager(self) -> Any:
        return self._pool._pool_manager.worker_manager

    def close(self) -> None:
        """Ends the workers at once."""
        with self._lock:
            if not self._open:
                return
            self._open = False
        self._pool.stop()
        for worker in list(self._manager.workers.values()):
            try:
                worker.kill()
            except (OSError, AttributeError):
                continue  # gone already
        self._pool.join()
        processes.server.release()


def _describe_exit(code: int | None) -> str:
    if code is None or code >= 0:
        return f"the worker ended with code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    hint = " (the system may have run out of memory)" if name == "SIGKILL" else ""
    return f"the worker was ended by {name}{hint}"
