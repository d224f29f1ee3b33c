"""Mixup and CutMix: pixels and soft labels mixed by the same share, padding left alone."""

import numpy as np
import pytest
import tensorflow as tf

from kinetics_tfds.loader.augment.mixing import MixupCutMix

BATCH, FRAMES, SIDE, CLASSES = 4, 2, 32, 7


@pytest.fixture(scope="module")
def batch():
    rng = np.random.default_rng(0)
    return {
        "video": tf.constant(rng.integers(0, 256, [BATCH, FRAMES, SIDE, SIDE, 3], np.uint8)),
        "label": tf.constant([1, 3, 5, 6], tf.int32),
        "id": tf.constant(["a", "b", "c", "d"]),
        "mask": tf.constant([True] * BATCH),
    }


def _seeds(mix, cutmix, count=5):
    found = [s for s in range(100) if bool(mix.draw(tf.constant([s, 0])).cutmix) == cutmix]
    return [tf.constant([s, 0]) for s in found[:count]]


def test_mixup_blends_with_the_batch_reversed(batch):
    mix = MixupCutMix(cutmix_alpha=0.0, smoothing=0.0)
    video = batch["video"].numpy().astype(float)
    for seed in _seeds(mix, cutmix=False):
        keep = np.round(mix.draw(seed).keep * 256) / 256
        mixed = mix(batch, seed, CLASSES)
        np.testing.assert_array_equal(mixed["video"], np.floor(keep * video + (1 - keep) * video[::-1] + 0.5))
        onehot = np.eye(CLASSES)[batch["label"].numpy()]
        np.testing.assert_allclose(mixed["label"], keep * onehot + (1 - keep) * onehot[::-1], rtol=1e-6)
        np.testing.assert_array_equal(mixed["id"], batch["id"])


def test_cutmix_exchanges_one_box_and_labels_follow_its_area(batch):
    mix = MixupCutMix(mixup_alpha=0.0, smoothing=0.0)
    video = batch["video"].numpy()
    for seed in _seeds(mix, cutmix=True):
        mixed = mix(batch, seed, CLASSES)
        foreign = (mixed["video"].numpy() != video).any(axis=(0, 1, 4))
        rows, columns = np.flatnonzero(foreign.any(1)), np.flatnonzero(foreign.any(0))
        box = np.zeros_like(foreign)
        if rows.size:
            box[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] = True
        np.testing.assert_array_equal(mixed["video"], np.where(box[:, :, None], video[::-1], video))
        assert mixed["label"].numpy()[0, 1] == pytest.approx(1 - box.mean(), abs=1e-6)
        assert mixed["label"].numpy()[0, 6] == pytest.approx(box.mean(), abs=1e-6)


def test_labels_are_smoothed_and_add_up_to_one(batch):
    for seed in range(6):
        label = MixupCutMix(smoothing=0.1)(batch, tf.constant([seed, 3]), CLASSES)["label"].numpy()
        assert label.dtype == np.float32
        np.testing.assert_allclose(label.sum(axis=1), 1, rtol=1e-5)
        assert label.min() == pytest.approx(0.1 / CLASSES, abs=1e-6)


def test_without_mixing_only_the_labels_change(batch):
    for mix in (MixupCutMix(prob=0.0, smoothing=0.0), MixupCutMix(mixup_alpha=0.0, cutmix_alpha=0.0, smoothing=0.0)):
        same = mix(batch, tf.constant([1, 1]), CLASSES)
        np.testing.assert_array_equal(same["video"], batch["video"])
        np.testing.assert_array_equal(same["label"], np.eye(CLASSES)[batch["label"].numpy()])


@pytest.mark.parametrize("cutmix", [False, True])
def test_padding_neither_gives_nor_takes(batch, cutmix):
    mix = MixupCutMix(switch_prob=float(cutmix), smoothing=0.1)
    padded = {**batch, "mask": tf.constant([True, True, True, False]), "label": tf.constant([1, 3, 5, -1])}
    mixed = mix(padded, _seeds(mix, cutmix)[0], CLASSES)
    np.testing.assert_array_equal(mixed["video"][3], batch["video"][3])
    np.testing.assert_array_equal(mixed["video"][1], batch["video"][1])  # the middle of three is its own partner
    assert not mixed["label"].numpy()[3].any()
    np.testing.assert_allclose(mixed["label"].numpy()[:3].sum(axis=1), 1, rtol=1e-5)
    changed = mixed["video"].numpy()[0]
    assert not (changed == batch["video"].numpy()[0]).all()
    own, partner = batch["video"].numpy()[0].astype(int), batch["video"].numpy()[2].astype(int)
    assert ((changed >= np.minimum(own, partner)) & (changed <= np.maximum(own, partner))).all()


def test_unlabelled_clips_get_no_label(batch):
    mixed = MixupCutMix(prob=0.0)({**batch, "label": tf.constant([-1, 3, 5, 6])}, tf.constant([0, 0]), CLASSES)
    assert not mixed["label"].numpy()[0].any()


def test_draws_are_those_of_the_reference():
    mix = MixupCutMix(mixup_alpha=0.8, cutmix_alpha=1.0, prob=0.9, switch_prob=0.3)

    def both(i):
        return tf.stack([tf.cast(draw, tf.float32) for draw in mix.draw(tf.stack([i, 0]))[:2]])

    drawn = tf.function(lambda: tf.map_fn(both, tf.range(1500), fn_output_signature=tf.float32))().numpy()
    cutmix, keep = drawn.T
    assert (keep == 1).mean() == pytest.approx(0.1, abs=0.03)
    assert cutmix[keep < 1].mean() == pytest.approx(0.3, abs=0.04)
    # A Beta(a, a) distribution has the variance 1 / (4 (2a + 1)).
    assert keep[(keep < 1) & (cutmix == 0)].var() == pytest.approx(1 / (4 * 2.6), rel=0.1)
    assert keep[(keep < 1) & (cutmix == 1)].var() == pytest.approx(1 / (4 * 3.0), rel=0.15)


def test_the_same_seed_gives_the_same_batch_in_a_graph(batch):
    mix = MixupCutMix()
    graph = tf.function(lambda b, seed: mix(b, seed, CLASSES))
    for seed in range(4):
        eager, traced = mix(batch, tf.constant([seed, 8]), CLASSES), graph(batch, tf.constant([seed, 8]))
        np.testing.assert_array_equal(eager["video"], traced["video"])
        np.testing.assert_allclose(eager["label"], traced["label"], rtol=1e-6)
