"""Batch: rows of examples in training, padded rows of videos in evaluation, static shapes in both."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from kinetics_tfds.annotations.clip import UNLABELLED
from kinetics_tfds.loader.frames.pixels import normalise
from kinetics_tfds.loader.frames.sampler import Element
from kinetics_tfds.loader.inputs import PipelineInputs
from kinetics_tfds.loader.randomness import batch_seed

# Batches that are mixed and normalised at the same time; a batch is large, and decoding takes far more work.
_AT_ONCE = 2
# What a view has once, however many crops of it there are.
_OF_VIEWS = ("audio", "frame_index", "frame_time")


def batch_rows(inputs: PipelineInputs, clips: tf.data.Dataset, count: int | None) -> tf.data.Dataset:
    """Returns training batches of `video`, `label`, `id`, `mask` and what else the elements hold.

    Rows are views, and what does not fill a batch is dropped.

    Args:
        inputs: of the pipeline.
        clips: one video per element.
        count: how many batches; None: as many as there are.
    """
    batches = clips.batch(inputs.videos_per_batch, drop_remainder=True)
    batches = batches.map(lambda batch: _rows(inputs, batch), num_parallel_calls=_AT_ONCE, deterministic=True)
    # Where clips may be left out, only counting keeps hosts in step. Elsewhere the order's end does, and a count in the
    # iterator's state would be wrong for another number of hosts.
    return _exactly(batches, count) if count is not None and inputs.config.on_damage == "skip" else batches


def batch_videos(inputs: PipelineInputs, clips: tf.data.Dataset, count: int | None) -> tf.data.Dataset:
    """Returns evaluation batches of `video`, `label`, `id`, `mask` and what else the elements hold.

    Rows are videos with all their views, and the last batch is padded.

    Args:
        inputs: of the pipeline.
        clips: one video per element.
        count: how many batches; if there are fewer, empty ones follow; None: as many as there are.
    """
    batches = clips.batch(inputs.config.batch_size).map(lambda batch: _padded(inputs, batch))
    # Hosts whose part is smaller go on with empty batches, so that all do the same number of steps.
    return batches if count is None else _exactly(batches.concatenate(_empty(batches.element_spec).repeat()), count)


def _exactly(batches: tf.data.Dataset, count: int) -> tf.data.Dataset:
    return batches.take(count).apply(tf.data.experimental.assert_cardinality(count))


def _rows(inputs: PipelineInputs, batch: Element) -> Element:
    """Each view becomes a row of its own."""
    size, recipe = inputs.config.batch_size, inputs.recipe
    rows: Element = {}
    for key, value in _each_crop(inputs, batch).items():
        if key in ("video", "boxes", "flip", *_OF_VIEWS):
            value = tf.reshape(value, [size, *value.shape[2:]])
        elif inputs.views > 1:
            value = tf.repeat(value, inputs.views, axis=0)
        rows[key] = tf.ensure_shape(value, [size, *value.shape[1:]])
    if "boxes" in rows:
        rows["boxes"] = tf.reshape(rows["boxes"], [size, 4])
    rows["mask"] = tf.ones([size], tf.bool)
    if recipe.mix is not None:
        rows = recipe.mix(rows, batch_seed(rows["seed"]), len(inputs.source.class_names))
    return _finished(inputs, rows)


def _padded(inputs: PipelineInputs, batch: Element) -> Element:
    size = inputs.config.batch_size
    count = tf.shape(batch["label"])[0]
    batch = {"mask": tf.fill([count], True), **_each_crop(inputs, batch)}
    missing = size - count

    def pad(key: str, value: tf.Tensor) -> tf.Tensor:
        shape = tf.concat([[missing], tf.shape(value)[1:]], 0)
        filler = tf.cast(UNLABELLED, value.dtype) if key == "label" else tf.zeros([], value.dtype)
        return tf.concat([value, tf.fill(shape, filler)], 0)

    def each(change: Callable[[str, tf.Tensor], tf.Tensor]) -> Element:
        return {key: change(key, value) for key, value in batch.items()}

    full = tf.cond(missing > 0, lambda: each(pad), lambda: each(lambda _, value: tf.identity(value)))
    shaped = {key: tf.ensure_shape(value, [size, *batch[key].shape[1:]]) for key, value in full.items()}
    return _finished(inputs, shaped)


def _each_crop(inputs: PipelineInputs, batch: Element) -> Element:
    """Crops of one view have that view's audio and frame times, each beside its own video."""
    of_views = {key: tf.repeat(batch[key], inputs.recipe.spatial.crops, axis=1) for key in _OF_VIEWS if key in batch}
    return {**batch, **of_views}


def _finished(inputs: PipelineInputs, batch: Element) -> Element:
    if inputs.config.dtype != "uint8":
        batch = {**batch, "video": normalise(batch["video"], inputs.recipe, inputs.config.dtype)}
    first = ("video", "label", "id", "mask")
    rest = [key for key in batch if key not in (*first, "seed")]
    return {key: batch[key] for key in (*first, *rest)}


def _empty(spec: Any) -> tf.data.Dataset:
    """Returns one batch of padding alone."""

    def zeros(_: tf.Tensor) -> Element:
        batch = {key: tf.zeros(value.shape, value.dtype) for key, value in spec.items()}
        batch["label"] = tf.fill(spec["label"].shape, tf.cast(UNLABELLED, spec["label"].dtype))
        return batch

    return tf.data.Dataset.range(1).map(zeros)
