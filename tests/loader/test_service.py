"""service=: the same clips through a real dispatcher and two real worker processes."""

import collections
import os
import pathlib
import socket
import subprocess
import sys

import numpy as np
import pytest
from records import make_example, write_dataset

from kinetics_tfds import loader
from kinetics_tfds.errors import ConfigError, LoaderError

HERE = pathlib.Path(__file__).parent
OPTIONS = {"sampling": loader.RandomClip(4), "spatial": loader.RandomResizedCrop(16), "seed": 3}


def _start(*words):
    return subprocess.Popen(
        [sys.executable, str(HERE / "service_process.py"), *words],
        stdout=subprocess.PIPE, text=True, env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )  # fmt: skip


@pytest.fixture(scope="module")
def service():
    """Address of a dispatcher with two workers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    # All at once: each takes seconds to import TensorFlow, and workers wait for their dispatcher.
    processes = [_start("dispatcher", address.rpartition(":")[2]), _start("worker", address), _start("worker", address)]
    for process in processes:
        assert process.stdout.readline()
    yield f"grpc://{address}"
    for process in processes:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def builder(tmp_path_factory):
    examples = {"train": [make_example(i) for i in range(40)], "validation": [make_example(i) for i in range(50, 73)]}
    return write_dataset(tmp_path_factory.mktemp("data"), examples, per_shard=9)


def _clips(dataset):
    """The sorted bytes of each id's appearances."""
    seen = collections.defaultdict(list)
    for batch in dataset.as_numpy_iterator():
        for key, video, mask in zip(batch["id"], batch["video"], batch["mask"], strict=True):
            if mask:
                seen[key].append(video.tobytes())
    return {key: sorted(appearances) for key, appearances in seen.items()}


def test_training_sees_the_same_clips_with_the_same_augmentation(builder, service):
    options = {**OPTIONS, "batch_size": 4, "epochs": 2}
    here = _clips(loader.make_dataset(builder, "train", **options))
    there = _clips(loader.make_dataset(builder, "train", service=service, **options))
    assert sum(map(len, here.values())) == 80
    # Each of the two workers may lack part of its last batch.
    assert sum(map(len, there.values())) >= 80 - 2 * 3
    for key, appearances in there.items():
        assert set(appearances) <= set(here[key]), "the same pixels, whichever worker made them"
        assert len(appearances) <= 2


def test_evaluation_counts_every_video_once(builder, service):
    options = {"sampling": loader.UniformClips(4, clips=2), "spatial": loader.ThreeCrop(16), "batch_size": 5}
    here = _clips(loader.make_dataset(builder, "validation", **options))
    there = loader.make_dataset(builder, "validation", service=service, **options)
    assert len(here) == 23
    assert _clips(there) == here
    assert there.element_spec["video"].shape == (5, 6, 4, 16, 16, 3)


def test_hosts_keep_their_parts(builder, service):
    options = {"sampling": loader.CentreClip(4), "spatial": loader.Resize(16), "batch_size": 4, "service": service}
    parts = [set(_clips(loader.make_dataset(builder, "validation", shard=(host, 3), **options))) for host in range(3)]
    assert sum(map(len, parts)) == len(set.union(*parts)) == 23


def test_mixing_happens_on_the_workers(builder, service):
    dataset = loader.make_dataset(
        builder, "train", mix=loader.MixupCutMix(), batch_size=4, epochs=1, service=service, **OPTIONS
    )
    for batch in dataset.as_numpy_iterator():
        np.testing.assert_allclose(batch["label"].sum(axis=1), 1, rtol=1e-5)


def test_an_address_that_is_none_or_silent_is_named(builder):
    options = {**OPTIONS, "batch_size": 4}
    for address in ("localhost:5000", "grpc://localhost", "grpc://localhost:none"):
        with pytest.raises(ConfigError, match="grpc://host:port"):
            loader.make_dataset(builder, "train", service=address, **options)
    with pytest.raises(LoaderError, match=r"No tf.data service answers at grpc://127.0.0.1:9"):
        loader.make_dataset(builder, "train", service="grpc://127.0.0.1:9", **options)
