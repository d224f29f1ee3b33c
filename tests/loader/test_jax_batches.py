"""Batches as global arrays: over several devices, over several processes, and through save and restore."""

import gc
import glob
import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import threading

import jax
import numpy as np
import pytest
import tensorflow as tf
from jax.sharding import PartitionSpec

from kinetics_tfds.errors import ConfigError, LoaderError
from kinetics_tfds.loader.devices.jax_batches import JaxBatches, local_rows

jax.config.update("jax_num_cpu_devices", 8)  # before the first test makes a device

HERE = pathlib.Path(__file__).parent


def _dataset(count=64, batch=8, symbolic=True):
    dataset = tf.data.Dataset.range(count).shuffle(16, seed=1, reshuffle_each_iteration=False)
    dataset = dataset.map(
        lambda i: {
            "video": tf.fill([2, 4, 4, 3], tf.cast(i, tf.uint8)),
            "label": tf.cast(i, tf.int32),
            "id": tf.strings.as_string(i),
            "mask": i >= 0,
        },
        num_parallel_calls=2,
    )
    options = tf.data.Options()
    options.experimental_symbolic_checkpoint = symbolic
    return dataset.batch(batch).prefetch(2).with_options(options)


def test_a_batch_is_spread_over_all_devices():
    expected = list(_dataset().as_numpy_iterator())
    batches = list(JaxBatches(_dataset()))
    assert len(batches) == len(expected) == 8
    for batch, wanted in zip(batches, expected, strict=True):
        assert isinstance(batch["video"], jax.Array)
        assert batch["video"].sharding.spec == PartitionSpec("data")
        assert {shard.data.shape[0] for shard in batch["video"].addressable_shards} == {1}
        assert len({shard.device for shard in batch["video"].addressable_shards}) == 8
        for key in ("video", "label", "mask"):
            np.testing.assert_array_equal(batch[key], wanted[key])
        np.testing.assert_array_equal(batch["id"], wanted["id"])
        np.testing.assert_array_equal(local_rows(batch["label"]), batch["id"].astype(int))


def test_batches_are_repeated_along_other_axes_of_the_mesh():
    mesh = jax.make_mesh((4, 2), ("data", "model"))
    batch = next(JaxBatches(_dataset(), mesh))
    assert {shard.data.shape[0] for shard in batch["label"].addressable_shards} == {2}
    np.testing.assert_array_equal(local_rows(batch["label"]), batch["id"].astype(int))
    with pytest.raises(ConfigError, match=r"no axis 'rows'[\s\S]*data, model"):
        JaxBatches(_dataset(), mesh, axis="rows")


@pytest.mark.parametrize("resume_every", [1, 3])
def test_saving_at_every_batch_goes_on_with_the_next(tmp_path, resume_every):
    wanted = [batch["label"] for batch in _dataset().as_numpy_iterator()]
    batches = JaxBatches(_dataset(), resume_every=resume_every, prefetch=3)
    for done in range(1, 8):
        np.testing.assert_array_equal(next(batches)["label"], wanted[done - 1])
        batches.save(tmp_path / str(done))
        again = JaxBatches(_dataset(), prefetch=1)
        next(again)
        again.restore(tmp_path / str(done))
        rest = [np.asarray(batch["label"]) for batch in again]
        np.testing.assert_array_equal(rest, wanted[done:])
        again.close()


def test_a_restored_iterator_can_be_saved_again(tmp_path):
    wanted = [batch["label"] for batch in _dataset().as_numpy_iterator()]
    first = JaxBatches(_dataset(), resume_every=4)
    for _ in range(3):
        next(first)
    first.save(tmp_path / "a")
    second = JaxBatches(_dataset(), resume_every=4)
    second.restore(tmp_path / "a")
    next(second)
    second.save(tmp_path / "b")
    third = JaxBatches(_dataset())
    third.restore(tmp_path / "b")
    np.testing.assert_array_equal(next(third)["label"], wanted[4])


def test_what_cannot_be_saved_or_restored_says_so(tmp_path):
    batches = JaxBatches(_dataset(), resume_every=None)
    with pytest.raises(LoaderError, match="no state"):
        batches.save(tmp_path)
    next(batches)
    with pytest.raises(LoaderError, match="resume_every=1"):
        batches.save(tmp_path)
    with pytest.raises(LoaderError, match="holds no state"):
        batches.restore(tmp_path / "absent")


def test_a_batch_that_does_not_fit_the_mesh_is_named():
    with pytest.raises(LoaderError, match=r"batch of 6[\s\S]*8 devices"):
        next(JaxBatches(_dataset(batch=6)))


def test_an_error_of_the_dataset_reaches_the_loop():
    def fail(batch):
        tf.debugging.assert_less(batch["label"], 64, message="label too high")
        return batch

    batches = JaxBatches(_dataset(count=80).map(fail))
    with pytest.raises(tf.errors.InvalidArgumentError, match="label too high"):
        list(batches)
    with pytest.raises(StopIteration):
        next(batches)


def test_nothing_is_left_behind():
    def leftovers():
        threads = [thread for thread in threading.enumerate() if thread.name == "kinetics JaxBatches"]
        return threads, set(glob.glob(f"{tempfile.gettempdir()}/kinetics_iterator_*"))

    gc.collect()
    threads, folders = leftovers()
    batches = JaxBatches(_dataset())
    next(batches)
    assert leftovers()[1] > folders
    del batches
    gc.collect()
    assert leftovers() == (threads, folders)


def test_two_processes_hold_one_global_array():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    processes = [
        subprocess.Popen(
            [sys.executable, str(HERE / "jax_process.py"), str(index), "2", str(port)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
        )
        for index in range(2)
    ]  # fmt: skip
    try:
        answers = [process.communicate(timeout=120) for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert [process.returncode for process in processes] == [0, 0], answers
    first, second = (json.loads(out.splitlines()[-1]) for out, _ in answers)
    assert first["devices"] == 4
    assert sorted(first["seen"] + second["seen"]) == list(range(24)), "each record once, on one process"
    assert first["shapes"] == [[8, 2, 4, 4, 3]] * 3
    assert first["sums"] == second["sums"]
    assert sum(first["sums"]) == sum(range(24))
