"""Worker processes that finish clips under limits: what was fetched is untrusted, and cutting needs every core.

Each worker has a pipe of its own, so one that hangs, dies or is killed at any moment costs the clip it was at and no
more.
"""

from __future__ import annotations

import atexit
import os
import queue
import threading
from multiprocessing.connection import Connection
from typing import Any

from kinetics_tfds.acquire.outcome import Outcome, Reason
from kinetics_tfds.acquire.transcode.clip_file import Finished, Job, finish_clip, outcome_of
from kinetics_tfds.decode import processes
from kinetics_tfds.decode.pool import available_cpus
from kinetics_tfds.decode.types import DecodeFailure, DecodeLimits, FailureReason
from kinetics_tfds.decode.worker import start_worker

# A worker is replaced now and then, so that no library's memory grows for ever.
_CLIPS_A_PROCESS = 500
_MEMORY_BYTES = 2 << 30  # x264 looks ahead: cutting takes more than decoding


class FinishPool:
    """Finishes clips in other processes; safe for several threads.

    Args:
        workers: processes; None for one a core.
    """

    def __init__(self, workers: int | None = None) -> None:
        self.workers = workers or available_cpus()
        self._hands: queue.LifoQueue[_Hand] = queue.LifoQueue()
        self._all = [_Hand() for _ in range(self.workers)]
        for hand in self._all:
            self._hands.put(hand)
        processes.server.acquire()
        self._open = True

    def __enter__(self) -> FinishPool:
        return self

    def __exit__(self, *unused: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the workers; what they are at is given up."""
        if self._open:
            self._open = False
            for hand in self._all:
                hand.end()
            processes.server.release()

    def finish(self, job: Job) -> Finished | Outcome:
        """Finishes one clip; returns when it is done or failed, or its worker was ended."""
        hand = self._hands.get()
        try:
            return hand.finish(job)
        finally:
            self._hands.put(hand)


class _Hand:
    """One worker process, started when it is first needed and again after each end."""

    def __init__(self) -> None:
        self._process: Any = None
        self._pipe: Connection | None = None
        self._clips = 0

    def finish(self, job: Job) -> Finished | Outcome:
        """Finishes one clip."""
        pipe, process = self._running()
        try:
            pipe.send(job)
            if not pipe.poll(job.cut.seconds):
                self.end()
                return Outcome(Reason.TIMEOUT, f"not cut and checked within {job.cut.seconds:g} s")
            result = pipe.recv()
        except (EOFError, OSError):
            process.join(5)
            detail = f"the worker ended with code {process.exitcode}"
            self.end()
            return outcome_of(DecodeFailure(FailureReason.CRASHED, detail), job.complete)
        self._clips += 1
        if self._clips >= _CLIPS_A_PROCESS:
            self.end()
        return result

    def _running(self) -> tuple[Connection, Any]:
        if self._pipe is not None and self._process.is_alive():
            return self._pipe, self._process
        self.end()
        context = processes.WorkerContext()
        near, far = context.Pipe()
        process = context.Process(target=_serve, args=(far, os.getpid()), daemon=True)
        process.start()
        far.close()  # so that the worker's death ends the pipe
        self._pipe, self._process, self._clips = near, process, 0
        return near, process

    def end(self) -> None:
        """Ends the process, if there is one."""
        if self._pipe is not None:
            self._pipe.close()
        if self._process is not None:
            self._process.kill()
            self._process.join(5)
        self._process = self._pipe = None


def _serve(pipe: Connection, owner: int) -> None:
    start_worker(DecodeLimits(memory_bytes=_MEMORY_BYTES), owner)
    while True:
        try:
            job: Job = pipe.recv()
        except EOFError:
            return
        try:
            result = finish_clip(job)
        except MemoryError:
            result = outcome_of(DecodeFailure(FailureReason.MEMORY, "memory ran out"), job.complete)
        except Exception as error:  # whatever one file does to a library, the others go on
            result = Outcome(Reason.UNEXPECTED, f"{type(error).__name__}: {error}")
        pipe.send(result)


_shared: dict[int | None, FinishPool] = {}
_shared_lock = threading.Lock()


def shared_pool(workers: int | None) -> FinishPool:
    """Returns this process's pool of that size; it lasts until the process ends, from one pass of a run to the next."""
    with _shared_lock:
        if workers not in _shared:
            _shared[workers] = FinishPool(workers)
            atexit.register(_shared[workers].close)
        return _shared[workers]
