"""`make_dataset`: from a builder and a few choices to a `tf.data.Dataset` of batches."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

import tensorflow as tf
import tensorflow_datasets as tfds

from kinetics_tfds.loader import pipeline
from kinetics_tfds.loader.frames.sampling import Sampling
from kinetics_tfds.loader.frames.spatial import Spatial
from kinetics_tfds.loader.plan import UNSET, make_plan
from kinetics_tfds.loader.presets import Preset
from kinetics_tfds.loader.recipe import Augment, Mix
from kinetics_tfds.loader.records.index import read_index
from kinetics_tfds.loader.records.source import class_indices, open_source
from kinetics_tfds.loader.service import build as build_with_service


def make_dataset(
    builder: tfds.core.DatasetBuilder,
    split: str,
    *,
    preset: str | Preset | None = None,
    sampling: Sampling | None = None,
    spatial: Spatial | None = None,
    augment: Sequence[Augment] | None = None,
    mix: Mix | None = UNSET,
    batch_size: int,
    seed: int = 0,
    training: bool | None = None,
    epochs: int | None = None,
    shard: tuple[int, int] = (0, 1),
    replicas: int = 1,
    classes: Iterable[str | int] | None = None,
    dtype: Literal["uint8", "float32", "bfloat16", "float16"] = "uint8",
    resize: Literal["host", "device"] = "host",
    canvas: tuple[int, int] | None = None,
    audio_seconds: float | None = None,
    on_damage: Literal["raise", "skip"] = "raise",
    parallelism: int | None = None,
    service: str | None = None,
) -> tf.data.Dataset:
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
        preset: a preset's name, its YAML file or itself. What follows overrides its fields.
        sampling: which frames.
        spatial: which window of them, at what size.
        augment: changes of decoded clips; training only.
        mix: mixes batches; training only. None: no mixing.
        batch_size: rows in a batch of this host, B. Views drawn from one video (`RandomClip(clips=…)`) are rows of
            their own, side by side, and must divide it.
        seed: 0 to 2**31 - 1.
        training: shuffle and repeat; or give each video once, in order. None: whether the split is `train`.
        epochs: passes over the split in training; None: without end. Batches run across the ends of epochs.
        shard: index of this host and number of hosts.
        replicas: devices of this host that take batches in turn, as `tf.distribute` does with
            `distribute_datasets_from_function`; the number of batches is a multiple of it. `tf.distribute` leaves out
            the last batches if they are too few for all replicas, and their videos with them.
        classes: names or indices of the classes to keep; labels stay those of the whole dataset.
        dtype: of `video`. Floats are normalised by the mean and std of the preset, and are zero to one without one;
            uint8 leaves that to the accelerator, with a quarter of the bytes to copy: see `normalise`.
        resize: `device` leaves cropping, resizing and flipping to the accelerator: see `finish`.
        canvas: height and width of the canvases of `resize="device"`; None: those that hold any window of frames
            stored like the split's first clip.
        audio_seconds: length of the audio of each view; None: that of the view; 0: no audio.
        on_damage: `raise` stops at a record or frame that is damaged, naming shard and clip. `skip` leaves the clip
            out, says so on standard error and counts it: `skipped` int32 [B] is the number so far. In evaluation its
            row is one of those with `mask` False; in training the steps stay as many as they were, filled from the
            start of a further epoch.
        parallelism: threads; None: one a core.
        service: address of a tf.data service's dispatcher, `grpc://host:port`, whose workers do the work. Order then
            depends on timing, and iterators cannot be saved: see `service.py`.

    Raises:
        LoaderError: the dataset is not prepared, or no service answers.
        ConfigError: a choice is out of range or contradicts another.
    """
    plan = make_plan(
        builder,
        split,
        preset=preset,
        sampling=sampling,
        spatial=spatial,
        augment=augment,
        mix=mix,
        batch_size=batch_size,
        seed=seed,
        training=training,
        epochs=epochs,
        shard=shard,
        replicas=replicas,
        classes=classes,
        dtype=dtype,
        resize=resize,
        canvas=canvas,
        audio_seconds=audio_seconds,
        on_damage=on_damage,
        parallelism=parallelism,
    )
    return pipeline.build(plan) if service is None else build_with_service(plan, service)


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
