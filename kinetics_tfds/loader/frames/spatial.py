"""Which window of the frames, and at what size: options that turn a frame's size and a seed into crop windows.

A window is given in whole pixels of the stored frame and is cut out while decoding, then resized once to the output's
size. Where others resize first and crop then, the window differs by less than one stored pixel. All frames of a clip
share their window and flip.
"""

from __future__ import annotations

import abc
import dataclasses
import math
from typing import NamedTuple

from kinetics_tfds.loader import array_ops as tf
from kinetics_tfds.loader.checks import require

_ATTEMPTS = 10


class Windows(NamedTuple):
    """The windows of one view.

    Attributes:
        boxes: int32 [C, 4], or half as many where crops are `mirrored`: top, left, height, width in stored pixels;
            inside the frame, 1 pixel or larger.
        flip: bool scalar: mirror left and right after resizing.
    """

    boxes: tf.Tensor
    flip: tf.Tensor


class Spatial(abc.ABC):
    """Chooses windows of one view.

    Attributes:
        size: the output's side in pixels, or (height, width).
    """

    size: int | tuple[int, int]

    @property
    def output_size(self) -> tuple[int, int]:
        """Height and width of the output in pixels."""
        return (self.size, self.size) if isinstance(self.size, int) else (self.size[0], self.size[1])

    @property
    def crops(self) -> int:
        """Windows of one view, C."""
        return 1

    @property
    def mirrored(self) -> bool:
        """Whether the second half of the crops are the first half, mirrored: those have no boxes of their own."""
        return False

    @property
    def random(self) -> bool:
        """Whether the seed matters."""
        return False

    @abc.abstractmethod
    def windows(self, height: tf.Tensor, width: tf.Tensor, seed: tf.Tensor) -> Windows:
        """Returns the windows of one view.

        Args:
            height: int32 scalar, of the stored frames in pixels.
            width: int32 scalar, likewise.
            seed: int32 [2], for stateless ops.
        """

    @abc.abstractmethod
    def window_size(self, height: int, width: int) -> tuple[int, int]:
        """Returns the height and width that hold all windows of any view of frames of this size, in stored pixels."""


@dataclasses.dataclass(frozen=True)
class RandomResizedCrop(Spatial):
    """A window of random area and shape, as torchvision draws it.

    Up to ten draws of an area (uniform) and an aspect ratio (uniform in its logarithm); the first that fits is placed
    anywhere. If none fits, the largest centred window whose ratio is in range.

    Attributes:
        size: output side in pixels, or (height, width).
        scale: least and largest share of the frame's area.
        aspect: least and largest width / height.
        flip: chance of a mirrored clip.
    """

    size: int | tuple[int, int] = 224
    scale: tuple[float, float] = (0.08, 1.0)
    aspect: tuple[float, float] = (3 / 4, 4 / 3)
    flip: float = 0.5

    def __post_init__(self) -> None:
        check_size(self)
        require(self, "scale", 0 < self.scale[0] <= self.scale[1] <= 1, "shares with 0 < least <= largest <= 1")
        require(self, "aspect", 0 < self.aspect[0] <= self.aspect[1], "ratios with 0 < least <= largest")
        require(self, "flip", 0 <= self.flip <= 1, "a chance from 0 to 1")

    @property
    def random(self) -> bool:
        """Whether the seed matters."""
        return True

    def windows(self, height: tf.Tensor, width: tf.Tensor, seed: tf.Tensor) -> Windows:
        """Returns one window."""
        draws = tf.random.stateless_uniform([2 * _ATTEMPTS + 3], seed)
        high, wide = tf.cast(height, tf.float32), tf.cast(width, tf.float32)
        area = _between(draws[:_ATTEMPTS], *self.scale) * high * wide
        ratio = tf.exp(_between(draws[_ATTEMPTS:-3], math.log(self.aspect[0]), math.log(self.aspect[1])))
        # Last comes the window for when nothing fits, so that the first that is valid always exists.
        whole = wide / high
        fallback_wide = tf.maximum(tf.minimum(wide, high * self.aspect[1]), 1.0)
        fallback_high = tf.maximum(tf.where(whole < self.aspect[0], wide / self.aspect[0], high), 1.0)
        box_wide = _pixels(tf.concat([tf.sqrt(area * ratio), [fallback_wide]], 0))
        box_high = _pixels(tf.concat([tf.sqrt(area / ratio), [fallback_high]], 0))
        fits = (box_wide <= width) & (box_high <= height) & (box_wide > 0) & (box_high > 0)
        chosen = tf.argmax(fits, output_type=tf.int32)
        box_high, box_wide = tf.clip_by_value(box_high[chosen], 1, height), tf.clip_by_value(box_wide[chosen], 1, width)
        fell_back = chosen == _ATTEMPTS
        top = tf.where(fell_back, (height - box_high) // 2, _anywhere(draws[-3], height - box_high))
        left = tf.where(fell_back, (width - box_wide) // 2, _anywhere(draws[-2], width - box_wide))
        return Windows(tf.stack([top, left, box_high, box_wide])[None], draws[-1] < self.flip)

    def window_size(self, height: int, width: int) -> tuple[int, int]:
        """Returns the largest window."""
        # A side that is drawn up to half a pixel too long still fits once it is rounded, and the other side with it.
        return (
            min(height, math.ceil((width + 0.5) / self.aspect[0]) + 1),
            min(width, math.ceil((height + 0.5) * self.aspect[1]) + 1),
        )


@dataclasses.dataclass(frozen=True)
class ScaleJitter(Spatial):
    """Scale the short side to a random length, then crop anywhere (SlowFast's training transform).

    Attributes:
        size: output side in pixels, or (height, width); no larger than the least short side.
        short_side: least and largest length of the scaled frame's short side, in pixels.
        inverse: draw 1 / length uniformly instead of the length.
        flip: chance of a mirrored clip.
    """

    size: int | tuple[int, int] = 224
    short_side: tuple[int, int] = (256, 320)
    inverse: bool = False
    flip: float = 0.5

    def __post_init__(self) -> None:
        check_size(self)
        least, largest = self.short_side
        require(self, "short_side", max(self.output_size) <= least <= largest, "pixels with size <= least <= largest")
        require(self, "flip", 0 <= self.flip <= 1, "a chance from 0 to 1")

    @property
    def random(self) -> bool:
        """Whether the seed matters."""
        return True

    def windows(self, height: tf.Tensor, width: tf.Tensor, seed: tf.Tensor) -> Windows:
        """Returns one window."""
        draws = tf.random.stateless_uniform([4], seed)
        least, largest = self.short_side
        side = 1 / _between(draws[0], 1 / largest, 1 / least) if self.inverse else _between(draws[0], least, largest)
        box_high, box_wide = scaled_window(height, width, self.output_size, tf.round(side))
        top, left = _anywhere(draws[1], height - box_high), _anywhere(draws[2], width - box_wide)
        return Windows(tf.stack([top, left, box_high, box_wide])[None], draws[3] < self.flip)

    def window_size(self, height: int, width: int) -> tuple[int, int]:
        """Returns the largest window: that of the least short side."""
        return _fitted_size(height, width, self.output_size, float(self.short_side[0]))


@dataclasses.dataclass(frozen=True)
class CentreCrop(Spatial):
    """Scale the short side, then crop the middle.

    Attributes:
        size: output side in pixels, or (height, width).
        short_side: length of the scaled frame's short side in pixels; None takes the output's longer side.
    """

    size: int | tuple[int, int] = 224
    short_side: int | None = None

    def __post_init__(self) -> None:
        check_size(self)
        _check_short_side(self)

    def windows(self, height: tf.Tensor, width: tf.Tensor, seed: tf.Tensor) -> Windows:
        """Returns one window."""
        del seed
        side = float(self.short_side or max(self.output_size))
        box_high, box_wide = scaled_window(height, width, self.output_size, side)
        top, left = (height - box_high) // 2, (width - box_wide) // 2
        return Windows(tf.stack([top, left, box_high, box_wide])[None], tf.constant(False))

    def window_size(self, height: int, width: int) -> tuple[int, int]:
        """Returns the window's size."""
        return _fitted_size(height, width, self.output_size, float(self.short_side or max(self.output_size)))


@dataclasses.dataclass(frozen=True)
class ThreeCrop(Spatial):
    """Scale the short side, then crop three times along the longer side: start, middle, end.

    Attributes:
        size: output side in pixels, or (height, width).
        short_side: length of the scaled frame's short side in pixels; None takes the output's longer side.
    """

    size: int | tuple[int, int] = 256
    short_side: int | None = None

    def __post_init__(self) -> None:
        check_size(self)
        _check_short_side(self)

    @property
    def crops(self) -> int:
        """Windows of one view, C."""
        return 3

    def windows(self, height: tf.Tensor, width: tf.Tensor, seed: tf.Tensor) -> Windows:
        """Returns three windows, from left to right, or from top to bottom in a portrait frame."""
        del seed
        side = float(self.short_side or max(self.output_size))
        box_high, box_wide = scaled_window(height, width, self.output_size, side)
        free_high, free_wide = height - box_high, width - box_wide
        # Middles round up, as in SlowFast's uniform_crop.
        along_high = tf.stack([0, (free_high + 1) // 2, free_high])
        along_wide = tf.stack([0, (free_wide + 1) // 2, free_wide])
        portrait = height > width
        top = tf.where(portrait, along_high, tf.fill([3], (free_high + 1) // 2))
        left = tf.where(portrait, tf.fill([3], (free_wide + 1) // 2), along_wide)
        boxes = tf.stack([top, left, tf.fill([3], box_high), tf.fill([3], box_wide)], axis=1)
        return Windows(boxes, tf.constant(False))

    def window_size(self, height: int, width: int) -> tuple[int, int]:
        """Returns the size of the smallest box around all three."""
        high, wide = _fitted_size(height, width, self.output_size, float(self.short_side or max(self.output_size)))
        return (height, wide) if height > width else (high, width)


@dataclasses.dataclass(frozen=True)
class Resize(Spatial):
    """The whole frame, squeezed to the output's shape.

    Attributes:
        size: output side in pixels, or (height, width).
    """

    size: int | tuple[int, int] = 224

    def __post_init__(self) -> None:
        check_size(self)

    def windows(self, height: tf.Tensor, width: tf.Tensor, seed: tf.Tensor) -> Windows:
        """Returns one window: the frame."""
        del seed
        return Windows(tf.stack([0, 0, height, width])[None], tf.constant(False))

    def window_size(self, height: int, width: int) -> tuple[int, int]:
        """Returns the frame's size."""
        return height, width


def scaled_window(height: tf.Tensor, width: tf.Tensor, size: tuple[int, int], short_side: tf.Tensor | float):
    """Returns height and width (int32) of the stored pixels that `size` shows once the short side is `short_side`."""
    shrink = tf.cast(tf.minimum(height, width), tf.float32) / short_side
    box_high = tf.clip_by_value(_pixels(size[0] * shrink), 1, height)
    box_wide = tf.clip_by_value(_pixels(size[1] * shrink), 1, width)
    return box_high, box_wide


def _fitted_size(height: int, width: int, size: tuple[int, int], short_side: float) -> tuple[int, int]:
    shrink = min(height, width) / short_side
    return min(height, round(size[0] * shrink + 0.5)), min(width, round(size[1] * shrink + 0.5))


def _between(draw: tf.Tensor, low: float, high: float) -> tf.Tensor:
    return low + (high - low) * draw


def _pixels(length: tf.Tensor) -> tf.Tensor:
    return tf.cast(tf.floor(length + 0.5), tf.int32)


def _anywhere(draw: tf.Tensor, free: tf.Tensor) -> tf.Tensor:
    """Returns int32 from 0 to `free`, both possible, from a draw in [0, 1)."""
    return tf.minimum(tf.cast(draw * tf.cast(free + 1, tf.float32), tf.int32), free)


def check_size(option: Spatial) -> None:
    """Raises ConfigError unless the output's size is one or two whole numbers of pixels."""
    size = option.size if isinstance(option.size, (tuple, list)) else (option.size, option.size)
    valid = len(size) == 2 and all(isinstance(side, int) and side >= 1 for side in size)
    require(option, "size", valid, "pixels, or (height, width) in pixels")


def _check_short_side(option: CentreCrop | ThreeCrop) -> None:
    side = option.short_side
    valid = side is None or (isinstance(side, int) and side >= min(option.output_size))
    require(option, "short_side", valid, "pixels, no less than the output's side, or None")
