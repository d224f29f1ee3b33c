"""Windows as single code bases draw them, where they differ from the common ones of `spatial.py`."""

from __future__ import annotations

import dataclasses
import math

from kinetics_tfds.loader import array_ops as tf
from kinetics_tfds.loader.checks import require
from kinetics_tfds.loader.frames.spatial import Spatial, Windows, check_size, scaled_window


@dataclasses.dataclass(frozen=True)
class DistortedBox(Spatial):
    """A window as `tf.image.sample_distorted_bounding_box` draws it, with which the Model Garden and Scenic train.

    A ratio (uniform), then a height (uniform among those whose area is in range and whose width fits), then a place.
    Its windows are wider and larger than those of `RandomResizedCrop`: of 340 x 256 frames with the defaults the median
    ratio is 1.1 and the median share 0.34. A window of less than `min_covered` of the frame is drawn again; after
    `attempts` draws it is the whole frame. Source: tensorflow/core/kernels/image/sample_distorted_bounding_box_op.cc.

    Draws: `stateless_uniform([4, attempts])`, the ratios, heights, tops and lefts; then [1] from the second of two
    split seeds, the flip.

    Attributes:
        size: output side in pixels, or (height, width).
        scale: least and largest share of the frame's area.
        aspect: least and largest width / height, for a square output; scaled by the output's own ratio.
        flip: chance of a mirrored clip.
        min_covered: least share of the frame (the op's `min_object_covered` with the frame as the object).
        attempts: draws before the whole frame is taken.
    """

    size: int | tuple[int, int] = 224
    scale: tuple[float, float] = (0.08, 1.0)
    aspect: tuple[float, float] = (0.5, 2.0)
    flip: float = 0.5
    min_covered: float = 0.1
    attempts: int = 100

    def __post_init__(self) -> None:
        check_size(self)
        require(self, "scale", 0 < self.scale[0] <= self.scale[1] <= 1, "shares with 0 < least <= largest <= 1")
        require(self, "aspect", 0 < self.aspect[0] <= self.aspect[1], "ratios with 0 < least <= largest")
        require(self, "flip", 0 <= self.flip <= 1, "a chance from 0 to 1")
        require(self, "min_covered", 0 <= self.min_covered <= 1, "a share from 0 to 1")
        require(self, "attempts", isinstance(self.attempts, int) and self.attempts >= 1, "1 or more")

    @property
    def random(self) -> bool:
        """Whether the seed matters."""
        return True

    def windows(self, height: tf.Tensor, width: tf.Tensor, seed: tf.Tensor) -> Windows:
        """Returns one window."""
        where, mirror = tf.unstack(tf.random.split(seed, 2), 2)
        draws = tf.cast(tf.random.stateless_uniform([4, self.attempts], where), tf.float64)
        high, wide = tf.cast(height, tf.float64), tf.cast(width, tf.float64)
        least, largest = self.scale[0] * high * wide, self.scale[1] * high * wide
        low, up = self._ratios()
        ratio = low + (up - low) * draws[0]
        lowest, highest = tf.round(tf.sqrt(least / ratio)), tf.round(tf.sqrt(largest / ratio))
        # The highest that still fits once the width is rounded.
        highest = tf.where(tf.round(highest * ratio) > wide, tf.floor((wide + 0.5 - 1e-7) / ratio), highest)
        highest = tf.minimum(highest, high)
        lowest = tf.minimum(lowest, highest)
        box_high = lowest + tf.floor(draws[1] * (highest - lowest + 1.0))
        box_high = tf.where(box_high * tf.round(box_high * ratio) < least, box_high + 1.0, box_high)
        box_high = tf.where(box_high * tf.round(box_high * ratio) > largest, box_high - 1.0, box_high)
        box_wide = tf.round(box_high * ratio)
        area = box_high * box_wide
        fits = (area >= least) & (area <= largest) & (area >= self.min_covered * high * wide)
        fits = fits & (box_wide <= wide) & (box_high <= high) & (box_wide >= 1.0) & (box_high >= 1.0)
        first = tf.argmax(fits, output_type=tf.int32)
        found = tf.reduce_any(fits)
        top, left = tf.floor(draws[2] * (high - box_high)), tf.floor(draws[3] * (wide - box_wide))
        drawn = tf.stack([top[first], left[first], box_high[first], box_wide[first]])
        box = tf.where(found, tf.cast(drawn, tf.int32), tf.stack([height * 0, width * 0, height, width]))
        return Windows(box[None], tf.random.stateless_uniform([1], mirror)[0] < self.flip)

    def window_size(self, height: int, width: int) -> tuple[int, int]:
        """Returns the largest window: the whole frame, which is taken when no draw fits."""
        return height, width

    def _ratios(self) -> tuple[float, float]:
        high, wide = self.output_size
        return self.aspect[0] * wide / high, self.aspect[1] * wide / high


@dataclasses.dataclass(frozen=True)
class MultiScaleCrop(Spatial):
    """mmaction2's MultiScaleCrop with fixed places, with which TSN and TSM train.

    Height and width are two of a few shares of the scaled short side, no more than `max_gap` apart in the list; the
    window is one of five or thirteen on a grid. Source: mmaction/datasets/transforms/processing.py.

    Draws: `stateless_uniform([3])`: the size, the place, the flip.

    Attributes:
        size: output side in pixels, or (height, width).
        short_side: length of the scaled frame's short side in pixels.
        scales: shares of the short side.
        max_gap: how far apart in `scales` height and width may be.
        places: 5 (corners and centre) or 13 of a 5 x 5 grid.
        flip: chance of a mirrored clip.
    """

    size: int | tuple[int, int] = 224
    short_side: int = 256
    scales: tuple[float, ...] = (1.0, 0.875, 0.75, 0.66)
    max_gap: int = 1
    places: int = 5
    flip: float = 0.5

    def __post_init__(self) -> None:
        check_size(self)
        require(self, "short_side", isinstance(self.short_side, int) and self.short_side >= 1, "pixels, 1 or more")
        valid = len(self.scales) > 0 and all(0 < scale <= 1 for scale in self.scales)
        require(self, "scales", valid, "shares above 0 and up to 1")
        require(self, "max_gap", isinstance(self.max_gap, int) and self.max_gap >= 0, "0 or more")
        require(self, "places", self.places in (5, 13), "5 or 13")
        require(self, "flip", 0 <= self.flip <= 1, "a chance from 0 to 1")

    @property
    def random(self) -> bool:
        """Whether the seed matters."""
        return True

    def windows(self, height: tf.Tensor, width: tf.Tensor, seed: tf.Tensor) -> Windows:
        """Returns one window."""
        draws = tf.random.stateless_uniform([3], seed)
        sizes = self._sizes()
        grid = _FIVE if self.places == 5 else _FIVE + _EIGHT
        crop = tf.gather(tf.constant(sizes, tf.int32), _pick(draws[0], len(sizes)))
        place = tf.gather(tf.constant(grid, tf.int32), _pick(draws[1], len(grid)))
        stored = tf.stack([height, width])
        shrink = tf.cast(tf.minimum(height, width), tf.float64) / self.short_side
        scaled = tf.cast(tf.floor(tf.cast(stored, tf.float64) / shrink + 0.5), tf.int32)
        start = tf.maximum(scaled - crop, 0) // 4 * place
        box = tf.clip_by_value(tf.cast(tf.round(tf.cast(crop, tf.float64) * shrink), tf.int32), 1, stored)
        start = tf.cast(tf.round(tf.cast(start, tf.float64) * shrink), tf.int32)
        return Windows(tf.concat([tf.minimum(start, stored - box), box], 0)[None], draws[2] < self.flip)

    def window_size(self, height: int, width: int) -> tuple[int, int]:
        """Returns the largest window: a square of the largest share of the short side."""
        side = math.ceil(max(self.scales) * min(height, width)) + 1
        return min(height, side), min(width, side)

    def _sizes(self) -> list[tuple[int, int]]:
        sides = [int(self.short_side * scale) for scale in self.scales]
        high, wide = self.output_size

        def snapped(side: int, output: int) -> int:
            return output if abs(side - output) < 3 else side

        return [
            (snapped(one, high), snapped(other, wide))
            for i, one in enumerate(sides)
            for j, other in enumerate(sides)
            if abs(i - j) <= self.max_gap
        ]


@dataclasses.dataclass(frozen=True)
class TenCrop(Spatial):
    """Scale the short side, then crop the four corners and the middle, and all five mirrored (TSN's and TSM's test).

    Attributes:
        size: output side in pixels, or (height, width).
        short_side: length of the scaled frame's short side in pixels.
    """

    size: int | tuple[int, int] = 224
    short_side: int = 256

    def __post_init__(self) -> None:
        check_size(self)
        valid = isinstance(self.short_side, int) and self.short_side >= max(self.output_size)
        require(self, "short_side", valid, "pixels, no less than the output's side")

    @property
    def crops(self) -> int:
        """Windows of one view, C."""
        return 10

    @property
    def mirrored(self) -> bool:
        """Whether the second half of the crops are the first half, mirrored."""
        return True

    def windows(self, height: tf.Tensor, width: tf.Tensor, seed: tf.Tensor) -> Windows:
        """Returns five windows."""
        del seed
        box_high, box_wide = scaled_window(height, width, self.output_size, float(self.short_side))
        free_high, free_wide = height - box_high, width - box_wide
        boxes = [tf.stack([free_high * down // 4, free_wide * right // 4, box_high, box_wide]) for down, right in _FIVE]
        return Windows(tf.stack(boxes), tf.constant(False))

    def window_size(self, height: int, width: int) -> tuple[int, int]:
        """Returns the size of the smallest box around all five: the frame."""
        return height, width


# Places in quarters of what is free below and to the right: corners and centre; what 13 places add.
_FIVE = ((0, 0), (0, 4), (4, 0), (4, 4), (2, 2))
_EIGHT = ((2, 0), (2, 4), (0, 2), (4, 2), (1, 1), (1, 3), (3, 1), (3, 3))


def _pick(draw: tf.Tensor, count: int) -> tf.Tensor:
    """Returns int32 from 0 to `count` - 1."""
    return tf.minimum(tf.cast(draw * float(count), tf.int32), count - 1)
