"""`resize="device"`: what is left to do on the accelerator, for JAX; see `device.py`."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from kinetics_tfds.loader.device import require_boxes
from kinetics_tfds.loader.pixels import normalise


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
    require_boxes(batch)
    video = crop_and_resize(batch["video"], batch["boxes"], batch["flip"], size)
    rest = {key: value for key, value in batch.items() if key not in ("boxes", "flip")}
    return {**rest, "video": normalise(video, by, dtype)}


def crop_and_resize(video: jax.Array, boxes: jax.Array, flip: jax.Array, size: tuple[int, int]) -> jax.Array:
    """Returns the boxes of the canvases in the output's size, float32 from 0 to 255; shapes as in `finish`."""
    *lead, frames, height, width, _ = video.shape
    crops = boxes.shape[-2] if boxes.ndim > len(lead) + 1 else 1
    boxes = boxes.reshape(-1, crops, 4).astype(jnp.float32)
    flip = flip.reshape(-1, 1)
    rows = _weights(boxes[..., 0], boxes[..., 2], size[0], height, jnp.zeros_like(flip))
    columns = _weights(boxes[..., 1], boxes[..., 3], size[1], width, flip)
    flat = video.reshape(-1, frames, height, width, 3).astype(jnp.float32)
    # Without this a TPU multiplies in bfloat16, whose eight bits leave errors of half a level.
    exact = jax.lax.Precision.HIGHEST
    flat = jnp.einsum("ntyxk,nchy->ncthxk", flat, rows, precision=exact)
    flat = jnp.einsum("ncthxk,ncwx->ncthwk", flat, columns, precision=exact)
    views = [lead[1] * crops] if len(lead) > 1 else []
    return flat.reshape(-1, *views, frames, *size, 3)


def _weights(start: jax.Array, length: jax.Array, size: int, canvas: int, flip: jax.Array) -> jax.Array:
    """Returns float32 [N, C, size, canvas]: how much each canvas pixel gives to each output pixel (bilinear)."""
    place = (jnp.arange(size, dtype=jnp.float32) + 0.5) * (length / size)[..., None] - 0.5
    place = start[..., None] + jnp.clip(place, 0.0, length[..., None] - 1.0)
    place = jnp.where(flip[..., None], place[..., ::-1], place)
    return jnp.maximum(1.0 - jnp.abs(place[..., None] - jnp.arange(canvas, dtype=jnp.float32)), 0.0)
