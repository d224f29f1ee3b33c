"""The one pool of worker processes: decoding, cutting and verifying run in it, under limits of time and memory.

A worker that crashes, hangs or is killed costs its own task at most, and never the pool. What a task did to its worker
and what happened to the worker from outside are different outcomes. Nothing here knows what the tasks are about.
"""

from kinetics_tfds.workers.pool import WorkerPool, available_cpus
from kinetics_tfds.workers.task import TaskCrashedError, TaskFuture, TaskTimeoutError, WorkerKilledError

__all__ = ["TaskCrashedError", "TaskFuture", "TaskTimeoutError", "WorkerKilledError", "WorkerPool", "available_cpus"]
