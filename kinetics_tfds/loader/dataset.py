"""`make_dataset`: from a builder and a few choices to a `tf.data.Dataset` of batches."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from typing import Any

import tensorflow as tf
import tensorflow_datasets as tfds

from kinetics_tfds.loader import pipeline
from kinetics_tfds.loader.config import PipelineConfig
from kinetics_tfds.loader.inputs import open_inputs
from kinetics_tfds.loader.records.index import read_index
from kinetics_tfds.loader.records.source import class_indices, open_source
from kinetics_tfds.loader.service import build as build_with_service


def make_dataset(builder: tfds.core.DatasetBuilder, split: str, **options: Any) -> tf.data.Dataset:
    """Returns batches of clips.

    In training a batch is `{"video": uint8 [B, T, H, W, 3], "label": int32 [B], "id": string [B], "mask": bool [B]}`,
    all of `mask` True; in evaluation `video` is [B, V, T, H, W, 3] with the V views (clips times crops, the crops of
    one clip side by side) of each video, every video comes once, and rows that only fill up the last batch have `mask`
    False, `label` -1 and an empty `id`. Unlabelled clips have `label` -1 too. With `mix`, labels are
    float32 [B, classes]. Where the dataset stores audio there is `audio` int16 [B, S] or [B, V, S], from the time of
    each view's first frame on. Shapes are static.

    Each epoch's order is a permutation of the whole split: clips are read one by one, so there is no shuffle buffer to
    fill or to hold. The same arguments give the same batches, on any machine, however many threads there are.
    Iterators can be saved and restored at any step with `tf.train.Checkpoint`; a state is a few kilobytes.

    Args:
        builder: of a prepared dataset: from `tfds.builder` or `tfds.builder_from_directory`.
        split: a split, or a part of one: `train[:10%]`.
        **options: the fields of `PipelineConfig`, which says what each one means: `batch_size`, and either `preset` or
            `sampling` and `spatial`, are needed.

    Raises:
        LoaderError: the dataset is not prepared, or no service answers.
        ConfigError: an option is unknown or out of range, or contradicts another.
    """
    inputs = open_inputs(builder, split, PipelineConfig.of(**options))
    return pipeline.build(inputs) if inputs.config.service is None else build_with_service(inputs)


# What `help` and editors show: the options by name, each with its default.
_OPTIONS = list(inspect.signature(PipelineConfig).parameters.values())
_FIRST = list(inspect.signature(make_dataset).parameters.values())[:2]
make_dataset.__signature__ = inspect.Signature([*_FIRST, *_OPTIONS], return_annotation="tf.data.Dataset")  # type: ignore[attr-defined]


def steps_per_epoch(
    builder: tfds.core.DatasetBuilder,
    split: str,
    batch_size: int,
    *,
    shard_count: int = 1,
    views: int = 1,
    classes: Iterable[str | int] | None = None,
) -> int:
    """Returns how many whole training batches each host gets out of one pass over the split.

    Args:
        builder: of a prepared dataset.
        split: as for `make_dataset`.
        batch_size: rows in a batch of one host.
        shard_count: number of hosts.
        views: rows that one video gives: `sampling.views * spatial.crops`.
        classes: names or indices of the classes kept, as for `make_dataset`.
    """
    source = open_source(builder, split)
    clips = sum(source.takes)
    if classes is not None:
        clips = len(read_index(source).only(class_indices(source, classes)))
    return clips // shard_count * views // batch_size
