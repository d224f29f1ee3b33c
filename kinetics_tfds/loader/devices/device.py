"""`resize="device"`: what is left to do on the accelerator, for TensorFlow.

The host only decodes: each clip's crop windows lie somewhere on a canvas of one size, and their boxes travel along.
Cropping, resizing, flipping and normalising are matrix products, which accelerators are made for; `jax_device.py` has
the same for JAX. The result is that of the host within rounding: the host rounds to whole levels, this does not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from kinetics_tfds.errors import LoaderError
from kinetics_tfds.loader.checks import clip_size
from kinetics_tfds.loader.frames.pixels import normalise


def finish(
    batch: dict[str, tf.Tensor], size: tuple[int, int], by: Any = "zero_to_one", dtype: str = "float32"
) -> dict[str, tf.Tensor]:
    """Returns a batch as the host would have made it: cropped, resized, flipped and normalised.

    Call it first thing in the training step, inside its `tf.function`; it compiles with `jit_compile=True`.

    Args:
        batch: of `make_dataset(resize="device")`: `video` uint8 [B, T, H, W, 3] or [B, V, T, H, W, 3], the canvases;
            `boxes` int32 [B, 4] or [B, V, C, 4]: top, left, height, width in pixels of the canvas; `flip` bool [B] or
            [B, V].
        size: height and width of the output in pixels: `recipe.spatial.output_size`.
        by: see `normalise`.
        dtype: see `normalise`.

    Returns:
        The batch with `video` [B, T, h, w, 3] or [B, V * C, T, h, w, 3] of `dtype`, without `boxes` and `flip`.

    Raises:
        LoaderError: the batch is not one of `resize="device"`.
    """
    return finish_with(crop_and_resize, batch, size, by, dtype)


def finish_with(crop_and_resize: Callable[..., Any], batch: Any, size: tuple[int, int], by: Any, dtype: str) -> dict:
    """Returns what `finish` does, by one library's way to crop and resize."""
    _require_boxes(batch)
    video = crop_and_resize(batch["video"], batch["boxes"], batch["flip"], size)
    rest = {key: value for key, value in batch.items() if key not in ("boxes", "flip")}
    return {**rest, "video": normalise(video, by, dtype)}


def crop_and_resize(video: tf.Tensor, boxes: tf.Tensor, flip: tf.Tensor, size: tuple[int, int]) -> tf.Tensor:
    """Returns the boxes of the canvases in the output's size, float32 from 0 to 255; shapes as in `finish`."""
    frames, height, width = clip_size(video)
    lead = len(video.shape) - 4
    crops = boxes.shape.as_list()[-2] if len(boxes.shape) > lead + 1 else 1
    top, left, high, wide = tf.unstack(tf.cast(tf.reshape(boxes, [-1, crops, 4]), tf.float32), axis=-1)
    flip = tf.reshape(flip, [-1, 1, 1])
    rows = _weights(top, high, size[0], height, tf.zeros_like(flip))
    columns = _weights(left, wide, size[1], width, flip)
    flat = tf.cast(tf.reshape(video, [-1, frames, height, width, 3]), tf.float32)
    # Rows before columns: the taller axis shrinks first, and the second product is the smaller one.
    flat = tf.einsum("ntyxk,nchy->ncthxk", flat, rows)
    flat = tf.einsum("ncthxk,ncwx->ncthwk", flat, columns)
    batch = tf.shape(video)[0]
    return tf.reshape(flat, [batch, -1, frames, *size, 3] if lead > 1 else [batch, frames, *size, 3])


def _require_boxes(batch: Any) -> None:
    """Raises LoaderError unless `batch` is one that is to be finished on the device."""
    missing = [key for key in ("video", "boxes", "flip") if key not in batch]
    if missing:
        raise LoaderError(
            f"A batch with the keys {', '.join(batch)} is not one to finish on the device: {missing[0]!r} is missing.",
            'Make the dataset with resize="device", or leave `finish` out: the host has resized it already.',
        )


def _weights(start: tf.Tensor, length: tf.Tensor, size: int, canvas: int, flip: tf.Tensor) -> tf.Tensor:
    """Returns float32 [N, C, size, canvas]: how much each canvas pixel gives to each output pixel (bilinear).

    Pixel centres are half a pixel in, as in `tf.image.resize`, and nothing outside the box is looked at.
    """
    start, length = tf.expand_dims(start, -1), tf.expand_dims(length, -1)
    place = (tf.range(size, dtype=tf.float32) + 0.5) * (length / float(size)) - 0.5
    place = start + tf.clip_by_value(place, 0.0, length - 1.0)
    place = tf.where(flip, tf.reverse(place, [-1]), place)
    distance = tf.abs(tf.expand_dims(place, -1) - tf.range(canvas, dtype=tf.float32))
    return tf.maximum(1.0 - distance, 0.0)
