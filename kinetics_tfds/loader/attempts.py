"""Attempts: ops that fail, as values to go on with.

A dataset inside the function of another one's `map` is what TensorFlow offers in place of `try`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf


def one_of(dataset: tf.data.Dataset, otherwise: tf.data.Dataset) -> Any:
    """Returns the element of `dataset`, or that of `otherwise` where `dataset` is empty."""
    return dataset.concatenate(otherwise).take(1).get_single_element()


def successes(function: Callable[[tf.Tensor], tf.Tensor], items: tf.Tensor, result: tf.TensorSpec) -> tf.Tensor:
    """Returns the results of `function` in the order of `items`, without those of the items for which it fails.

    Nearly as fast as `tf.map_fn`, which ends with the first failure's words.

    Args:
        function: from an item to a tensor like `result`.
        items: [N, ...].
        result: with a static shape.

    Returns:
        [M, *result.shape], M at most N.
    """
    results = tf.data.Dataset.from_tensor_slices(items).map(function).ignore_errors(log_warning=False)
    none = tf.data.Dataset.from_tensors(tf.zeros([0, *result.shape], result.dtype))
    found = one_of(results.batch(tf.size(items, tf.int64)), none)
    return tf.ensure_shape(found, [None, *result.shape])
