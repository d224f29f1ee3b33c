"""show(batch): PNG files whose strips hold the batch's own pixels."""

import cv2
import numpy as np
import pytest
import tensorflow as tf

from kinetics_tfds.errors import LoaderError
from kinetics_tfds.loader.filmstrip import show

NAMES = ["archery", "bowling", "changing oil"]


def _batch(**more):
    video = np.zeros([3, 10, 56, 84, 3], np.uint8)
    video[..., 0] = np.arange(10)[:, None, None] * 20 + 10
    video[1, ..., 1] = 200
    return {
        "video": tf.constant(video),
        "label": tf.constant([0, 2, -1]),
        "id": tf.constant(["aaaaaaaaaaa_000001_000011", "b", "c"]),
        "mask": tf.constant([True, True, False]),
        **more,
    }


def _has(image, colour, tolerance=2):
    return bool((np.abs(image.astype(int) - colour).max(-1) <= tolerance).mean() > 0.002)


def test_a_png_holds_the_first_and_the_last_frame(tmp_path):
    strip = show(_batch(), NAMES, frames=4)
    path = strip.save(tmp_path / "batch.png")
    image = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
    np.testing.assert_array_equal(image, strip.image)
    assert strip._repr_png_() == path.read_bytes()
    assert path.read_bytes().startswith(b"\x89PNG")
    for red in (10, 70, 130, 190):
        assert _has(image, (red, 0, 0)), "frames 0, 3, 6 and 9"
        assert _has(image, (red, 200, 0)), "of the second clip too"
    assert not _has(image, (30, 0, 0))


def test_views_are_strips_of_their_own():
    batch = _batch()
    one = show(batch)
    batch["video"] = tf.stack([batch["video"], 255 - batch["video"]], axis=1)
    assert show(batch, rows=6).image.shape[0] > 1.7 * one.image.shape[0]
    assert show(batch, rows=3).image.shape == one.image.shape


def test_normalised_video_is_turned_back():
    batch = _batch()
    normal = (tf.cast(batch["video"], tf.float32) / 255 - 0.45) / 0.225
    shown = show({**batch, "video": normal}, NAMES, mean=0.45, std=0.225)
    assert np.abs(shown.image.astype(int) - show(batch, NAMES).image).max() <= 1
    half = tf.cast(normal, tf.bfloat16)
    assert _has(show({**batch, "video": half}).image, (13, 0, 0)), "stretched without a mean: 10 of 0 to 200"


def test_soft_labels_and_bare_batches_are_shown():
    soft = np.array([[0.7, 0.3, 0.0], [0.05, 0.05, 0.9], [0.0, 0.0, 0.0]], np.float32)
    mixed = show(_batch(label=soft), NAMES).image
    assert (mixed != show(_batch(), NAMES).image).any()
    bare = show({"video": _batch()["video"].numpy()}).image
    assert bare.shape == mixed.shape


def test_a_long_name_leaves_the_frames_as_they_are():
    batch = {"video": _batch()["video"]}
    plain = show(batch).image
    frames = np.flatnonzero((plain[..., 0] > 150) & (plain[..., 1] < 100))
    assert frames.size, "frame 9 is red"
    named = show({**batch, "label": [0, 1, 2]}, ["counting the leaves of a very tall tree in the rain"] * 3).image
    assert named.shape == plain.shape
    np.testing.assert_array_equal(named.reshape(-1, 3)[frames], plain.reshape(-1, 3)[frames])


def test_something_else_is_refused():
    with pytest.raises(LoaderError, match=r"shape \(2, 3\)"):
        show({"video": np.zeros([2, 3])})
    with pytest.raises(LoaderError):
        show({"label": [1]})
