"""`on_damage="skip"`: clips that cannot be read or decoded become marked placeholders, which are named and counted.

Nothing else ever takes their place.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from kinetics_tfds.annotations.clip import UNLABELLED
from kinetics_tfds.loader.attempts import one_of
from kinetics_tfds.loader.frames.sampler import Element
from kinetics_tfds.loader.records.reading import Address


def intact_or_placeholder(
    dataset: tf.data.Dataset, step: Callable[[Any], Element], address: Address, *, intact: tf.Tensor | bool = True
) -> Element:
    """Returns `step` of the dataset's one element with `intact` True, or a placeholder with `intact` False.

    Args:
        dataset: of one element, or of none, which is damage too.
        step: from the element to the next one; may raise, as an op does, while iterating.
        address: names the clip from here on, in `address`.
        intact: False: the element is a placeholder already.
    """
    if intact is not True:
        dataset = dataset.filter(lambda _: intact)
    good = dataset.map(lambda item: {**step(item), "intact": True, "address": address})
    spec: Any = good.element_spec
    blank = tf.data.Dataset.from_tensors(0).map(lambda _: {**_blank(spec), "intact": False, "address": address})
    found: Any = one_of(good.ignore_errors(log_warning=False), blank)
    return tf.nest.map_structure(lambda value, given: tf.ensure_shape(value, given.shape), found, spec)


def count_damaged(dataset: tf.data.Dataset, *, drop: bool) -> tf.data.Dataset:
    """Returns the elements with `skipped` int32: how many clips up to here, this one included, are damaged.

    Each one is named in a line on standard error.

    Args:
        dataset: of what `intact_or_placeholder` returns.
        drop: leave placeholders out; otherwise they stay as padding, with `mask` False.
    """

    def count(skipped: tf.Tensor, element: Element) -> tuple[tf.Tensor, Element]:
        intact = element["intact"]
        skipped += tf.cast(tf.logical_not(intact), tf.int32)
        with tf.control_dependencies([tf.cond(intact, tf.no_op, lambda: _name(element["address"], skipped))]):
            rest = {key: value for key, value in element.items() if key not in ("intact", "address")}
            return skipped, {**rest, "mask": tf.identity(intact), "skipped": skipped}

    counted = dataset.scan(tf.constant(0), count)
    return counted.filter(lambda element: element["mask"]) if drop else counted


def _name(address: Address, skipped: tf.Tensor) -> tf.Operation:
    where = ("shard", address.path, "record", address.number, "id", address.id)
    return tf.print("Skipped damaged clip", skipped, ":", *where, output_stream=sys.stderr)


def _blank(spec: Element) -> Element:
    """Returns zeros, empty along open axes, and no label."""

    def zeros(value: tf.TensorSpec) -> tf.Tensor:
        return tf.zeros([side or 0 for side in value.shape], value.dtype)

    blank = {key: zeros(value) for key, value in spec.items() if key not in ("intact", "address")}
    return {**blank, "label": tf.constant(UNLABELLED)}
