"""`resize="device"`: what is left to do on the accelerator, for JAX; see `device.py`."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from kinetics_tfds.loader.devices.device import finish_with


def finish(batch: dict[str, Any], size: tuple[int, int], by: Any = "zero_to_one", dtype: str = "float32") -> dict:
    """Returns a batch as the host would have made it: cropped, resized, flipped and normalised.

    Call it first thing in the jitted training step. A batch that is sharded along its first axis stays so.

    Args:
        batch: `video`, `boxes` and `flip` with the shapes that `device.finish` names.
        size: height and width of the output in pixels: `recipe.spatial.output_size`. Static under `jax.jit`.
        by: see `normalise`.
        dtype: see `normalise`.

    Returns:
        The batch with `video` [B, T, h, w, 3] or [B, V * C, T, h, w, 3] of `dtype`, without `boxes` and `flip`.

    Raises:
        LoaderError: the batch is not one of `resize="device"`.
    """
    return finish_with(crop_and_resize, batch, size, by, dtype)


def crop_and_resize(video: jax.Array, boxes: jax.Array, flip: jax.Array, size: tuple[int, int]) -> jax.Array:
    """Returns the boxes of the canvases in the output's size, float32 from 0 to 255; shapes as in `finish`."""
    *lead, frames, height, width, _ = video.shape
    # Axes are only ever added beside the first one, over which batches are sharded.
    boxes = jnp.expand_dims(boxes, -2) if boxes.ndim == len(lead) + 1 else boxes
    top, left, high, wide = jnp.moveaxis(boxes.astype(jnp.float32), -1, 0)
    flip = jnp.expand_dims(flip, (-2, -1))
    rows = _weights(top, high, size[0], height, jnp.zeros_like(flip))
    columns = _weights(left, wide, size[1], width, flip)
    # Without this a TPU multiplies in bfloat16, whose eight bits leave errors of half a level.
    exact = jax.lax.Precision.HIGHEST
    pixels = jnp.einsum("...tyxk,...chy->...cthxk", video.astype(jnp.float32), rows, precision=exact)
    pixels = jnp.einsum("...cthxk,...cwx->...cthwk", pixels, columns, precision=exact)
    views = [-1] if len(lead) > 1 else []
    return pixels.reshape(lead[0], *views, frames, *size, 3)


def _weights(start: jax.Array, length: jax.Array, size: int, canvas: int, flip: jax.Array) -> jax.Array:
    """Returns float32 [..., C, size, canvas]: how much each canvas pixel gives to each output pixel (bilinear)."""
    start, length = jnp.expand_dims(start, -1), jnp.expand_dims(length, -1)
    place = (jnp.arange(size, dtype=jnp.float32) + 0.5) * (length / size) - 0.5
    place = start + jnp.clip(place, 0.0, length - 1.0)
    place = jnp.where(flip, jnp.flip(place, -1), place)
    distance = jnp.abs(jnp.expand_dims(place, -1) - jnp.arange(canvas, dtype=jnp.float32))
    return jnp.maximum(1.0 - distance, 0.0)
