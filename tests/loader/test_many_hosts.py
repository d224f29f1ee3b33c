"""Hosts: parts are disjoint and complete, steps are the same on all; tf.distribute takes the batches as they are."""

import collections
import itertools
import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
from records import clip_id, make_example, write_dataset

from kinetics_tfds import loader
from kinetics_tfds.errors import ConfigError

HERE = pathlib.Path(__file__).parent
SAMPLING, SPATIAL = loader.CentreClip(2), loader.Resize(16)
CLIPS = 14


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("data")


def _write(folder, per_shard):
    rows = [make_example(i, frames=4, size=(16, 16)) for i in range(CLIPS)]
    return write_dataset(folder, {"train": rows, "validation": rows}, per_shard=per_shard)


@pytest.fixture(scope="module")
def builders(folder):
    """More files than hosts, and a single file for all of them."""
    return {"many files": _write(folder / "many", 1), "few files": _write(folder / "few", 9)}


def _ids(dataset):
    return [key for batch in dataset.as_numpy_iterator() for key in batch["id"][batch["mask"]]]


SLOW = pytest.mark.slow


@pytest.mark.parametrize(
    ("files", "hosts"),
    [
        ("many files", 3),
        ("few files", 4),
        pytest.param("many files", 4, marks=SLOW),
        pytest.param("few files", 3, marks=SLOW),
    ],
)
def test_evaluation_parts_are_disjoint_and_complete(builders, files, hosts):
    seen, steps = [], set()
    for host in range(hosts):
        dataset = loader.make_dataset(
            builders[files], "validation", sampling=SAMPLING, spatial=SPATIAL, batch_size=2, shard=(host, hosts)
        )
        mine = _ids(dataset)
        assert CLIPS // hosts <= len(mine) <= CLIPS // hosts + 1
        seen += mine
        steps.add(sum(1 for _ in dataset))
        assert steps == {dataset.cardinality().numpy()}
    assert sorted(seen) == [clip_id(i).encode() for i in range(CLIPS)]


@pytest.mark.parametrize("files", ["few files", pytest.param("many files", marks=SLOW)])
def test_training_hosts_take_the_same_number_of_steps(builders, files):
    """14 clips over 4 hosts, 5 epochs: 70 clips are 17 rounds of one clip per host, and 8 batches of two."""
    datasets = [
        loader.make_dataset(
            builders[files], "train", sampling=SAMPLING, spatial=SPATIAL, batch_size=2, epochs=5, shard=(host, 4)
        )
        for host in range(4)
    ]
    seen = [_ids(dataset) for dataset in datasets]
    assert [len(ids) for ids in seen] == [2 * 8] * 4
    assert all(dataset.cardinality().numpy() == 8 for dataset in datasets)
    order = [key for round_of_hosts in zip(*seen, strict=True) for key in round_of_hosts]
    for epoch in range(4):
        one = order[epoch * CLIPS : (epoch + 1) * CLIPS]
        assert sorted(one) == [clip_id(i).encode() for i in range(CLIPS)], "an epoch deals out every clip once"
    assert max(collections.Counter(itertools.chain(*seen)).values()) <= 5
    # Each epoch deals anew: over five of them every host has met more clips than one part holds.
    assert all(len(set(ids)) > 4 for ids in seen)


@pytest.mark.parametrize(("hosts", "views"), [(1, 1), (3, 1), (4, 2)])
def test_steps_per_epoch_is_what_an_epoch_gives(builders, hosts, views):
    dataset = loader.make_dataset(
        builders["few files"],
        "train",
        sampling=loader.RandomClip(2, clips=views),
        spatial=SPATIAL,
        batch_size=2,
        epochs=1,
        shard=(0, hosts),
    )
    steps = loader.steps_per_epoch(builders["few files"], "train", 2, shard_count=hosts, views=views)
    assert steps == sum(1 for _ in dataset) == dataset.cardinality().numpy()


def test_a_part_of_a_split_is_shared_out_too(builders):
    wanted = [clip_id(i).encode() for i in range(round(CLIPS * 0.2), round(CLIPS * 0.75))]
    for host in range(3):
        dataset = loader.make_dataset(
            builders["few files"], "validation[20%:75%]", sampling=SAMPLING, spatial=SPATIAL,
            batch_size=4, shard=(host, 3),
        )  # fmt: skip
        assert _ids(dataset) == wanted[host::3]


@pytest.mark.parametrize(
    ("shard", "message"),
    [((2, 2), r"shard is \(2, 2\)"), ((-1, 2), "shard is"), ((0, 0), "shard is"), ((0, 15), "too few for 15 hosts")],
)
def test_impossible_parts_are_refused(builders, shard, message):
    with pytest.raises(ConfigError, match=message):
        loader.make_dataset(
            builders["few files"], "validation", sampling=SAMPLING, spatial=SPATIAL, batch_size=2, shard=shard
        )


@pytest.mark.parametrize(("split", "epochs", "steps"), [("validation", None, 4 * 2), ("train", 3, 4 * 2)])
def test_batches_are_a_multiple_of_the_replicas(builders, split, epochs, steps):
    """14 clips over 2 hosts of 4 replicas each, by 1 row and by 2: 7 batches are 8, 10 are 8."""
    for host in range(2):
        dataset = loader.make_dataset(
            builders["few files"], split, sampling=SAMPLING, spatial=SPATIAL,
            batch_size=2 if epochs else 1, epochs=epochs, shard=(host, 2), replicas=4,
        )  # fmt: skip
        assert dataset.cardinality().numpy() == sum(1 for _ in dataset) == steps
        assert epochs or len(_ids(dataset)) == CLIPS // 2


def test_impossible_replicas_are_refused(builders):
    options = {"sampling": SAMPLING, "spatial": SPATIAL, "batch_size": 4}
    with pytest.raises(ConfigError, match="replicas is 0"):
        loader.make_dataset(builders["few files"], "validation", replicas=0, **options)
    with pytest.raises(ConfigError, match="14 clips over 1 hosts do not fill 4 x 4 rows"):
        loader.make_dataset(builders["few files"], "train", replicas=4, epochs=1, **options)


@pytest.fixture(scope="module")
def distributed(folder, builders):
    """What tf.distribute made of the batches, in a process with three virtual devices."""
    done = subprocess.run(
        [sys.executable, str(HERE / "strategy_process.py"), str(folder / "few")],
        capture_output=True, text=True, timeout=240, env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_replicas_train_on_different_clips(distributed):
    """A global batch of 6 over 3 replicas: 2 rows each; 2 epochs of 14 clips are 4 whole steps."""
    steps = distributed["training"]
    assert len(steps) == 4
    for replicas in steps:
        assert [len(ids) for ids in replicas] == [2, 2, 2]
    rows = [key for replicas in steps for ids in replicas for key in ids]
    assert len(set(rows[:12])) == 12, "no clip twice within an epoch"
    assert steps == distributed["training of global batches"], "both ways of tf.distribute give the same rows"


def test_replicas_count_every_video_once(distributed):
    assert sorted(distributed["evaluated"]) == [clip_id(i) for i in range(CLIPS)]
    assert distributed["videos"] == CLIPS
    np.testing.assert_allclose(distributed["top1"], distributed["top1 alone"])


def test_two_input_pipelines_share_the_records_out(distributed):
    """The input context of several hosts, as TPUStrategy gives it to each of them."""
    parts = distributed["input pipelines"]
    assert sorted(itertools.chain(*parts)) == [clip_id(i) for i in range(CLIPS)]
    assert min(map(len, parts)) >= CLIPS // 2
