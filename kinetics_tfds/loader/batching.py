"""Batch: rows of examples in training, padded rows of videos in evaluation, static shapes in both."""

from __future__ import annotations

import dataclasses
from typing import Any

import tensorflow as tf

from kinetics_tfds.annotations.clip import UNLABELLED
from kinetics_tfds.loader.frames.choosing import Element
from kinetics_tfds.loader.frames.pixels import normalise
from kinetics_tfds.loader.randomness import batch_seed
from kinetics_tfds.loader.recipe import Recipe


@dataclasses.dataclass(frozen=True)
class Batching:
    """How clips become batches.

    Attributes:
        recipe: for mixing and normalising.
        size: rows in a batch, B.
        training: rows are views, and what does not fill a batch is dropped; otherwise rows are videos with all their
            views, and the last batch is padded.
        views: views times crops of one video.
        batches: batches to give: fewer are filled up with empty ones in evaluation; None: as many as there are.
        dtype: of the pixels: `uint8`, or a float, normalised as the recipe says.
        num_classes: the width of soft labels.
    """

    recipe: Recipe
    size: int
    training: bool
    views: int
    batches: int | None
    dtype: str
    num_classes: int

    def batch(self, dataset: tf.data.Dataset) -> tf.data.Dataset:
        """Returns batches of `video`, `label`, `id`, `mask` and what else the elements hold."""
        if self.training:
            dataset = dataset.batch(self.size // self.views, drop_remainder=True).map(
                self._rows, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True
            )
        else:
            dataset = dataset.batch(self.size).map(self._padded)
        if self.batches is not None and not self.training:
            # Hosts whose part is smaller go on with empty batches, so that all do the same number of steps.
            dataset = dataset.concatenate(_empty(dataset.element_spec).repeat())
        if self.batches is not None:
            dataset = dataset.take(self.batches)
            dataset = dataset.apply(tf.data.experimental.assert_cardinality(self.batches))
        return dataset

    def _rows(self, batch: Element) -> Element:
        """Each view becomes a row of its own."""
        batch = self._with_audio(batch)
        per_view = ("video", "audio", "boxes", "flip")
        rows: Element = {}
        for key, value in batch.items():
            if key in per_view:
                value = tf.reshape(value, [self.size, *value.shape[2:]])
            elif self.views > 1:
                value = tf.repeat(value, self.views, axis=0)
            rows[key] = tf.ensure_shape(value, [self.size, *value.shape[1:]])
        if "boxes" in rows:
            rows["boxes"] = tf.reshape(rows["boxes"], [self.size, 4])
        rows["mask"] = tf.ones([self.size], tf.bool)
        if self.recipe.mix is not None:
            rows = self.recipe.mix(rows, batch_seed(rows["seed"]), self.num_classes)
        return self._finished(rows)

    def _padded(self, batch: Element) -> Element:
        count = tf.shape(batch["label"])[0]
        batch = {"mask": tf.fill([count], True), **self._with_audio(batch)}
        missing = self.size - count

        def pad(key: str, value: tf.Tensor) -> tf.Tensor:
            shape = tf.concat([[missing], tf.shape(value)[1:]], 0)
            filler = tf.cast(UNLABELLED, value.dtype) if key == "label" else tf.zeros([], value.dtype)
            return tf.concat([value, tf.fill(shape, filler)], 0)

        full = tf.cond(
            missing > 0,
            lambda: {key: pad(key, value) for key, value in batch.items()},
            lambda: {key: tf.identity(value) for key, value in batch.items()},
        )
        return self._finished(
            {key: tf.ensure_shape(value, [self.size, *batch[key].shape[1:]]) for key, value in full.items()}
        )

    def _with_audio(self, batch: Element) -> Element:
        """Crops of one view have that view's audio, each beside its own video."""
        if "audio" not in batch:
            return batch
        views = batch["audio"].shape[1]
        return {**batch, "audio": tf.repeat(batch["audio"], self.views // views, axis=1)}

    def _finished(self, batch: Element) -> Element:
        if self.dtype != "uint8":
            batch = {**batch, "video": normalise(batch["video"], self.recipe, self.dtype)}
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
