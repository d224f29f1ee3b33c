"""What the timestamps of stored frames say about steps of a wished rate; float32 [T], seconds, increasing."""

from __future__ import annotations

from kinetics_tfds.loader import array_ops as tf


def steps_between(timestamps: tf.Tensor, fps: float) -> tf.Tensor:
    """Returns int32: how many steps of 1 / fps seconds fit from the first to the last timestamp, both counted."""
    # A thousandth of a step forgives float32 timestamps: 300 frames at 30 a second are 300 steps, not 299.
    return tf.cast((timestamps[-1] - timestamps[0]) * fps + 1.001, tf.int32)


def stored_fps(num_frames: tf.Tensor, timestamps: tf.Tensor) -> tf.Tensor:
    """Returns float64: stored frames a second, to a thousandth, which is as much as float32 timestamps tell."""
    seconds = tf.cast(timestamps[-1] - timestamps[0], tf.float64)
    gaps = tf.cast(num_frames - 1, tf.float64)
    return tf.maximum(tf.round(gaps / tf.maximum(seconds, 1e-3) * 1000.0), 1.0) / 1000.0


def nearest_frames(timestamps: tf.Tensor, times: tf.Tensor) -> tf.Tensor:
    """Returns int32, in the shape of `times`: the index of the nearest timestamp, the earlier one of two as near."""
    middles = (timestamps[1:] + timestamps[:-1]) / 2
    index = tf.searchsorted(middles, tf.reshape(times, [-1]), side="left", out_type=tf.int32)
    return tf.reshape(index, tf.shape(times))
