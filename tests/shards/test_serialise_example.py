from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from tensorflow_datasets.core import example_serializer

from kinetics_tfds.annotations.clip import Clip, Split
from kinetics_tfds.decode.types import DecodedClip
from kinetics_tfds.features import make_features, to_example
from kinetics_tfds.shards.serialise import ExampleSerialiser

CLASSES = ("a", "b (c)")


def encoded(features, label="b (c)", frames=5, audio=None):
    decoded = DecodedClip(
        frames=[b"\xff\xd8" + bytes([number % 256]) * (number * 20) for number in range(frames)],
        timestamps=np.arange(frames, dtype=np.float32) / 3,
        fps=29.97,
        width=4,
        height=2,
        original_width=640,
        original_height=360,
        original_fps=30000 / 1001,
        duration=10.0,
        audio=audio,
        audio_rate=None if audio is None else 8000,
    )
    return features.encode_example(to_example(Clip(Split.TRAIN, "-abc_DEF123", 7.5, 17.5, label), decoded))


@pytest.mark.parametrize("label", ["b (c)", None])
@pytest.mark.parametrize("frames", [0, 1, 300])
@pytest.mark.parametrize("audio", [None, np.arange(-300, 300, dtype=np.int16), np.zeros(0, np.int16)])
def test_the_bytes_are_those_of_tfds(label, frames, audio):
    features = make_features(CLASSES, None if audio is None else 8000)
    example = encoded(features, label, frames, audio)
    theirs = example_serializer.ExampleSerializer(features.get_serialized_info()).get_tf_example(example)
    assert ExampleSerialiser(features)(example) == theirs.SerializeToString(deterministic=True)


def test_reading_gives_back_what_was_written():
    features = make_features(CLASSES, 8000)
    audio = np.arange(-300, 300, dtype=np.int16)
    back = features.deserialize_example_np(
        ExampleSerialiser(features)(encoded(features, frames=0, audio=audio)), decoders=None
    )
    assert back["id"] == b"-abc_DEF123_000008_000018"
    assert back["label"] == 1
    np.testing.assert_array_equal(back["audio"], audio)


def test_another_process_writes_the_same_bytes():
    program = (
        "import sys; sys.path.insert(0, 'tests/shards')\n"
        "from test_serialise_example import *\n"
        "features = make_features(CLASSES)\n"
        "print(ExampleSerialiser(features)(encoded(features)).hex())"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    features = make_features(CLASSES)
    assert ran.stdout.strip() == ExampleSerialiser(features)(encoded(features)).hex()
