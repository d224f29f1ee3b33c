"""Normalising on the accelerator: batches travel as uint8, and become floats where arithmetic is cheap."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from kinetics_tfds.loader import array_ops as tf
from kinetics_tfds.loader.checks import unknown

Colour = float | tuple[float, float, float]

# Name -> mean and std on the scale of [0, 1].
NORMALISATIONS: dict[str, tuple[Colour, Colour]] = {
    "zero_to_one": (0.0, 1.0),
    "minus_one_to_one": (0.5, 0.5),
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "slowfast": (0.45, 0.225),
    # Of torchvision's video models (transforms/_presets.py and references/video_classification).
    "torchvision_video": ((0.43216, 0.394666, 0.37645), (0.22803, 0.22145, 0.216989)),
}


def mean_and_std(by: Any) -> tuple[np.ndarray, np.ndarray]:
    """Returns mean and std, float32 scalars or [3].

    Args:
        by: a name of `NORMALISATIONS`, a pair (mean, std), or something with `mean` and `std`, such as a Recipe.

    Raises:
        ConfigError: there is no normalisation of that name.
    """
    if isinstance(by, str):
        if by not in NORMALISATIONS:
            raise unknown("normalisation", by, NORMALISATIONS)
        by = NORMALISATIONS[by]
    mean, std = by if isinstance(by, tuple) else (by.mean, by.std)
    return np.asarray(mean, np.float32), np.asarray(std, np.float32)


def normalise(video: Any, by: Any = "zero_to_one", dtype: str = "float32", channels: int = -1) -> Any:
    """Returns `(video / 255 - mean) / std`, in the same library's arrays; inside a jitted step or out of it.

    Args:
        video: uint8, or floats from 0 to 255, [..., 3]; a tensor of TensorFlow or PyTorch, an array of JAX or of NumPy.
        by: a name of `NORMALISATIONS`, a pair (mean, std) on the scale of [0, 1], or a Recipe.
        dtype: `float32`, `bfloat16` or `float16`. The arithmetic is done in float32.
        channels: the axis of the three channels: 1 for NCTHW.

    Raises:
        ConfigError: there is no normalisation of that name.
    """
    mean, std = mean_and_std(by)
    # One multiplication and one addition a value.
    scale, offset = 1 / (255 * std), -mean / std
    if channels != -1 and scale.ndim:
        shape = [3 if axis == channels % len(video.shape) else 1 for axis in range(len(video.shape))]
        scale, offset = scale.reshape(shape), offset.reshape(shape)
    if tf.is_tensor(video):
        return tf.cast(tf.cast(video, tf.float32) * scale + offset, dtype)
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(video, torch.Tensor):
        scale, offset = (torch.from_numpy(np.asarray(value)).to(video.device) for value in (scale, offset))
        return (video.float() * scale + offset).to(getattr(torch, dtype))
    jax = sys.modules.get("jax")
    if jax is not None and isinstance(video, jax.Array):
        return (video.astype("float32") * scale + offset).astype(dtype)
    return (np.asarray(video).astype(np.float32) * scale + offset).astype(tf.as_dtype(dtype).as_numpy_dtype)
