"""The operations RandAugment chooses from, on whole clips.

Each takes uint8 [T, H, W, 3] and returns the same shape and type. Parameters are shared by all frames; where an
operation looks at the picture (its contrast, its histogram) it looks at each frame by itself. The results are those of
Pillow, which the reference code calls frame by frame: to the last bit for colours, to one level inside the frame for
geometry. Arithmetic is chosen over lookup tables because a gather costs ten times as much a pixel.
"""

from __future__ import annotations

import math

from kinetics_tfds.loader import array_ops as tf
from kinetics_tfds.loader.checks import clip_size

# What geometry leaves uncovered (`img_mean` of timm's auto_augment.py, which PySlowFast keeps).
FILL = 128.0


def auto_contrast(video: tf.Tensor) -> tf.Tensor:
    """Stretches each channel of each frame to the full range."""
    pixels = tf.cast(video, tf.int32)
    low = tf.reduce_min(pixels, axis=(1, 2))[:, None, :, None]
    spread = tf.reduce_max(pixels, axis=(1, 2))[:, None, :, None] - low
    # In float64, since Pillow's table is: float32 moves some of the levels that fall on whole numbers.
    scale = 255.0 / tf.cast(tf.maximum(spread, 1), tf.float64)
    levels = tf.range(256, dtype=tf.float64)
    low = tf.cast(low, tf.float64)
    table = tf.clip_by_value(tf.cast(levels * scale - low * scale, tf.int32), 0, 255)
    table = tf.where(spread > 0, table, tf.range(256))
    return _look_up(table, video)


def equalize(video: tf.Tensor) -> tf.Tensor:
    """Gives each channel of each frame a flat histogram."""
    frames, height, width = clip_size(video)
    rows = tf.reshape(tf.transpose(video, [0, 3, 1, 2]), [frames * 3, height * width])
    counts = tf.math.bincount(tf.cast(rows, tf.int32), minlength=256, maxlength=256, axis=-1)
    # The brightest level that occurs is left out of the step, so that it maps to white.
    brightest = tf.cast(tf.reduce_max(rows, axis=1), tf.int32)
    last = tf.gather(counts, brightest, batch_dims=1)
    step = (height * width - last) // 255
    before = tf.cumsum(counts, axis=1, exclusive=True)
    table = (before + step[:, None] // 2) // tf.maximum(step, 1)[:, None]
    table = tf.where(step[:, None] > 0, tf.minimum(table, 255), tf.range(256))
    return _look_up(tf.reshape(table, [frames, 1, 3, 256]), video)


def invert(video: tf.Tensor) -> tf.Tensor:
    """Turns light to dark."""
    return 255 - video


def posterize(video: tf.Tensor, bits: tf.Tensor) -> tf.Tensor:
    """Keeps the `bits` highest bits (int32, 0 to 8) of each value."""
    mask = tf.bitwise.left_shift(255, 8 - bits) & 255
    return tf.bitwise.bitwise_and(video, tf.cast(mask, tf.uint8))


def solarize(video: tf.Tensor, threshold: tf.Tensor) -> tf.Tensor:
    """Inverts values at and above `threshold` (int32, 0 to 256)."""
    # Inverting is flipping all bits: these cheap passes take a third of what `tf.where` takes. 256 does not fit uint8.
    above = video > tf.cast(tf.maximum(threshold - 1, 0), tf.uint8)
    bright = tf.cast(above | (threshold <= 0), tf.uint8)
    return tf.bitwise.bitwise_xor(video, bright * 255)


def solarize_add(video: tf.Tensor, add: tf.Tensor) -> tf.Tensor:
    """Adds `add` (int32, 0 to 110) to values below 128."""
    return video + tf.cast(video < 128, tf.uint8) * tf.cast(add, tf.uint8)


def colour(video: tf.Tensor, factor: tf.Tensor) -> tf.Tensor:
    """Moves away from grey: 0 is grey, 1 the clip itself, 2 as far again."""
    return _blend(tf.cast(_luma(video), tf.float32), video, factor)


def contrast(video: tf.Tensor, factor: tf.Tensor) -> tf.Tensor:
    """Moves away from the frame's mean brightness; factor as in `colour`."""
    total = tf.reduce_sum(tf.cast(_luma(video), tf.float64), axis=(1, 2, 3), keepdims=True)
    _, height, width = clip_size(video)
    mean = tf.floor(total / float(height * width) + 0.5)
    return _blend(tf.cast(mean, tf.float32), video, factor)


def brightness(video: tf.Tensor, factor: tf.Tensor) -> tf.Tensor:
    """Moves away from black; factor as in `colour`."""
    return _blend(tf.zeros([], tf.float32), video, factor)


def sharpness(video: tf.Tensor, factor: tf.Tensor) -> tf.Tensor:
    """Moves away from the frame's smoothed version; factor as in `colour`."""
    if min(clip_size(video)[1:]) < 3:
        return video
    pixels = tf.cast(video, tf.float32)
    # The kernel (1 1 1, 1 5 1, 1 1 1) / 13 as sums of shifted slices: depthwise convolution is slower on a CPU.
    rows = pixels[:, :-2] + pixels[:, 1:-1] + pixels[:, 2:]
    sums = rows[:, :, :-2] + rows[:, :, 1:-1] + rows[:, :, 2:]
    inside = tf.floor((sums + 4.0 * pixels[:, 1:-1, 1:-1]) / 13.0 + 0.5)
    # Pillow leaves the outermost pixels as they are.
    middle = tf.concat([pixels[:, 1:-1, :1], inside, pixels[:, 1:-1, -1:]], axis=2)
    smooth = tf.concat([pixels[:, :1], middle, pixels[:, -1:]], axis=1)
    return _blend(smooth, video, factor)


def shear_x(video: tf.Tensor, factor: tf.Tensor, interpolation: str = "BILINEAR") -> tf.Tensor:
    """Shifts each row by `factor` times its height above the bottom edge's opposite."""
    return _affine(video, interpolation, 1.0, factor, 0.0, 0.0, 1.0, 0.0)


def shear_y(video: tf.Tensor, factor: tf.Tensor, interpolation: str = "BILINEAR") -> tf.Tensor:
    """Shifts each column by `factor` times its distance from the left edge."""
    return _affine(video, interpolation, 1.0, 0.0, 0.0, factor, 1.0, 0.0)


def translate_x(video: tf.Tensor, share: tf.Tensor, interpolation: str = "BILINEAR") -> tf.Tensor:
    """Shifts by `share` of the width; above 0 to the left."""
    return _affine(video, interpolation, 1.0, 0.0, share * float(clip_size(video)[2]), 0.0, 1.0, 0.0)


def translate_y(video: tf.Tensor, share: tf.Tensor, interpolation: str = "BILINEAR") -> tf.Tensor:
    """Shifts by `share` of the height; above 0 upwards."""
    return _affine(video, interpolation, 1.0, 0.0, 0.0, 0.0, 1.0, share * float(clip_size(video)[1]))


def rotate(video: tf.Tensor, degrees: tf.Tensor, interpolation: str = "BILINEAR") -> tf.Tensor:
    """Turns about the middle, counter-clockwise for `degrees` above 0."""
    angle = -degrees * (math.pi / 180.0)
    cos, sin = tf.cos(angle), tf.sin(angle)
    _, height, width = clip_size(video)
    x, y = width / 2.0, height / 2.0
    return _affine(video, interpolation, cos, sin, x - cos * x - sin * y, -sin, cos, y + sin * x - cos * y)


def _affine(video: tf.Tensor, interpolation: str, *coefficients: tf.Tensor | float) -> tf.Tensor:
    """Returns the clip seen through output -> input coefficients (a b c, d e f), given for pixel corners."""
    a, b, c, d, e, f = (tf.convert_to_tensor(value, tf.float32) for value in coefficients)
    # The op counts from pixel centres.
    c, f = c + (a + b - 1.0) / 2.0, f + (d + e - 1.0) / 2.0
    zero = tf.zeros([])
    moved = tf.raw_ops.ImageProjectiveTransformV3(
        images=video,
        transforms=tf.stack([a, b, c, d, e, f, zero, zero])[None],
        output_shape=tf.constant(clip_size(video)[1:], tf.int32),
        fill_value=FILL,
        interpolation=interpolation,
        fill_mode="CONSTANT",
    )
    return tf.ensure_shape(moved, video.shape)


def _luma(video: tf.Tensor) -> tf.Tensor:
    """Returns int32 [T, H, W, 1]: brightness by ITU-R 601 weights in 16-bit fixed point, as Pillow's mode L."""
    red, green, blue = tf.split(tf.cast(video, tf.int32), 3, axis=-1)
    return tf.bitwise.right_shift(red * 19595 + green * 38470 + blue * 7471 + 0x8000, 16)


def _blend(base: tf.Tensor, video: tf.Tensor, factor: tf.Tensor) -> tf.Tensor:
    pixels = tf.cast(video, tf.float32)
    return tf.cast(tf.clip_by_value(base + factor * (pixels - base), 0.0, 255.0), tf.uint8)


def _look_up(table: tf.Tensor, video: tf.Tensor) -> tf.Tensor:
    """Returns `table` (int32 [T, 1, 3, 256]) read at each value, channel by channel."""
    frames, height, width = clip_size(video)
    flat = tf.reshape(tf.cast(table, tf.uint8), [-1])
    first = tf.reshape(tf.range(frames * 3) * 256, [frames, 1, 3])
    index = tf.cast(tf.reshape(video, [frames, height * width, 3]), tf.int32) + first
    return tf.reshape(tf.gather(flat, index), video.shape)
