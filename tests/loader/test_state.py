"""Iterator states: another pipeline refuses them and says what differs; another number of hosts may go on from them."""

import collections
import itertools
import shutil

import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
from records import clip_id, make_example, write_dataset

from kinetics_tfds import loader
from kinetics_tfds.errors import ConfigError

CLIPS = 23
IDS = {clip_id(i).encode() for i in range(CLIPS)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    rows = [make_example(i, frames=3, size=(16, 16)) for i in range(CLIPS)]
    folder = tmp_path_factory.mktemp("data") / "small"
    return folder, write_dataset(folder, {"train": rows, "validation": rows}, per_shard=9)


@pytest.fixture(scope="module")
def builder(folder):
    return folder[1]


def shout(video, seed):
    del seed
    return 255 - video


def whisper(video, seed):
    del seed
    return video // 2


def _dataset(builder, split="train", **more):
    options = {"sampling": loader.RandomClip(2), "spatial": loader.Resize(8), "batch_size": 2, "seed": 1, "epochs": 2}
    if "train" not in split or more.get("training") is False:
        del options["epochs"]
    return loader.make_dataset(builder, split, **{**options, **more})


def _saved(dataset, path, steps):
    """The ids of the first steps, and the state after them."""
    iterator = iter(dataset)
    seen = [next(iterator)["id"].numpy().tolist() for _ in range(steps)]
    return list(itertools.chain(*seen)), tf.train.Checkpoint(iterator=iterator).write(str(path))


def _restored(dataset, state):
    iterator = iter(dataset)
    tf.train.Checkpoint(iterator=iterator).read(state).assert_consumed()
    return iterator


OTHERS = {
    "seed": ({"seed": 2}, "seed=1", "seed=2"),
    "epochs": ({"epochs": 3}, "epochs=2", "epochs=3"),
    "batch size": ({"batch_size": 4}, "batch_size=2", "batch_size=4"),
    "hosts": ({"shard": (0, 2)}, "shard=(0, 1)", "shard=(0, 2)"),
    "classes": ({"classes": ["archery", "bowling"]}, "classes=None", "classes=(archery, bowling)"),
    "split": ({"split": "train[:12]", "training": True}, "dataset=small/1.0.0:train", "small/1.0.0:train[:12]"),
    "sampling": ({"sampling": loader.RandomClip(2, jitter=0.1)}, "jitter=0.0", "jitter=0.1"),
    "an augmentation": ({"augment": [whisper]}, "augment=(test_state.shout)", "augment=(test_state.whisper)"),
    "floats": ({"dtype": "float32"}, "dtype=uint8", "dtype=float32"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_a_state_of_another_pipeline_is_refused_with_what_differs(builder, tmp_path, name):
    changes, there, here = OTHERS[name]
    first = {"augment": [shout]} if name == "an augmentation" else {}
    _, state = _saved(_dataset(builder, **first), tmp_path / "state", 3)
    iterator = _restored(_dataset(builder, **changes), state)
    for _ in range(2):  # and it stays refused
        with pytest.raises(tf.errors.InvalidArgumentError) as refusal:
            next(iterator)
        message = str(refusal.value)
        assert "saved by another pipeline" in message
        assert message.index(there) < message.index("where this one has") < message.rindex(here)


@pytest.mark.parametrize("changes", [{"augment": [shout]}, {"on_damage": "skip"}, {"training": False}])
def test_a_state_of_a_pipeline_of_other_stages_is_refused_too(builder, tmp_path, changes):
    """By TensorFlow itself, or by the fingerprint."""
    _, state = _saved(_dataset(builder), tmp_path / "state", 3)
    with pytest.raises((tf.errors.NotFoundError, tf.errors.InvalidArgumentError)):
        next(_restored(_dataset(builder, **changes), state))


def test_what_changes_no_batch_is_no_difference(builder, tmp_path):
    """Threads, and functions known by their names and not by where they lie in memory."""
    whole = [batch["id"].tolist() for batch in _dataset(builder, augment=[shout]).as_numpy_iterator()]
    _, state = _saved(_dataset(builder, augment=[shout]), tmp_path / "state", 3)
    again = _restored(_dataset(builder, augment=[shout], parallelism=1), state)
    assert [batch["id"].numpy().tolist() for batch in again] == whole[3:]


def test_a_dataset_may_move(folder, tmp_path):
    _, state = _saved(_dataset(folder[1]), tmp_path / "state", 3)
    shutil.copytree(folder[0], tmp_path / "elsewhere")
    moved = tfds.builder_from_directory(tmp_path / "elsewhere")
    assert len(list(_restored(_dataset(moved), state))) == CLIPS - 3


def test_evaluation_goes_on_on_its_own_host_alone(builder, tmp_path):
    _, state = _saved(_dataset(builder, "validation", shard=(0, 2)), tmp_path / "state", 2)
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"shard=\(0, 2\)"):
        next(_restored(_dataset(builder, "validation", shard=(1, 2)), state))
    for more in ({"split": "validation"}, {"on_damage": "skip"}):
        with pytest.raises(ConfigError, match="reshard=True needs training"):
            _dataset(builder, reshard=True, **more)


def _rest(builder, state, hosts, batch_size=2):
    """What all hosts give after the state, clip by clip in the order of their places."""
    parts = []
    for host in range(hosts):
        dataset = _dataset(builder, shard=(host, hosts), batch_size=batch_size, reshard=True)
        parts.append([key for batch in _restored(dataset, state) for key in batch["id"].numpy()])
    assert len({len(part) for part in parts}) == 1, "hosts stay in step"
    return [key for row in zip(*parts, strict=True) for key in row]


def _check_reshard(builder, tmp_path, before, after, step, batch_size=2):
    parts, states = [], []
    for host in range(before):
        seen, state = _saved(_dataset(builder, shard=(host, before)), tmp_path / f"{before}_{step}_{host}", step)
        parts.append(seen)
        states.append(state)
    order = [key for row in zip(*parts, strict=True) for key in row]
    # Any host's state of this step will do.
    order += _rest(builder, states[step % before], after, batch_size)
    assert 2 * CLIPS - len(order) < after * batch_size, "only what fills no batch is left out"
    assert collections.Counter(order[:CLIPS]) == collections.Counter(IDS), "the first epoch, every clip once"
    assert max(collections.Counter(order[CLIPS:]).values()) == 1
    return order


@pytest.mark.parametrize(("before", "after", "step"), [(2, 3, 2), (3, 1, 1), (1, 8, 2)])
def test_a_state_goes_on_on_another_number_of_hosts(builder, tmp_path, before, after, step):
    order = _check_reshard(builder, tmp_path, before, after, step)
    alone = [key for batch in _dataset(builder).as_numpy_iterator() for key in batch["id"]]
    assert order == alone[: len(order)], "the order is one for any number of hosts"


def test_the_global_batch_may_stay(builder, tmp_path):
    """Two hosts of 2 rows become one of 4."""
    _check_reshard(builder, tmp_path, 2, 1, 3, batch_size=4)


@pytest.mark.slow
@pytest.mark.timeout(1500)
@pytest.mark.parametrize("before", [1, 2, 3, 4])
def test_every_step_of_two_epochs_goes_on_on_1_2_3_4_and_8_hosts(builder, tmp_path, before):
    alone = [key for batch in _dataset(builder).as_numpy_iterator() for key in batch["id"]]
    steps = 2 * CLIPS // before // 2
    for step in range(1, steps + 1):
        for after in (1, 2, 3, 4, 8):
            order = _check_reshard(builder, tmp_path, before, after, step)
            assert order == alone[: len(order)]
