"""tf.train.Checkpoint: saved at any step, restored anywhere, the batches that follow are the same to the last bit."""

import itertools
import os
import pathlib
import subprocess
import sys

import pytest
import tensorflow as tf
from batch_digests import digest, digests
from records import make_example, write_dataset
from resume_pipelines import PIPELINES

HERE = pathlib.Path(__file__).parent


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    examples = {
        "train": [make_example(i, frames=9) for i in range(11)],
        "validation": [make_example(i, frames=9) for i in range(20, 33)],
    }
    folder = tmp_path_factory.mktemp("data")
    return folder, write_dataset(folder, examples, per_shard=4)


def _saved_at_every_step(dataset, where):
    """Returns all digests and the checkpoints: the one at `i` was saved before batch `i`."""
    iterator = iter(dataset)
    checkpoint = tf.train.Checkpoint(iterator=iterator)
    found, paths = [], []
    while True:
        paths.append(checkpoint.write(str(where / f"step{len(paths)}")))
        batch = next(iterator, None)
        if batch is None:
            return found, paths
        found.append(digest(batch))


SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in PIPELINES if name not in ("training", "evaluation")]


@pytest.mark.parametrize("name", ["training", "evaluation", *SLOW])
def test_every_step_of_two_epochs_can_be_gone_back_to(folder, tmp_path, name):
    dataset = PIPELINES[name](folder[1])
    expected, paths = _saved_at_every_step(dataset, tmp_path)
    assert len(set(expected)) == len(expected) == (11 if name.startswith("training") else 3)
    iterator = iter(dataset)
    checkpoint = tf.train.Checkpoint(iterator=iterator)
    # From the end to the start: a restored iterator must forget where it was, and what it had read ahead.
    for step in reversed(range(len(paths))):
        checkpoint.read(paths[step]).assert_consumed()
        assert digests(itertools.islice(iterator, 3)) == expected[step : step + 3], f"{name} from step {step}"
    checkpoint.read(paths[1]).assert_consumed()
    assert digests(iterator) == expected[1:], "to the end"
    sizes = {os.path.getsize(f"{path}.data-00000-of-00001") for path in paths}
    assert max(sizes) < 20_000, "a state holds places, not video"


@pytest.mark.slow
def test_a_run_without_end_is_gone_on_with(folder, tmp_path):
    dataset = PIPELINES["training"](folder[1], epochs=None)
    whole = digests(dataset.take(14))
    iterator = iter(dataset)
    # Saved in the third epoch: 2 clips a batch, 11 an epoch.
    assert [digest(next(iterator)) for _ in range(12)] == whole[:12]
    path = tf.train.Checkpoint(iterator=iterator).write(str(tmp_path / "third"))
    later = iter(dataset)
    tf.train.Checkpoint(iterator=later).read(path).assert_consumed()
    assert [digest(next(later)) for _ in range(2)] == whole[12:]
    assert whole[:11] == digests(PIPELINES["training"](folder[1])), "epochs= only says where to stop"


@pytest.mark.parametrize("name", ["training", pytest.param("evaluation", marks=pytest.mark.slow)])
def test_a_fresh_process_goes_on(folder, tmp_path, name):
    expected, paths = _saved_at_every_step(PIPELINES[name](folder[1]), tmp_path)
    step = len(expected) // 2
    done = subprocess.run(
        [sys.executable, str(HERE / "resume_process.py"), str(folder[0]), paths[step], name],
        capture_output=True, text=True, timeout=240, env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == expected[step:]


def test_a_state_in_memory_through_a_saver(folder):
    """What Keras's BackupAndRestore and Orbax's handlers do: the iterator beside a step counter, in one checkpoint."""
    dataset = PIPELINES["evaluation"](folder[1])
    expected = digests(dataset)
    iterator, step = iter(dataset), tf.Variable(0)
    next(iterator)
    step.assign_add(1)
    saved = tf.train.CheckpointManager(
        tf.train.Checkpoint(iterator=iterator, step=step), str(folder[0] / "checkpoints"), max_to_keep=1
    ).save()
    again, steps = iter(dataset), tf.Variable(0)
    tf.train.Checkpoint(iterator=again, step=steps).restore(saved).assert_consumed()
    assert steps.numpy() == 1
    assert digests(again) == expected[1:]
