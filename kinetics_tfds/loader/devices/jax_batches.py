"""Batches for JAX: global arrays sharded over a mesh, on the devices before the step asks for them."""

from __future__ import annotations

import json
import os
import queue
import shutil
import tempfile
import threading
import weakref
from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import numpy as np
import tensorflow as tf
from etils import epath
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from kinetics_tfds.errors import ConfigError, LoaderError


class _Item(NamedTuple):
    batch: dict[str, Any]
    state: tuple[str, int] | None  # prefix of the kept iterator state, and batches to read again after it


class JaxBatches(Iterator[dict[str, Any]]):
    """Iterates over a dataset in batches of `jax.Array`.

    Each process passes the dataset of its own share of the records (`make_dataset(shard=…)` does that); the arrays are
    global: their first axis is all processes' batches one after another. Strings cannot be on a device: `id` stays a
    NumPy array of this process's rows. A thread reads ahead and copies to the devices while the step runs.

    `save` and `restore` know which batch was handed out last; what was read ahead is not lost.
    """

    def __init__(
        self,
        dataset: tf.data.Dataset,
        mesh: Mesh | None = None,
        axis: str = "data",
        *,
        prefetch: int = 2,
        resume_every: int | None = 1,
    ) -> None:
        """Starts to read.

        Args:
            dataset: of batches, with static shapes.
            mesh: the devices; None: all of them along one axis.
            axis: the axis of the mesh that batches are spread over; along others they are repeated.
            prefetch: batches on the devices beyond the one in use.
            resume_every: the iterator's state is kept for every n-th batch, which takes some 10 ms; `restore` reads up
                to n - 1 batches again. None: never; then `save` fails, as it must with `service=`.

        Raises:
            ConfigError: the mesh has no such axis.
        """
        mesh = Mesh(np.asarray(jax.devices()), (axis,)) if mesh is None else mesh
        if axis not in mesh.axis_names:
            raise ConfigError(
                f"The mesh has no axis {axis!r}.", f"Pass axis= one of {', '.join(map(str, mesh.axis_names))}."
            )
        self.sharding = NamedSharding(mesh, PartitionSpec(axis))
        self._dataset = dataset
        self._prefetch = prefetch
        self._resume_every = resume_every
        self._folder = tempfile.mkdtemp(prefix="kinetics_iterator_")
        self._finalizer = weakref.finalize(self, _close, [], self._folder)
        self._last: _Item | None = None
        self._start(iter(dataset))

    def _start(self, iterator: Any, skip: int = 0) -> None:
        reader = _Reader(iterator, self.sharding, self._prefetch, self._resume_every, self._folder, skip)
        self._reader = reader
        # The finalizer must not hold `self`; it knows the readers through this list.
        self._finalizer.detach()
        self._finalizer = weakref.finalize(self, _close, [reader], self._folder)

    def __next__(self) -> dict[str, Any]:
        """Returns the next batch; numbers as `jax.Array` [B * processes, …], strings as NumPy [B, …]."""
        item = self._reader.take()
        if self._last is not None and self._last.state is not None and self._last.state[0] != (item.state or [""])[0]:
            _remove(self._last.state[0])
        self._last = item
        return item.batch

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Writes where the iterator stands, just after the batch handed out last, into a folder of its own.

        Raises:
            LoaderError: no batch was handed out yet, or states are not kept (`resume_every=None`).
        """
        if self._last is None or self._last.state is None:
            raise LoaderError(
                "There is no state of the iterator to save.",
                "Take a batch first, and make the iterator with resume_every=1 (not with a tf.data service).",
            )
        prefix, skip = self._last.state
        target = epath.Path(folder)
        target.mkdir(parents=True, exist_ok=True)
        for file in epath.Path(prefix).parent.glob("*"):
            file.copy(target / file.name, overwrite=True)
        (target / "position.json").write_text(json.dumps({"batches_to_skip": skip}))

    def restore(self, folder: str | os.PathLike[str]) -> None:
        """Goes to where `save` was called; the next batch is the one that followed.

        Raises:
            LoaderError: the folder holds no state.
        """
        source = epath.Path(folder)
        if not (source / "position.json").exists():
            raise LoaderError(f"{source} holds no state of an iterator.", "Give the folder that `save` wrote.")
        skip = json.loads((source / "position.json").read_text())["batches_to_skip"]
        self._reader.stop()
        iterator = iter(self._dataset)
        tf.train.Checkpoint(iterator=iterator).read(os.fspath(source / "state")).assert_consumed()
        self._last = None
        self._start(iterator, skip)

    def close(self) -> None:
        """Stops reading. Garbage collection and the end of the process do the same."""
        self._finalizer()


class _Reader:
    """The thread that reads, keeps states and copies to the devices; it knows nothing of the JaxBatches."""

    def __init__(
        self, iterator: Any, sharding: NamedSharding, prefetch: int, every: int | None, folder: str, skip: int
    ) -> None:
        self._iterator = iterator
        self._sharding = sharding
        self._every = every
        self._folder = folder
        self._skip = skip
        self._queue: queue.Queue[_Item | BaseException] = queue.Queue(max(prefetch, 1))
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="kinetics JaxBatches", daemon=True)
        self._thread.start()

    def take(self) -> _Item:
        if self._stopped.is_set():
            raise StopIteration
        item = self._queue.get()
        if isinstance(item, BaseException):
            self._stopped.set()
            raise item
        return item

    def stop(self) -> None:
        self._stopped.set()
        while self._thread.is_alive():
            # A full queue would keep the thread from seeing that it is to stop.
            try:
                self._queue.get(timeout=0.01)
            except queue.Empty:
                continue

    def _run(self) -> None:
        checkpoint = tf.train.Checkpoint(iterator=self._iterator)
        prefix, since, number = None, 0, 0
        try:
            for _ in range(self._skip):
                next(self._iterator)
            while not self._stopped.is_set():
                batch = next(self._iterator)
                since += 1
                if self._every is not None and (prefix is None or since >= self._every):
                    kept = tempfile.mkdtemp(prefix=f"{number:08d}_", dir=self._folder)
                    prefix, since = checkpoint.write(os.path.join(kept, "state")), 0
                number += 1
                self._put(_Item(self._to_devices(batch), None if prefix is None else (prefix, since)))
        except StopIteration:
            self._put(StopIteration())
        except Exception as error:  # handed to the caller of `next`
            self._put(error)

    def _put(self, item: _Item | BaseException) -> None:
        while not self._stopped.is_set():
            try:
                self._queue.put(item, timeout=0.1)
                return
            except queue.Full:
                continue

    def _to_devices(self, batch: dict[str, Any]) -> dict[str, Any]:
        arrays = tf.nest.map_structure(lambda tensor: tensor.numpy(), batch)
        return {key: value if value.dtype == object else self._place(key, value) for key, value in arrays.items()}

    def _place(self, key: str, value: np.ndarray) -> jax.Array:
        try:
            return jax.make_array_from_process_local_data(self._sharding, value)
        except ValueError as error:
            devices = len(self._sharding.addressable_devices)
            raise LoaderError(
                f"A batch of {len(value)} ({key}: {value.shape}) cannot be spread over {devices} devices: {error}",
                "Choose a batch size that the mesh's axis divides, and drop_remainder in training.",
            ) from error


def local_rows(batch: Any) -> Any:
    """Returns this process's rows of a global array, or of each one of a batch, as NumPy, in the order of `id`.

    For what leaves the devices again, such as the logits and labels of an evaluation step.
    """
    if isinstance(batch, dict):
        return {key: local_rows(value) for key, value in batch.items()}
    if not isinstance(batch, jax.Array):
        return batch
    rows = {shard.index[0].start or 0: np.asarray(shard.data) for shard in batch.addressable_shards}
    return np.concatenate([rows[start] for start in sorted(rows)])


def _remove(prefix: str) -> None:
    shutil.rmtree(os.path.dirname(prefix), ignore_errors=True)


def _close(readers: list[_Reader], folder: str) -> None:
    for reader in readers:
        reader.stop()
    shutil.rmtree(folder, ignore_errors=True)
