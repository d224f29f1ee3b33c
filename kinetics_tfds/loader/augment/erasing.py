"""Random erasing: one box, the same in all frames of a clip, is covered with noise."""

from __future__ import annotations

import dataclasses
import math
from typing import Literal, NamedTuple

from kinetics_tfds.loader import array_ops as tf
from kinetics_tfds.loader.checks import clip_size, require

_ATTEMPTS = 100


class Box(NamedTuple):
    """A box in pixels; int32 scalars. Its height is 0 where nothing is erased."""

    top: tf.Tensor
    left: tf.Tensor
    height: tf.Tensor
    width: tf.Tensor


@dataclasses.dataclass(frozen=True)
class RandomErasing:
    """Covers a box of random place, area and shape (arXiv:1708.04896), the same in all frames.

    As timm and PySlowFast do it (`RandomErasing` with `cube=True`, `_erase_cube`): up to a hundred draws of an area
    and a ratio; the first that fits is placed anywhere. Those erase after normalising, with noise of mean 0 and
    deviation 1; here clips are uint8, so the noise is drawn as `mean + std * normal` on the clip's own scale and cut to
    it. Keras's `RandomErasing` is not used: it takes no seed that is a tensor, and draws a box for each frame.

    Attributes:
        prob: chance that a clip loses a box.
        area: least and largest share of the picture.
        aspect: least height / width of the box; the largest is its inverse.
        mode: `pixel`: noise in every value of every frame; `colour`: one random colour; `const`: the mean.
        mean: centre of the noise on the scale of [0, 1]: that of the normalisation.
        std: deviation of the noise, likewise.
    """

    prob: float = 0.25
    area: tuple[float, float] = (0.02, 1 / 3)
    aspect: float = 0.3
    mode: Literal["pixel", "colour", "const"] = "pixel"
    mean: float | tuple[float, float, float] = 0.45
    std: float | tuple[float, float, float] = 0.225

    def __post_init__(self) -> None:
        require(self, "prob", 0 <= self.prob <= 1, "a chance from 0 to 1")
        require(self, "area", 0 < self.area[0] <= self.area[1] <= 1, "shares with 0 < least <= largest <= 1")
        require(self, "aspect", 0 < self.aspect <= 1, "a ratio above 0 and up to 1")
        require(self, "mode", self.mode in ("pixel", "colour", "const"), "'pixel', 'colour' or 'const'")

    def draw(self, height: int, width: int, seed: tf.Tensor) -> Box:
        """Returns the box erased from frames of this size in pixels with this seed (int32 [2])."""
        draws = tf.random.stateless_uniform([2 * _ATTEMPTS + 3], seed)
        area = (self.area[0] + (self.area[1] - self.area[0]) * draws[:_ATTEMPTS]) * float(height * width)
        span = math.log(self.aspect)
        ratio = tf.exp(span - 2 * span * draws[_ATTEMPTS : 2 * _ATTEMPTS])
        box_high = tf.cast(tf.round(tf.sqrt(area * ratio)), tf.int32)
        box_wide = tf.cast(tf.round(tf.sqrt(area / ratio)), tf.int32)
        fits = (box_high < height) & (box_wide < width)
        chosen = tf.argmax(fits, output_type=tf.int32)
        erased = tf.reduce_any(fits) & (draws[-3] < self.prob)
        box_high = tf.where(erased, box_high[chosen], 0)
        box_wide = tf.where(erased, box_wide[chosen], 0)
        top = tf.cast(draws[-2] * tf.cast(height - box_high + 1, tf.float32), tf.int32)
        left = tf.cast(draws[-1] * tf.cast(width - box_wide + 1, tf.float32), tf.int32)
        return Box(tf.minimum(top, height - box_high), tf.minimum(left, width - box_wide), box_high, box_wide)

    def __call__(self, video: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Returns the clip with a box covered, or as it is.

        Args:
            video: uint8 [T, H, W, 3], static shape.
            seed: int32 [2].

        Returns:
            uint8 [T, H, W, 3].
        """
        where, what = tf.unstack(tf.random.split(seed, 2))
        _, height, width = clip_size(video)
        box = self.draw(height, width, where)
        erased = tf.cond(box.height > 0, lambda: self._cover(video, box, what), lambda: tf.identity(video))
        return tf.ensure_shape(erased, video.shape)

    def _cover(self, video: tf.Tensor, box: Box, seed: tf.Tensor) -> tf.Tensor:
        size = (clip_size(video)[0], box.height, box.width)
        # The five parts are put together, so that noise is drawn for the box alone.
        above, below = video[:, : box.top], video[:, box.top + box.height :]
        beside = video[:, box.top : box.top + box.height]
        left, right = beside[:, :, : box.left], beside[:, :, box.left + box.width :]
        middle = tf.concat([left, self._noise(size, seed), right], axis=2)
        return tf.concat([above, middle, below], axis=1)

    def _noise(self, size: tuple[int, tf.Tensor, tf.Tensor], seed: tf.Tensor) -> tf.Tensor:
        drawn = {"pixel": [*size, 3], "colour": [1, 1, 1, 3], "const": [1, 1, 1, 3]}[self.mode]
        deviation = 0.0 if self.mode == "const" else tf.constant(self.std) * tf.random.stateless_normal(drawn, seed)
        noise = (tf.constant(self.mean) + deviation) * 255.0
        noise = tf.cast(tf.clip_by_value(tf.round(noise), 0.0, 255.0), tf.uint8)
        return tf.broadcast_to(noise, [*size, 3])
