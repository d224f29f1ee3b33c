"""AutoAugment on whole clips: two operations of a learnt policy, the same for every frame."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable

from kinetics_tfds.loader import array_ops as tf
from kinetics_tfds.loader.augment import rand_augment_ops as ops
from kinetics_tfds.loader.augment.rand_augment import carry_out
from kinetics_tfds.loader.checks import clip_size

# Pairs of (operation, chance, level from 0 to 10). Source: `policy_v0` of tensorflow/models
# official/vision/ops/augment.py, which is that of EfficientNet.
_POLICY = (
    (("Equalize", 0.8, 1), ("ShearY", 0.8, 4)),
    (("Color", 0.4, 9), ("Equalize", 0.6, 3)),
    (("Color", 0.4, 1), ("Rotate", 0.6, 8)),
    (("Solarize", 0.8, 3), ("Equalize", 0.4, 7)),
    (("Solarize", 0.4, 2), ("Solarize", 0.6, 2)),
    (("Color", 0.2, 0), ("Equalize", 0.8, 8)),
    (("Equalize", 0.4, 8), ("SolarizeAdd", 0.8, 3)),
    (("ShearX", 0.2, 9), ("Rotate", 0.6, 8)),
    (("Color", 0.6, 1), ("Equalize", 1.0, 2)),
    (("Invert", 0.4, 9), ("Rotate", 0.6, 0)),
    (("Equalize", 1.0, 9), ("ShearY", 0.6, 3)),
    (("Color", 0.4, 7), ("Equalize", 0.6, 0)),
    (("Posterize", 0.4, 6), ("AutoContrast", 0.4, 7)),
    (("Solarize", 0.6, 8), ("Color", 0.6, 9)),
    (("Solarize", 0.2, 4), ("Rotate", 0.8, 9)),
    (("Rotate", 1.0, 7), ("TranslateY", 0.8, 9)),
    (("ShearX", 0.0, 0), ("Solarize", 0.8, 4)),
    (("ShearY", 0.8, 0), ("Color", 0.6, 4)),
    (("Color", 1.0, 0), ("Rotate", 0.6, 2)),
    (("Equalize", 0.8, 4), ("Equalize", 0.0, 8)),
    (("Equalize", 1.0, 4), ("AutoContrast", 0.6, 2)),
    (("ShearY", 0.4, 7), ("SolarizeAdd", 0.6, 7)),
    (("Posterize", 0.8, 2), ("Solarize", 0.6, 10)),
    (("Solarize", 0.6, 8), ("Equalize", 0.6, 1)),
    (("Color", 0.8, 6), ("Rotate", 0.4, 5)),
)
# Pixels that a full level shifts by, `translate_const`: more than most clips are high, which then are grey all over.
_TRANSLATE = 250.0


def _as_one_picture(change: Callable[[tf.Tensor], tf.Tensor]) -> Callable[[tf.Tensor], tf.Tensor]:
    """Returns the change made by one histogram of the whole clip, as the reference does."""

    def of_clip(video: tf.Tensor) -> tf.Tensor:
        frames, height, width = clip_size(video)
        return tf.reshape(change(tf.reshape(video, [1, frames * height, width, 3])), video.shape)

    return of_clip


def _whole(largest: float, least: int = 0) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    return lambda level, sign: tf.maximum(tf.cast(level * largest + 1e-4, tf.int32), least)


def _shift(video: tf.Tensor, pixels: tf.Tensor) -> tf.Tensor:
    return ops.translate_y(video, pixels / float(clip_size(video)[1]), interpolation="NEAREST")


def _geometry(change: Callable[..., tf.Tensor]) -> Callable[..., tf.Tensor]:
    return functools.partial(change, interpolation="NEAREST")


# Name -> (operation, its parameter from a level in [0, 1] and a sign of 1 or -1), as `carry_out` takes them.
_OPERATIONS = {
    "AutoContrast": (_as_one_picture(ops.auto_contrast), None),
    "Equalize": (_as_one_picture(ops.equalize), None),
    "Invert": (ops.invert, None),
    "Rotate": (_geometry(ops.rotate), lambda level, sign: sign * level * 30.0),
    # A shift by all eight bits counts as one by seven, as TensorFlow's `right_shift` has it.
    "Posterize": (ops.posterize, _whole(4.0, 1)),
    "Solarize": (ops.solarize, _whole(256.0)),
    "SolarizeAdd": (ops.solarize_add, _whole(110.0)),
    "Color": (ops.colour, lambda level, sign: level * 1.8 + 0.1),
    "ShearX": (_geometry(ops.shear_x), lambda level, sign: sign * level * 0.3),
    "ShearY": (_geometry(ops.shear_y), lambda level, sign: sign * level * 0.3),
    "TranslateY": (_shift, lambda level, sign: sign * level * _TRANSLATE),
}


@dataclasses.dataclass(frozen=True)
class AutoAugment:
    """One of 25 learnt pairs of operations (arXiv:1805.09501), as the Model Garden trains MoViNets.

    The policy `v0` of official/vision/ops/augment.py with its defaults: geometry takes the nearest pixel and fills
    with grey; equalising and stretching contrast look at the whole clip, not at each frame. Colours may differ by one
    level.

    Draws: `stateless_uniform([5])`: the pair; for each operation whether it is carried out, and its sign.
    """

    def __call__(self, video: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Returns the clip augmented.

        Args:
            video: uint8 [T, H, W, 3], static shape.
            seed: int32 [2].

        Returns:
            uint8 [T, H, W, 3].
        """
        draws = tf.random.stateless_uniform([5], seed)
        pair = tf.minimum(tf.cast(draws[0] * float(len(_POLICY)), tf.int32), len(_POLICY) - 1)
        names = list(_OPERATIONS)
        for place in range(2):
            steps = [each[place] for each in _POLICY]
            known = tf.constant([names.index(name) for name, _, _ in steps])
            chance = tf.gather(tf.constant([chance for _, chance, _ in steps], tf.float32), pair)
            level = tf.gather(tf.constant([level / 10 for _, _, level in steps], tf.float32), pair)
            operation = tf.where(draws[1 + place] < chance, tf.gather(known, pair), len(names))
            sign = tf.where(draws[3 + place] < 0.5, -1.0, 1.0)
            video = carry_out(_OPERATIONS, video, operation, level, sign)
        return video
