"""TensorFlow's operations on images, for arrays: with OpenCV where it has the like.

A batch of frames goes through frame by frame. Results differ from TensorFlow's by a level or two, since OpenCV
interpolates in steps of a 32nd of a pixel and rounds otherwise.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from kinetics_tfds.loader import stateless_random

# ITU-R 601, as `tf.image.rgb_to_grayscale` weighs them.
_LUMA = np.array([0.2989, 0.5870, 0.1140], np.float32)


def projective_transform(images: Any, transforms: Any, output_shape: Any, fill_value: Any, **unused: Any) -> np.ndarray:
    """Returns images [N, H, W, 3] seen through an affine map [1, 8] from output to input: bilinear, constant outside.

    As `tf.raw_ops.ImageProjectiveTransformV3`.
    """
    del unused
    matrix = np.asarray(transforms, np.float64)[0, :6].reshape(2, 3)
    height, width = np.asarray(output_shape).tolist()
    flags, border = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, (float(fill_value),) * 3
    moved = [
        cv2.warpAffine(image, matrix, (width, height), flags=flags, borderMode=cv2.BORDER_CONSTANT, borderValue=border)
        for image in images
    ]
    return np.stack(moved)


def rgb_to_grayscale(images: Any) -> np.ndarray:
    """Returns uint8 [..., 1]; as `tf.image.rgb_to_grayscale` of uint8."""
    grey = (images.astype(np.float32) / np.float32(255)) @ _LUMA
    # TensorFlow scales by a little more than 255 and cuts.
    return (grey[..., None] * np.float32(255.5)).astype(np.uint8)


def random_brightness(images: Any, max_delta: float, seed: Any) -> np.ndarray:
    """As `tf.image.stateless_random_brightness` of floats."""
    return images + _between(-max_delta, max_delta, seed)


def random_contrast(images: Any, lower: float, upper: float, seed: Any) -> np.ndarray:
    """As `tf.image.stateless_random_contrast` of floats: each frame about its own mean."""
    mean = images.mean(axis=(-3, -2), keepdims=True, dtype=np.float32)
    return (images - mean) * _between(lower, upper, seed) + mean


def random_saturation(images: Any, lower: float, upper: float, seed: Any) -> np.ndarray:
    """As `tf.image.stateless_random_saturation` of floats."""
    factor = _between(lower, upper, seed)
    return _in_hsv(images, lambda hsv: np.clip(hsv * np.array([1, factor, 1], np.float32), 0, [360, 1, np.inf]))


def random_hue(images: Any, max_delta: float, seed: Any) -> np.ndarray:
    """As `tf.image.stateless_random_hue` of floats: a turn of all hues, 1 being the full circle."""
    turn = _between(-max_delta, max_delta, seed) * 360
    return _in_hsv(images, lambda hsv: np.concatenate([(hsv[..., :1] + turn) % 360, hsv[..., 1:]], -1))


def _between(low: float, high: float, seed: Any) -> np.float32:
    return stateless_random.uniform([1], seed)[0] * np.float32(high - low) + np.float32(low)


def _in_hsv(images: np.ndarray, change: Any) -> np.ndarray:
    def one(image: np.ndarray) -> np.ndarray:
        hsv = change(cv2.cvtColor(image, cv2.COLOR_RGB2HSV))
        return cv2.cvtColor(np.ascontiguousarray(hsv, np.float32), cv2.COLOR_HSV2RGB)

    return np.stack([one(image) for image in images])
