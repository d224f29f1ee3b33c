"""Frames, windows and orders chosen without TensorFlow are those that it chooses, to the last bit."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from kinetics_tfds.loader import PRESETS, stateless_random
from kinetics_tfds.loader.frames import reference_crops, sampling, spatial
from kinetics_tfds.loader.randomness import example_seed, shuffled, stage_seeds

CLIPS = 400
SEED, EPOCH = 7, 3

SAMPLINGS = [
    sampling.RandomClip(32, 2, fps=30.0, short="last"),
    sampling.RandomClip(16, 4, clips=2),
    sampling.RandomClip(50, 5, fps=25.0, jitter=0.2),
    sampling.CentreClip(50, 5, fps=25.0),
    *(sampling.UniformClips(16, 4, clips=5, offset_rule=rule) for rule in sampling._OFFSET_RULES),
    *(sampling.RandomClip(16, 4, rule=rule) for rule in sampling._RANDOM_RULES),
    *(sampling.RandomClip(16, 4, rule=rule, fps=30.0, short="repeat_last") for rule in sampling._RANDOM_RULES),
    sampling.RandomClip(50, 5, fps=25.0, strides=(4, 5)),
    *(sampling.UniformClips(16, 4, clips=5, fps=30.0, offset_rule=rule) for rule in sampling._OFFSET_RULES),
    *(sampling.Segments(8, rule=rule) for rule in sampling._SEGMENT_RULES),
    sampling.Segments(8, pick="centre", rule="uniform_sample", clips=4),
    sampling.Segments(8),
    sampling.Segments(8, pick="centre"),
    *(recipe.sampling for preset in PRESETS.values() for recipe in (preset.train, preset.evaluate)),
]
SPATIALS = [
    spatial.RandomResizedCrop(224),
    spatial.ScaleJitter(224),
    spatial.ScaleJitter(224, inverse=True),
    spatial.CentreCrop(224, short_side=256),
    spatial.ThreeCrop(224),
    spatial.Resize(100),
    reference_crops.DistortedBox((172, 200)),
    reference_crops.MultiScaleCrop(224, places=13),
    reference_crops.TenCrop(224),
    *(recipe.spatial for preset in PRESETS.values() for recipe in (preset.train, preset.evaluate)),
]


@pytest.fixture(scope="module")
def clips():
    draw = np.random.default_rng(0)
    return {
        "frames": draw.integers(1, 400, CLIPS),
        "fps": draw.choice(np.float32([12.5, 15, 25, 29.97, 30]), CLIPS),
        "height": draw.integers(20, 500, CLIPS).astype(np.int32),
        "width": draw.integers(20, 500, CLIPS).astype(np.int32),
        "id": np.array([f"clip_{number:06d}_000000_000010".encode() for number in range(CLIPS)], object),
    }


def each(clips, function):
    """Returns what `function` gives for each clip's values: as a graph of TensorFlow's, and with arrays."""
    graph = tf.data.Dataset.from_tensor_slices({**clips, "id": clips["id"].tolist()}).map(
        lambda clip: function(clip, tf.constant(EPOCH, tf.int64))
    )
    arrays = [function({name: values[row] for name, values in clips.items()}, np.int64(EPOCH)) for row in range(CLIPS)]
    return [value if isinstance(value, tuple) else (value,) for value in graph.as_numpy_iterator()], [
        value if isinstance(value, tuple) else (value,) for value in arrays
    ]


def assert_same(clips, function):
    for number, (graph, arrays) in enumerate(zip(*each(clips, function), strict=True)):
        assert not any(tf.is_tensor(value) for value in arrays)
        for one, other in zip(graph, arrays, strict=True):
            assert one.tolist() == np.asarray(other).tolist(), number


@pytest.mark.parametrize("rule", dict.fromkeys(SAMPLINGS), ids=str)
def test_same_frames(clips, rule):
    def choose(clip, epoch):
        seed = stage_seeds(example_seed(SEED, epoch, clip["id"]), 1)[0]
        if tf.is_tensor(seed):
            times = tf.range(tf.cast(clip["frames"], tf.float32)) / clip["fps"]
        else:
            times = np.arange(clip["frames"], dtype=np.float32) / clip["fps"]
        return rule.indices(clip["frames"], times, seed)

    assert_same(clips, choose)


@pytest.mark.parametrize("rule", dict.fromkeys(SPATIALS), ids=str)
def test_same_windows(clips, rule):
    def choose(clip, epoch):
        seed = stage_seeds(example_seed(SEED, epoch, clip["id"]), 2)[1]
        windows = rule.windows(clip["height"], clip["width"], seed)
        return windows.boxes, windows.flip

    assert_same(clips, choose)


@pytest.mark.parametrize("records", [1, 2, 3, 100, 65536, 65537, 500_000, 10_000_001])
def test_same_order(records):
    places = np.unique(np.linspace(0, records - 1, 40).astype(np.int64))
    graph = [shuffled(tf.constant(place), records, SEED, tf.constant(EPOCH, tf.int64)).numpy() for place in places]
    assert [shuffled(place, records, SEED, np.int64(EPOCH)) for place in places] == graph


@pytest.mark.parametrize("count", [1, 7, 80, 81, 500])
def test_same_random_numbers(count):
    draw = np.random.default_rng(count)
    for seed in (*draw.integers(-(2**31), 2**31, [20, 2]).astype(np.int32), *draw.integers(-(2**63), 2**63, [20, 2])):
        assert tf.random.stateless_uniform([count], seed).numpy().tolist() == (
            stateless_random.uniform([count], seed).tolist()
        )
        np.testing.assert_allclose(
            tf.random.stateless_normal([count], seed), stateless_random.normal([count], seed), atol=2e-6
        )
        if seed.dtype == np.int32:
            assert tf.random.split(seed, count).numpy().tolist() == stateless_random.split(seed, count).tolist()


def test_presets_need_no_tensorflow():
    code = "import sys; from kinetics_tfds.loader import PRESETS; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
