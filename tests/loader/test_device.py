"""Cropping, resizing, flipping and normalising on the device: the host's pixels within rounding, in TF and in JAX."""

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
import tensorflow as tf

from kinetics_tfds.errors import ConfigError, LoaderError
from kinetics_tfds.loader.devices import device, jax_device
from kinetics_tfds.loader.frames.pixels import normalise
from kinetics_tfds.loader.presets import PRESETS

jax.config.update("jax_num_cpu_devices", 8)  # before the first test makes a device

SIZE = (24, 32)


def _host(video, box, flip):
    """The host's way: crop, resize with TensorFlow, flip, round. uint8 [T, h, w, 3]."""
    top, left, height, width = box
    crop = video[:, top : top + height, left : left + width]
    resized = tf.image.resize(crop, SIZE).numpy()
    resized = resized[:, :, ::-1] if flip else resized
    return np.floor(resized + 0.5).astype(np.uint8)


@pytest.fixture(scope="module")
def batch():
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, [5, 3, 6, 8, 3]).astype(np.float32)
    video = tf.image.resize(coarse.reshape(15, 6, 8, 3), [50, 64], method="bicubic").numpy().reshape(5, 3, 50, 64, 3)
    return {
        "video": np.clip(video + rng.normal(0, 9, video.shape), 0, 255).astype(np.uint8),
        # Larger than the output, smaller, of its size, the whole canvas, and one pixel.
        "boxes": np.array([[3, 5, 40, 50], [7, 1, 11, 9], [10, 20, 24, 32], [0, 0, 50, 64], [9, 8, 1, 1]], np.int32),
        "flip": np.array([False, True, False, True, True]),
        "label": np.arange(5, dtype=np.int32),
    }


def _finish_tf(batch, **options):
    step = tf.function(lambda b: device.finish(b, SIZE, **options), jit_compile=options.pop("compiled", False))
    return {key: value.numpy() for key, value in step({key: tf.constant(v) for key, v in batch.items()}).items()}


def _finish_jax(batch, **options):
    return jax.jit(lambda b: jax_device.finish(b, SIZE, **options))(batch)


@pytest.mark.parametrize(
    "finish",
    [_finish_tf, lambda b, **o: _finish_tf(b, compiled=True, **o), _finish_jax],
    ids=["tf", "tf jit", "jax jit"],
)
def test_the_device_makes_the_hosts_pixels(batch, finish):
    done = finish(batch)
    assert set(done) == {"video", "label"}
    assert done["video"].shape == (5, 3, *SIZE, 3)
    for item in range(5):
        host = _host(batch["video"][item], batch["boxes"][item], batch["flip"][item])
        np.testing.assert_allclose(done["video"][item] * 255, host, atol=0.51, err_msg=f"clip {item}")


@pytest.mark.parametrize("finish", [_finish_tf, _finish_jax], ids=["tf", "jax"])
def test_views_share_their_canvas(batch, finish):
    rng = np.random.default_rng(1)
    video = batch["video"][:4].reshape(2, 2, 3, 50, 64, 3)
    top, left = rng.integers(0, 20, [2, 2, 3]), rng.integers(0, 20, [2, 2, 3])
    boxes = np.stack([top, left, np.full_like(top, 30), np.full_like(top, 40)], -1).astype(np.int32)
    done = np.asarray(finish({"video": video, "boxes": boxes, "flip": np.zeros([2, 2], bool)})["video"])
    assert done.shape == (2, 6, 3, *SIZE, 3)
    for item, view, crop in np.ndindex(2, 2, 3):
        host = _host(video[item, view], boxes[item, view, crop], False)
        np.testing.assert_allclose(done[item, view * 3 + crop] * 255, host, atol=0.51)


def test_what_lies_outside_the_box_does_not_matter(batch):
    clean = _finish_tf(batch)["video"]
    dirty = batch["video"].copy()
    for item, (top, left, height, width) in enumerate(batch["boxes"]):
        outside = np.ones(dirty.shape[2:4], bool)
        outside[top : top + height, left : left + width] = False
        dirty[item][:, outside] = 255
    np.testing.assert_array_equal(_finish_tf({**batch, "video": dirty})["video"], clean)


def test_tf_and_jax_agree(batch):
    options = {"by": PRESETS["videomae_b"].train, "dtype": "bfloat16"}
    ours, theirs = _finish_tf(batch, **options)["video"], _finish_jax(batch, **options)["video"]
    assert ours.dtype == theirs.dtype == ml_dtypes.bfloat16
    np.testing.assert_allclose(ours.astype(np.float32), theirs.astype(np.float32), atol=0.02)


@pytest.mark.parametrize("axis_type", [jax.sharding.AxisType.Auto, jax.sharding.AxisType.Explicit])
def test_sharded_batches_stay_sharded(batch, axis_type):
    mesh = jax.make_mesh((8,), ("data",), axis_types=(axis_type,))
    sharding = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("data"))
    repeated = {key: np.repeat(value[:4], 4, axis=0) for key, value in batch.items()}
    views = {
        "video": repeated["video"].reshape(8, 2, 3, 50, 64, 3),
        "boxes": repeated["boxes"].reshape(8, 2, 1, 4),
        "flip": repeated["flip"].reshape(8, 2),
    }
    for whole in (repeated, views):
        done = _finish_jax({key: jax.device_put(value, sharding) for key, value in whole.items()})["video"]
        assert {shard.data.shape[0] for shard in done.addressable_shards} == {len(whole["video"]) // 8}
        np.testing.assert_allclose(done, _finish_tf(whole)["video"], atol=1e-5)


def test_a_batch_resized_by_the_host_is_refused(batch):
    for finish in (device.finish, jax_device.finish):
        with pytest.raises(LoaderError, match=r"'boxes' is missing[\s\S]*resize="):
            finish({"video": batch["video"]}, SIZE)


VIDEO = np.array([[[[[0, 128, 255]]]]], np.uint8)
ARRAYS = {"tf": tf.constant, "jax": jnp.asarray, "numpy": np.asarray}


@pytest.mark.parametrize("library", ARRAYS)
@pytest.mark.parametrize(
    ("by", "expected"),
    [
        ("zero_to_one", [0, 128 / 255, 1]),
        ("minus_one_to_one", [-1, 2 * 128 / 255 - 1, 1]),
        ("imagenet", [-0.485 / 0.229, (128 / 255 - 0.456) / 0.224, (1 - 0.406) / 0.225]),
        ((0.45, 0.225), [-2, (128 / 255 - 0.45) / 0.225, 0.55 / 0.225]),
        (PRESETS["vivit_b"].train, [-1, 2 * 128 / 255 - 1, 1]),
    ],
    ids=["zero_to_one", "minus_one_to_one", "imagenet", "pair", "recipe"],
)
def test_normalise(library, by, expected):
    made = normalise(ARRAYS[library](VIDEO), by)
    assert type(made) is type(ARRAYS[library](VIDEO.astype(np.float32)))
    assert np.asarray(made).dtype == np.float32
    np.testing.assert_allclose(np.asarray(made).ravel(), expected, atol=1e-6)
    half = np.asarray(normalise(ARRAYS[library](VIDEO), by, "bfloat16"))
    assert half.dtype == ml_dtypes.bfloat16


def test_an_unknown_normalisation_is_answered_with_the_nearest():
    with pytest.raises(ConfigError, match="Did you mean 'imagenet'"):
        normalise(VIDEO, "image_net")
