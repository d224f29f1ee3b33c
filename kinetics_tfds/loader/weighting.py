"""Some clips more often than others: weights by class, and a few clips per class. Functions of (seed, epoch) alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from kinetics_tfds.errors import ConfigError
from kinetics_tfds.loader import array_ops as tf
from kinetics_tfds.loader.records.index import Index
from kinetics_tfds.loader.records.source import Source, class_indices

BALANCED = "class_balanced"


class Weights(NamedTuple):
    """How often clips come.

    Attributes:
        rows: int64 [N], the clips by class: a class's slots lie side by side, so that rounding is of classes too.
        sums: float64 [N], their shares of an epoch, each with all before it; the last one is 1.
    """

    rows: np.ndarray
    sums: np.ndarray


def weigh_clips(index: Index, source: Source, weights: str | Mapping[str | int, float]) -> Weights:
    """Returns how often each clip comes.

    Args:
        index: the clips.
        source: their dataset.
        weights: `class_balanced`: all classes alike, each one's clips alike; or class -> how often its clips come in
            comparison with those of classes that are not named, which have 1.

    Raises:
        ConfigError: a class is unknown, or a weight is negative, or nothing is left.
    """
    if isinstance(weights, str):
        if weights != BALANCED:
            raise ConfigError(f"weights is {weights!r}.", f"Give {BALANCED!r}, or a weight for each class.")
        # Unlabelled clips are a class of their own.
        _, which, counts = np.unique(index.label, return_inverse=True, return_counts=True)
        shares = 1.0 / counts[which]
    else:
        shares = np.ones(len(index))
        for name, weight in weights.items():
            if not 0 <= weight < float("inf"):
                raise ConfigError(f"The weight of {name!r} is {weight}.", "Give a number of 0 or more.")
            shares[np.isin(index.label, class_indices(source, [name]))] = weight
    if not shares.sum() > 0:
        raise ConfigError("weights leaves no clip.", "Give at least one class that has clips a weight above 0.")
    rows = np.argsort(index.label, kind="stable")
    sums = np.cumsum(shares[rows] / shares.sum())
    return Weights(rows.astype(np.int64), sums / sums[-1])


def weighted_row(slot: Any, weights: Weights, offset: Any) -> tuple[Any, Any]:
    """Returns (row, repeat), int64 scalars: what comes in one of an epoch's slots, and how often it came before.

    An epoch has as many slots as clips. They are spread evenly over the shares, so a clip comes as often as its share
    says, rounded down or up: an epoch of balanced classes holds each class within one clip as often as any other.

    Args:
        slot: int64 scalar, 0 to N - 1.
        weights: of the N clips.
        offset: float32 scalar from 0 to 1, drawn anew in each epoch.
    """
    offset, records = tf.cast(offset, tf.float64), len(weights.rows)
    sums = tf.constant(weights.sums)
    share = (tf.cast(slot, tf.float64) + offset) / records
    place = tf.cast(tf.searchsorted(sums, tf.reshape(share, [1]), side="right"), tf.int64)[0]
    below = tf.where(place > 0, tf.gather(sums, tf.maximum(place - 1, 0)), tf.zeros_like(share))
    first = tf.cast(tf.math.ceil(below * records - offset), tf.int64)
    return tf.gather(tf.constant(weights.rows), place), slot - tf.maximum(first, 0)


def few_clips(index: Index, count: int, seed: int) -> Index:
    """Returns `count` clips of each class, or all where it has fewer; which ones is a function of the seed and the ids.

    They are the same in every epoch: the few that a few-shot model ever sees. Unlabelled clips are left out.
    """
    order = np.random.Generator(np.random.Philox(key=seed)).permutation(len(index))
    # A stable sort by class keeps the drawn order within each one.
    order = order[np.argsort(index.label[order], kind="stable")]
    labels = index.label[order]
    place = np.arange(len(order)) - np.searchsorted(labels, labels)
    return index.rows(np.sort(order[(place < count) & (labels >= 0)]))
