"""Colour jitter: one shift of brightness, saturation, contrast and hue for all frames of a clip."""

from __future__ import annotations

import dataclasses

from kinetics_tfds.loader import array_ops as tf
from kinetics_tfds.loader.checks import require


@dataclasses.dataclass(frozen=True)
class ColourJitter:
    """Changes a clip's colours, or drops them.

    Defaults and order are those of DMVR's `color_default_augm`, with which Scenic trains ViViT. The work is done by
    `tf.image.stateless_random_*`, which draw once for the clip. Keras's `RandomColorJitter` is not used: it takes no
    seed that is a tensor, and draws for each frame.

    Attributes:
        brightness: largest shift, up or down, on the scale of [0, 1].
        saturation: factors are drawn from 1 - saturation to 1 + saturation.
        contrast: likewise, about each frame's own mean.
        hue: largest turn, either way, on the scale where 1 is the full circle.
        prob: chance of the four changes.
        drop_prob: chance of a grey clip, drawn apart.
    """

    brightness: float = 32 / 255
    saturation: float = 0.4
    contrast: float = 0.4
    hue: float = 0.2
    prob: float = 0.8
    drop_prob: float = 0.0

    def __post_init__(self) -> None:
        require(self, "brightness", 0 <= self.brightness <= 1, "0 to 1")
        require(self, "saturation", 0 <= self.saturation <= 1, "0 to 1")
        require(self, "contrast", 0 <= self.contrast <= 1, "0 to 1")
        require(self, "hue", 0 <= self.hue <= 0.5, "0 to 0.5")
        require(self, "prob", 0 <= self.prob <= 1, "a chance from 0 to 1")
        require(self, "drop_prob", 0 <= self.drop_prob <= 1, "a chance from 0 to 1")

    def __call__(self, video: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Returns the clip with other colours.

        Args:
            video: uint8 [T, H, W, 3].
            seed: int32 [2].

        Returns:
            uint8 [T, H, W, 3].
        """
        seeds = tf.unstack(tf.random.split(seed, 5))
        chance = tf.random.stateless_uniform([2], seeds[4])
        video = tf.cond(chance[0] < self.prob, lambda: self._jitter(video, seeds), lambda: tf.identity(video))
        return tf.cond(chance[1] < self.drop_prob, lambda: _grey(video), lambda: tf.identity(video))

    def _jitter(self, video: tf.Tensor, seeds: list[tf.Tensor]) -> tf.Tensor:
        pixels = tf.cast(video, tf.float32) / 255.0
        # Each is left out at 0: the ops refuse an empty range, and then nothing is rounded either.
        if self.brightness:
            pixels = tf.image.stateless_random_brightness(pixels, self.brightness, seeds[0])
        if self.saturation:
            pixels = tf.image.stateless_random_saturation(pixels, 1 - self.saturation, 1 + self.saturation, seeds[1])
        if self.contrast:
            pixels = tf.image.stateless_random_contrast(pixels, 1 - self.contrast, 1 + self.contrast, seeds[2])
        if self.hue:
            pixels = tf.image.stateless_random_hue(pixels, self.hue, seeds[3])
        return tf.cast(tf.clip_by_value(pixels * 255.0 + 0.5, 0.0, 255.0), tf.uint8)


def _grey(video: tf.Tensor) -> tf.Tensor:
    return tf.repeat(tf.image.rgb_to_grayscale(video), 3, axis=-1)
