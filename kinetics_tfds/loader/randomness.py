"""Seeds: every random choice is a function of (seed, epoch, example key), never of timing or order."""

from __future__ import annotations

from typing import Any

from kinetics_tfds.loader import array_ops as tf

# Stand where an example's key would, for the choices that are about a whole epoch.
_ORDER, _OFFSET = 1, 2
# Is added to an example's key, for the choice that is about its whole batch.
_BATCH = 2**62
# How `stateless_uniform` is told to draw from all integers.
_ANY_INTEGER: Any = {"minval": None, "maxval": None}


def example_seed(seed: int, epoch: tf.Tensor, key: tf.Tensor, repeat: Any = 0) -> tf.Tensor:
    """Returns int64 [2] for one example in one epoch.

    Args:
        seed: the loader's seed, 0 to 2**31 - 1.
        epoch: int64 scalar, 0 to 2**31 - 1.
        key: string scalar, the example's id.
        repeat: int64 scalar, how often the example came before in this epoch: where clips have weights.
    """
    return tf.stack([tf.strings.to_hash_bucket_fast(key, 2**62) + repeat, epoch * 2**31 + seed])


def shuffled(place: tf.Tensor, records: int, seed: int, epoch: tf.Tensor) -> tf.Tensor:
    """Returns which record comes at a place of an epoch's order: a permutation that nobody has to hold in memory.

    Args:
        place: int64 scalar, 0 to records - 1.
        records: how many there are.
        seed: the loader's seed.
        epoch: int64 scalar.

    Returns:
        int64 scalar, 0 to records - 1.
    """
    draws = stage_seeds(tf.stack([tf.constant(_ORDER, tf.int64), epoch * 2**31 + seed]), 1)[0]
    return tf.random.experimental.index_shuffle(place, draws, tf.constant(records - 1, tf.int64))


def epoch_offset(seed: int, epoch: tf.Tensor) -> tf.Tensor:
    """Returns float32 from 0 to 1: where an epoch's slots begin (`weighting.weighted_row`)."""
    draws = stage_seeds(tf.stack([tf.constant(_OFFSET, tf.int64), epoch * 2**31 + seed]), 1)[0]
    return tf.random.stateless_uniform([1], draws)[0]


def batch_seed(seeds: tf.Tensor) -> tf.Tensor:
    """Returns int32 [2] for a choice about a batch: a function of its first example's seed, of int64 [B, 2]."""
    return stage_seeds(seeds[0] + tf.constant([_BATCH, 0], tf.int64), 1)[0]


def stage_seeds(seed: tf.Tensor, count: int) -> list[tf.Tensor]:
    """Returns `count` seeds, int32 [2] each, for the stages that an example goes through."""
    return tf.unstack(tf.random.stateless_uniform([count, 2], seed, dtype=tf.int32, alg="philox", **_ANY_INTEGER))
