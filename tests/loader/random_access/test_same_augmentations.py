"""Augmentations and mixing do without TensorFlow what they do with it: the same draws, pixels within a few levels."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import tensorflow as tf

from kinetics_tfds import loader
from kinetics_tfds.loader.augment.rand_augment import OPERATIONS

FRAMES, SIZE = 2, 40


@pytest.fixture(scope="module")
def clip():
    noise = np.random.default_rng(0).integers(0, 256, (FRAMES, SIZE, SIZE, 3), dtype=np.uint8)
    return np.stack([cv2.GaussianBlur(frame, (0, 0), 2) for frame in noise])


def assert_close(graph, arrays):
    difference = np.abs(np.asarray(graph).astype(int) - np.asarray(arrays).astype(int))
    assert not tf.is_tensor(arrays)
    assert difference.mean() < 1.0  # OpenCV interpolates in steps, and some operations stretch what differs
    assert (difference > 6).mean() < 0.02


@pytest.mark.parametrize("name", OPERATIONS)
def test_operations_of_rand_augment(clip, name):
    operation, parameter = OPERATIONS[name]
    for level, sign in ((0.3, 1.0), (0.75, -1.0)):
        graph = [parameter(tf.constant(level), tf.constant(sign))] if parameter else []
        arrays = [parameter(np.float32(level), np.float32(sign))] if parameter else []
        assert_close(operation(tf.constant(clip), *graph), operation(clip, *arrays))


@pytest.mark.parametrize(
    "stage",
    [
        loader.RandAugment(magnitude=9.0, layers=2),
        loader.RandomErasing(prob=0.8),
        loader.ColourJitter(prob=0.9, drop_prob=0.3),
    ],
    ids=["RandAugment", "RandomErasing", "ColourJitter"],
)
def test_stages_draw_the_same(clip, stage):
    for number in range(6):
        seed = np.array([number, 7], np.int32)
        assert_close(stage(tf.constant(clip), tf.constant(seed)), stage(clip, seed))


def test_batches_are_mixed_alike(clip):
    video = np.stack([np.roll(clip, 5 * row, axis=2) for row in range(4)])
    batch = {"video": video, "label": np.array([0, 2, 1, 2]), "mask": np.array([True, True, True, False])}
    mix = loader.MixupCutMix()
    for number in range(6):
        seed = np.array([number, 3], np.int32)
        graph = mix({key: tf.constant(value) for key, value in batch.items()}, tf.constant(seed), 3)
        arrays = mix(batch, seed, 3)
        np.testing.assert_array_equal(graph["label"], arrays["label"])
        np.testing.assert_array_equal(graph["video"], arrays["video"])
