"""Every random choice is a function of (seed, epoch, id): not of threads, hosts, neighbours or files."""

import itertools

import numpy as np
import pytest
import tensorflow as tf
from batch_digests import digests
from hypothesis import given, settings
from hypothesis import strategies as st
from records import clip_id, make_example, read_clip, write_dataset

from kinetics_tfds import loader
from kinetics_tfds.errors import ConfigError
from kinetics_tfds.loader.randomness import batch_seed, example_seed, shuffled, stage_seeds

CLIPS = 13


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def builder(folder):
    return write_dataset(folder / "few", {"train": [make_example(i, frames=20) for i in range(CLIPS)]}, per_shard=6)


def _dataset(builder, **more):
    return loader.make_dataset(
        builder,
        "train",
        **{
            "sampling": loader.RandomClip(3, jitter=0.3),
            "spatial": loader.RandomResizedCrop((24, 32), scale=(0.6, 1.0)),
            "batch_size": 3,
            "epochs": 2,
            "seed": 1,
            **more,
        },
    )


def _by_id(batches, epoch_size=None):
    """Bytes of each clip's video; with `epoch_size` those of the first epoch alone."""
    rows = [
        (key, video.tobytes())
        for batch in batches.as_numpy_iterator()
        for key, video in zip(batch["id"], batch["video"], strict=True)
    ]
    return dict(rows[:epoch_size])


@pytest.fixture(scope="module")
def expected(builder):
    return digests(_dataset(builder))


@pytest.mark.parametrize("parallelism", [1, 7])
def test_the_same_batches_whatever_the_parallelism(builder, expected, parallelism):
    dataset = _dataset(builder, parallelism=parallelism)
    assert digests(dataset) == expected
    assert digests(dataset) == expected, "and again when iterated twice"


def test_another_run_is_another_seed_and_nothing_else(builder, expected):
    tf.random.set_seed(123)  # the global seed and the generators of others have no say
    np.random.seed(4)
    assert digests(_dataset(builder)) == expected
    other = digests(_dataset(builder, seed=2))
    assert not set(other) & set(expected)


def test_epochs_differ_in_order_and_in_pixels_but_not_in_clips(builder):
    rows = [
        (key, video.tobytes())
        for batch in _dataset(builder, batch_size=CLIPS).as_numpy_iterator()
        for key, video in zip(batch["id"], batch["video"], strict=True)
    ]
    first, second = rows[:CLIPS], rows[CLIPS:]
    ids = {clip_id(i).encode() for i in range(CLIPS)}
    assert {key for key, _ in first} == {key for key, _ in second} == ids
    assert [key for key, _ in first] != [key for key, _ in second]
    assert not {video for _, video in first} & {video for _, video in second}


def test_a_clip_looks_the_same_on_any_host_in_any_company(folder, builder):
    """Fewer hosts, other shards, other neighbours in the split and fewer classes: the same pixels in the same epoch."""
    whole = _by_id(_dataset(builder, batch_size=1, epochs=1))
    assert len(whole) == CLIPS
    hosts = [_by_id(_dataset(builder, batch_size=1, epochs=1, shard=(host, 2))) for host in range(2)]
    assert {**hosts[0], **hosts[1]}.items() <= whole.items()
    one_class = _by_id(_dataset(builder, batch_size=1, epochs=1, classes=["bowling"]))
    assert len(one_class) == 3
    assert one_class.items() <= whole.items()
    rows = [make_example(i, frames=20) for i in reversed(range(CLIPS + 4))]
    other = write_dataset(folder / "others", {"train": rows}, per_shard=3)
    assert _by_id(_dataset(other, batch_size=1, epochs=1)).items() >= whole.items()


def test_pixels_are_those_of_the_clip_named(builder):
    for batch in _dataset(builder, spatial=loader.Resize((48, 64)), epochs=1).as_numpy_iterator():
        for key, label, video in zip(batch["id"], batch["label"], batch["video"], strict=True):
            clip, frames = read_clip(video)
            assert key == clip_id(clip).encode()
            assert label == clip % 5
            assert frames == sorted(frames)


@settings(max_examples=40, deadline=None)
@given(
    records=st.integers(1, 300),
    seed=st.integers(0, 2**31 - 1),
    epoch=st.integers(0, 2**31 - 1),
)
def test_an_order_is_a_permutation(records, seed, epoch):
    """On any number of records, and for the last seeds and epochs too."""
    places = shuffled(tf.range(records, dtype=tf.int64), records, seed, tf.constant(epoch, tf.int64)).numpy()
    assert sorted(places) == list(range(records))


def test_orders_differ_between_seeds_and_epochs():
    def order(seed, epoch):
        places = tf.range(50, dtype=tf.int64)
        return tuple(shuffled(places, 50, seed, tf.constant(epoch, tf.int64)).numpy())

    orders = [order(seed, epoch) for seed in (0, 1, 2**31 - 1) for epoch in (0, 1, 2, 2**31 - 1)]
    assert len(set(orders)) == len(orders)
    assert tuple(range(50)) not in orders


def test_every_place_is_as_likely_for_every_record():
    """Over many epochs each of 8 records stands first about as often: no record is favoured."""
    epochs = tf.data.Dataset.range(2000)
    first = epochs.map(lambda epoch: shuffled(tf.constant(0, tf.int64), 8, 3, epoch))
    counts = np.bincount(list(first.as_numpy_iterator()), minlength=8)
    # 250 expected, with a deviation of 15.
    assert (np.abs(counts - 250) < 5 * 15).all(), counts


def test_seeds_of_examples_epochs_and_stages_are_all_different():
    seeds = [
        tuple(stage.numpy())
        for key, epoch, seed in itertools.product(["a", "b"], [0, 1, 2**31 - 1], [0, 1, 2**31 - 1])
        for stage in stage_seeds(example_seed(seed, tf.constant(epoch, tf.int64), tf.constant(key)), 4)
    ]
    assert len(set(seeds)) == len(seeds)


def test_a_batchs_seed_depends_on_its_first_example():
    seeds = tf.constant([[1, 2], [3, 2], [2**62 - 1, 2**62 - 1]], tf.int64)
    drawn = [tuple(batch_seed(seeds[first:]).numpy()) for first in (0, 1, 2, 0)]
    assert drawn[0] == drawn[3]
    assert len({*drawn, *(tuple(stage_seeds(seed, 1)[0].numpy()) for seed in seeds)}) == 6, "nor are they an example's"


@pytest.mark.parametrize("seed", [-1, 2**31])
def test_a_seed_out_of_range_is_refused(builder, seed):
    with pytest.raises(ConfigError, match="seed is"):
        _dataset(builder, seed=seed)


def test_the_largest_seed_works(builder):
    assert len(digests(_dataset(builder, seed=2**31 - 1))) == CLIPS * 2 // 3
