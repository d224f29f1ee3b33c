"""Without TensorFlow, a seed gives the clips, frames and windows that it gives in TensorFlow's pipeline."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow_datasets as tfds

from kinetics_tfds import loader
from kinetics_tfds.errors import ConfigError
from kinetics_tfds.loader import ClipSource, Recipe
from kinetics_tfds.loader.random_access.order import EpochOrder
from kinetics_tfds.loader.random_access.views import ViewReader

RECIPES = {
    "slowfast": loader.get_preset("slowfast_8x8"),
    "movinet": loader.get_preset("movinet_a0"),
    "repeated": loader.Preset(
        name="repeated",
        train=Recipe(sampling=loader.RandomClip(8, 2, clips=2), spatial=loader.RandomResizedCrop(32)),
        evaluate=Recipe(sampling=loader.UniformClips(8, 4, clips=3), spatial=loader.ThreeCrop(32)),
    ),
}


def assert_same_pixels(one, other, *, augmented=False):
    """libjpeg-turbo and OpenCV round otherwise than TensorFlow, most of all where a window cuts a block of colours.

    Changes of geometry move the hard edges of these pictures by up to a 32nd of a pixel; posterizing turns
    one level into sixteen.
    """
    assert one.shape == other.shape
    difference = np.abs(one.astype(int) - other.astype(int))
    assert difference.mean() < (3.0 if augmented else 0.5)
    assert (difference > (40 if augmented else 8)).mean() < (0.05 if augmented else 0.01)


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("shard", [(0, 1), (1, 2)])
def test_training_views_are_those_of_tensorflow(built, name, shard):
    recipe = RECIPES[name].train
    builder = tfds.builder_from_directory(built)
    rows = recipe.sampling.views
    batches = loader.make_dataset(
        builder, "train", preset=RECIPES[name], batch_size=rows, seed=3, epochs=2, shard=shard
    )
    source = ClipSource(built, "train")
    reader = ViewReader(source, recipe, seed=3, training=True)
    order = EpochOrder(len(source), seed=3, epochs=2, shard=shard)
    assert len(order) == len(batches)
    for place, batch in zip(order, batches.as_numpy_iterator(), strict=True):
        clip = reader.read(*place)
        assert [clip["id"].encode()] * rows == batch["id"].tolist()
        assert clip["label"] == batch["label"][0]
        assert_same_pixels(clip["video"], batch["video"], augmented=bool(recipe.augment))


@pytest.mark.parametrize("name", RECIPES)
def test_evaluation_views_are_those_of_tensorflow(built, name):
    recipe = RECIPES[name].evaluate
    builder = tfds.builder_from_directory(built)
    batches = loader.make_dataset(builder, "validation", preset=RECIPES[name], batch_size=1)
    source = ClipSource(built, "validation")
    reader = ViewReader(source, recipe, seed=0, training=False)
    for place, batch in zip(EpochOrder(len(source), shuffle=False), batches.as_numpy_iterator(), strict=True):
        clip = reader.read(*place)
        assert clip["id"].encode() == batch["id"][0]
        assert_same_pixels(clip["video"], batch["video"][0])


def test_orders_are_checked():
    for wrong in ({"shard": (2, 2)}, {"seed": -1}, {"epochs": 0}, {"start": 11}):
        with pytest.raises(ConfigError):
            EpochOrder(10, **wrong)
    with pytest.raises(IndexError):
        EpochOrder(10, shard=(0, 2))[5]
    assert sorted(
        position for shard in range(3) for position, _ in EpochOrder(10, shuffle=False, shard=(shard, 3))
    ) == [*range(10)]


def test_another_number_of_hosts_goes_on_where_the_first_stopped():
    whole = list(EpochOrder(10, seed=4, epochs=3))
    first = [
        place for step in range(3) for shard in range(4) for place in [EpochOrder(10, 4, True, 3, (shard, 4))[step]]
    ]
    parts = [EpochOrder(10, 4, True, 3, (shard, 2), start=12) for shard in range(2)]
    rest = [part[step] for step in range(len(parts[0])) for part in parts]
    assert first + rest == whole
