"""Finishing clips in worker processes: what was fetched is untrusted, and cutting needs every core."""

from __future__ import annotations

import atexit
import threading

from kinetics_tfds.acquire.outcome import Outcome, Reason
from kinetics_tfds.acquire.transcode.clip_file import Finished, Job, finish_clip, outcome_of
from kinetics_tfds.decode.pool import PRELOAD
from kinetics_tfds.decode.types import DecodeFailure, FailureReason
from kinetics_tfds.errors import WorkerError
from kinetics_tfds.workers import TaskCrashedError, TaskFuture, TaskTimeoutError, WorkerPool

_MEMORY_BYTES = 2 << 30  # x264 looks ahead: cutting takes more than decoding
_shared: dict[int | None, WorkerPool] = {}
_shared_lock = threading.Lock()


def make_pool(workers: int | None) -> WorkerPool:
    """Returns a new pool for `submit_job`, of so many processes; None for one on each CPU."""
    return WorkerPool(workers, memory_bytes=_MEMORY_BYTES, preload=(*PRELOAD, finish_clip.__module__))


def shared_pool(workers: int | None) -> WorkerPool:
    """Returns this process's pool of that size; it lasts until the process ends, from one pass of a run to the next."""
    with _shared_lock:
        if workers not in _shared:
            _shared[workers] = make_pool(workers)
            atexit.register(_shared[workers].close)
        return _shared[workers]


def submit_job(pool: WorkerPool, job: Job) -> TaskFuture:
    """Begins to finish one clip; `result_of_job` waits for it."""
    return pool.submit(finish_clip, job, seconds=job.cut.seconds)


def result_of_job(future: TaskFuture, job: Job) -> Finished | Outcome:
    """Waits until a clip is finished, or has failed.

    Raises:
        WorkerError: workers are killed from outside, or cannot be started: nothing is known of the clip.
    """
    try:
        return future.result()
    except TaskTimeoutError:
        return Outcome(Reason.TIMEOUT, f"not cut and checked within {job.cut.seconds:g} s")
    except TaskCrashedError as error:
        return outcome_of(DecodeFailure(FailureReason.CRASHED, str(error)), job.fetched.complete)
    except MemoryError:
        return outcome_of(DecodeFailure(FailureReason.MEMORY, "memory ran out"), job.fetched.complete)
    except WorkerError:
        raise
    except Exception as error:  # whatever one file does to a library, the others go on
        return Outcome(Reason.UNEXPECTED, f"{type(error).__name__}: {error}")
