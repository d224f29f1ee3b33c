"""Mixup and CutMix: a batch mixed with itself in reverse, and labels in proportion."""

from __future__ import annotations

import dataclasses
import functools
from typing import NamedTuple

import numpy as np

from kinetics_tfds.loader import array_ops as tf
from kinetics_tfds.loader.checks import clip_size, require

# Shares are whole parts of so many, which float32 and uint8 blend without a rounding of their own.
_LEVELS = 256


class Draws(NamedTuple):
    """What one batch's seed stands for.

    Attributes:
        cutmix: bool: whether boxes are exchanged instead of all pixels blended.
        keep: float32 in [0, 1], in whole 256ths: the share of each clip that is its own, before boxes are cut at the
            edges.
        centre: float32 [2]: where the box is centred, as shares of height and width.
    """

    cutmix: tf.Tensor
    keep: tf.Tensor
    centre: tf.Tensor


@dataclasses.dataclass(frozen=True)
class MixupCutMix:
    """Blends clips (mixup, arXiv:1710.09412) or exchanges boxes of them (CutMix, arXiv:1905.04899).

    In the order of timm's `Mixup` (mode `batch`) and PySlowFast's `MixUp`: first whether to mix at all, then which of
    the two, then one share for the batch from the Beta distribution; clip i's partner is clip B - 1 - i. Where a box is
    cut at the picture's edge, the labels follow the area that is left. Shares are whole 256ths, so that pixels and
    labels agree to the last bit. The clips are still uint8: to mix before or after normalising is the same.

    Rows whose `mask` is False neither give nor take, and their labels are all zero, as are those of unlabelled clips.

    Attributes:
        mixup_alpha: of mixup's Beta distribution; 0: no mixup.
        cutmix_alpha: of CutMix's Beta distribution; 0: no CutMix.
        prob: chance of a batch to be mixed.
        switch_prob: chance of CutMix where both are on.
        smoothing: share of each label that is spread over all classes.
    """

    mixup_alpha: float = 0.8
    cutmix_alpha: float = 1.0
    prob: float = 1.0
    switch_prob: float = 0.5
    smoothing: float = 0.1

    def __post_init__(self) -> None:
        require(self, "mixup_alpha", self.mixup_alpha >= 0, "0 or more")
        require(self, "cutmix_alpha", self.cutmix_alpha >= 0, "0 or more")
        require(self, "prob", 0 <= self.prob <= 1, "a chance from 0 to 1")
        require(self, "switch_prob", 0 <= self.switch_prob <= 1, "a chance from 0 to 1")
        require(self, "smoothing", 0 <= self.smoothing < 1, "a share from 0 to below 1")

    def draw(self, seed: tf.Tensor) -> Draws:
        """Returns what is done to the batch of this seed (int32 [2])."""
        chance = tf.random.stateless_uniform([5], seed)
        both = self.mixup_alpha > 0 and self.cutmix_alpha > 0
        cutmix = chance[1] < self.switch_prob if both else tf.constant(self.cutmix_alpha > 0)
        mixes = chance[0] < self.prob if max(self.mixup_alpha, self.cutmix_alpha) > 0 else tf.constant(False)
        below = tf.where(cutmix, _beta_below(self.cutmix_alpha), _beta_below(self.mixup_alpha))
        share = tf.cast(tf.searchsorted(below, chance[4:], side="right"), tf.float32)[0] / float(_LEVELS)
        return Draws(cutmix & mixes, tf.where(mixes, share, 1.0), chance[2:4])

    def __call__(self, batch: dict[str, tf.Tensor], seed: tf.Tensor, num_classes: int) -> dict[str, tf.Tensor]:
        """Returns the batch mixed.

        Args:
            batch: `video` uint8 [B, T, H, W, 3], static shape; `label` int32 [B]; `mask` bool [B] if there is padding.
            seed: int32 [2].
            num_classes: the width of the soft labels.

        Returns:
            The batch with `video` mixed and `label` float32 [B, num_classes]; the rest as it was.
        """
        video, label = batch["video"], batch["label"]
        mask = batch.get("mask", tf.ones(tf.shape(label), tf.bool))
        draws = self.draw(seed)
        partner = _partners(mask)
        mixed, keep = tf.cond(
            draws.cutmix,
            lambda: _exchange(video, partner, draws),
            lambda: _blend(video, partner, draws.keep),
        )
        soft = self._soft(label, mask, num_classes)
        soft = keep * soft + (1.0 - keep) * tf.gather(soft, partner)
        return {**batch, "video": tf.ensure_shape(mixed, video.shape), "label": soft}

    def _soft(self, label: tf.Tensor, mask: tf.Tensor, num_classes: int) -> tf.Tensor:
        low = self.smoothing / num_classes
        soft = tf.one_hot(label, num_classes, on_value=1.0 - self.smoothing + low, off_value=low)
        return tf.where((mask & (label >= 0))[:, None], soft, 0.0)


@functools.cache
def _beta_below(alpha: float) -> np.ndarray:
    """Returns float32 [256]: how likely Beta(alpha, alpha) rounds to less than 1, 2, … 256 of 256 parts.

    What a uniform draw finds there is such a share: whole parts are all that is ever used, and neither gammas nor
    their rejections have to be drawn. In y = x**alpha the density is smooth up to the middle, where it is mirrored.
    """
    if alpha == 0:
        return np.zeros(_LEVELS, np.float32)
    edges = np.arange(0.5, _LEVELS // 2) / _LEVELS
    steps = (np.arange(1 << 16) + 0.5) / (1 << 16) * 0.5**alpha
    mass = np.cumsum((1 - steps ** (1 / alpha)) ** (alpha - 1))
    half = np.interp(edges**alpha, steps, mass) / mass[-1] / 2
    return np.concatenate([half, 1 - half[::-1]]).astype(np.float32)


def _partners(mask: tf.Tensor) -> tf.Tensor:
    """Returns int32 [B]: the row each row is mixed with; rows that are masked out are their own."""
    valid = tf.where(mask)
    rows = tf.range(tf.shape(mask)[0])
    return tf.tensor_scatter_nd_update(rows, valid, tf.cast(tf.reverse(valid[:, 0], [0]), tf.int32))


def _blend(video: tf.Tensor, partner: tf.Tensor, keep: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    def row(pair: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
        own, other = tf.cast(video[pair[0]], tf.float32), tf.cast(video[pair[1]], tf.float32)
        return tf.cast(keep * own + (1.0 - keep) * other + 0.5, tf.uint8)

    def blend() -> tf.Tensor:
        # Row by row: a whole batch as float32 would take eight times its own memory.
        rows = (tf.range(tf.shape(video)[0]), partner)
        return tf.map_fn(row, rows, fn_output_signature=tf.TensorSpec(video.shape[1:], tf.uint8))

    return tf.cond(keep < 1.0, blend, lambda: tf.identity(video)), keep


def _exchange(video: tf.Tensor, partner: tf.Tensor, draws: Draws) -> tuple[tf.Tensor, tf.Tensor]:
    _, height, width = clip_size(video)
    side = tf.sqrt(1.0 - draws.keep)
    top, bottom = _span(height, side, draws.centre[0])
    left, right = _span(width, side, draws.centre[1])
    other = tf.gather(video[:, :, top:bottom, left:right], partner)
    beside = video[:, :, top:bottom]
    middle = tf.concat([beside[:, :, :, :left], other, beside[:, :, :, right:]], axis=3)
    mixed = tf.concat([video[:, :, :top], middle, video[:, :, bottom:]], axis=2)
    area = tf.cast((bottom - top) * (right - left), tf.float32)
    return mixed, 1.0 - area / float(height * width)


def _span(length: int, share: tf.Tensor, centre: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns int32 start and end of a box's side about `centre`, cut at the edges."""
    half = tf.cast(share * float(length), tf.int32) // 2
    middle = tf.cast(centre * float(length), tf.int32)
    return tf.maximum(middle - half, 0), tf.minimum(middle + half, length)
