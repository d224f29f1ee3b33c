"""Worker processes that finish clips under limits: what was fetched is untrusted, and cutting needs every core."""

from __future__ import annotations

import concurrent.futures
import multiprocessing
import os
import threading
import time

import pebble

from kinetics_tfds.acquire.finish import Finished, Job, finish_clip, outcome_of
from kinetics_tfds.acquire.outcome import Outcome, Reason
from kinetics_tfds.decode.types import DecodeFailure, FailureReason


class FinishPool:
    """Finishes clips in other processes; safe for several threads.

    Args:
        workers: processes; None for one a core.
        memory_bytes: private memory of one.
    """

    def __init__(self, workers: int | None = None, memory_bytes: int = 2 << 30) -> None:
        available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        self.workers = workers or available
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["kinetics_tfds.acquire.finish"])
        self._pool = pebble.ProcessPool(
            max_workers=self.workers, context=context, initializer=_begin, initargs=(memory_bytes,)
        )

    def __enter__(self) -> FinishPool:
        return self

    def __exit__(self, *unused: object) -> None:
        self._pool.stop()
        self._pool.join()

    def finish(self, job: Job) -> Finished | Outcome:
        """Finishes one clip; returns when it is done or failed, or its worker was ended."""
        future = self._pool.schedule(finish_clip, args=(job,), timeout=job.cut.seconds)
        try:
            return future.result()
        except concurrent.futures.TimeoutError:
            return Outcome(Reason.TIMEOUT, f"not cut and checked within {job.cut.seconds:g} s")
        except MemoryError:
            return _outcome(FailureReason.MEMORY, "the worker's memory ran out", job)
        except pebble.ProcessExpired as error:
            return _outcome(FailureReason.CRASHED, f"the worker ended with code {error.exitcode}", job)
        except Exception as error:  # whatever one file does to a library, the others go on
            return Outcome(Reason.UNEXPECTED, f"{type(error).__name__}: {error}")


def _outcome(reason: FailureReason, detail: str, job: Job) -> Outcome:
    return outcome_of(DecodeFailure(reason, detail), job.complete)


def _begin(memory_bytes: int) -> None:
    import resource

    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, hard))
    threading.Thread(target=_end_with_parent, args=(os.getppid(),), daemon=True).start()


def _end_with_parent(parent: int) -> None:
    """Ends this worker when the fork server is gone, which ends when the main process is killed."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)
