"""RandAugment on whole clips: the same operations, in the same strength, for every frame."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import NamedTuple

from kinetics_tfds.loader import array_ops as tf
from kinetics_tfds.loader.augment import rand_augment_ops as ops
from kinetics_tfds.loader.checks import require

_MAX_LEVEL = 10.0


def _signed(largest: float) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    return lambda level, sign: sign * level * largest


def _factor(level: tf.Tensor, sign: tf.Tensor) -> tf.Tensor:
    return 1.0 + sign * level * 0.9


def _whole(largest: int, start: int = 0, step: int = 1) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    return lambda level, sign: start + step * tf.cast(level * float(largest), tf.int32)


# Name -> (operation, its parameter from a level in [0, 1] and a sign of 1 or -1). Names, order and ranges are those of
# timm's `_RAND_INCREASING_TRANSFORMS` (auto_augment.py) and of PySlowFast's copy (rand_augment.py).
OPERATIONS: dict[str, tuple[Callable[..., tf.Tensor], Callable[[tf.Tensor, tf.Tensor], tf.Tensor] | None]] = {
    "AutoContrast": (ops.auto_contrast, None),
    "Equalize": (ops.equalize, None),
    "Invert": (ops.invert, None),
    "Rotate": (ops.rotate, _signed(30.0)),
    "PosterizeIncreasing": (ops.posterize, _whole(4, start=4, step=-1)),
    "SolarizeIncreasing": (ops.solarize, _whole(256, start=256, step=-1)),
    "SolarizeAdd": (ops.solarize_add, _whole(110)),
    "ColorIncreasing": (ops.colour, _factor),
    "ContrastIncreasing": (ops.contrast, _factor),
    "BrightnessIncreasing": (ops.brightness, _factor),
    "SharpnessIncreasing": (ops.sharpness, _factor),
    "ShearX": (ops.shear_x, _signed(0.3)),
    "ShearY": (ops.shear_y, _signed(0.3)),
    "TranslateXRel": (ops.translate_x, _signed(0.45)),
    "TranslateYRel": (ops.translate_y, _signed(0.45)),
}


class Draws(NamedTuple):
    """What one seed stands for.

    Attributes:
        operation: int32 [layers]: position in `OPERATIONS`; its length stands for "leave the clip as it is".
        level: float32 [layers]: strength from 0 to 1.
        sign: float32 [layers]: 1 or -1.
    """

    operation: tf.Tensor
    level: tf.Tensor
    sign: tf.Tensor


@dataclasses.dataclass(frozen=True)
class RandAugment:
    """A few operations drawn from fifteen, one after another (arXiv:1909.13719).

    timm's variant as MViT and VideoMAE use it: `rand-m7-n4-mstd0.5-inc1` is the default here. Two things differ from
    those: the clip is cropped and resized first (only the crop is ever decoded), and geometry interpolates linearly.

    Keras has layers for most of this, but they cannot be used here: `keras.layers.RandAugment` takes an integer seed or
    a stateful generator, not a seed that is a tensor, and draws anew for each frame of a clip that it is given as a
    batch.

    Attributes:
        magnitude: strength, 0 to 10.
        layers: operations drawn for a clip.
        magnitude_std: each operation's strength is drawn from a normal distribution of this deviation.
        prob: chance of each drawn operation to be carried out.
    """

    magnitude: float = 7.0
    layers: int = 4
    magnitude_std: float = 0.5
    prob: float = 0.5

    def __post_init__(self) -> None:
        require(self, "magnitude", 0 <= self.magnitude <= _MAX_LEVEL, "0 to 10")
        require(self, "layers", isinstance(self.layers, int) and self.layers >= 1, "1 or more")
        require(self, "magnitude_std", self.magnitude_std >= 0, "0 or more")
        require(self, "prob", 0 <= self.prob <= 1, "a chance from 0 to 1")

    def draw(self, seed: tf.Tensor) -> Draws:
        """Returns what is done to the clip of this seed (int32 [2])."""
        first, second = tf.unstack(tf.random.split(seed, 2))
        chance = tf.random.stateless_uniform([3, self.layers], first)
        noise = self.magnitude_std * tf.random.stateless_normal([self.layers], second)
        operation = tf.cast(chance[0] * len(OPERATIONS), tf.int32)
        operation = tf.where(chance[1] < self.prob, tf.minimum(operation, len(OPERATIONS) - 1), len(OPERATIONS))
        level = tf.clip_by_value(self.magnitude + noise, 0.0, _MAX_LEVEL) / _MAX_LEVEL
        return Draws(operation, level, tf.where(chance[2] > 0.5, -1.0, 1.0))

    def __call__(self, video: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Returns the clip augmented.

        Args:
            video: uint8 [T, H, W, 3], static shape.
            seed: int32 [2].

        Returns:
            uint8 [T, H, W, 3].
        """
        draws = self.draw(seed)
        for layer in range(self.layers):
            video = carry_out(OPERATIONS, video, draws.operation[layer], draws.level[layer], draws.sign[layer])
        return video


def carry_out(
    operations: dict[str, tuple[Callable[..., tf.Tensor], Callable[[tf.Tensor, tf.Tensor], tf.Tensor] | None]],
    video: tf.Tensor,
    operation: tf.Tensor,
    level: tf.Tensor,
    sign: tf.Tensor,
) -> tf.Tensor:
    """Returns the clip changed by the operation at a position in `operations`; as it is at the position behind them."""

    def branch(change: Callable[..., tf.Tensor], parameter: Callable[..., tf.Tensor] | None):
        return lambda: change(video) if parameter is None else change(video, parameter(level, sign))

    branches = [branch(change, parameter) for change, parameter in operations.values()]
    chosen = tf.switch_case(operation, [*branches, lambda: tf.identity(video)])
    return tf.ensure_shape(chosen, video.shape)
