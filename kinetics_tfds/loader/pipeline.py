"""The stages in the order that data takes, as tf.data: record order, read, sample, decode, augment, batch.

All of it is TensorFlow ops without state between elements. So the iterator's place is a number, which can be saved at
any step; the graph can be sent to other processes; and what an example looks like depends on its seed alone.
"""

from __future__ import annotations

import os

import tensorflow as tf

from kinetics_tfds.errors import ConfigError
from kinetics_tfds.loader import batching
from kinetics_tfds.loader.damage import count_damaged, intact_or_placeholder
from kinetics_tfds.loader.fingerprint import refuse_other_states
from kinetics_tfds.loader.frames.sampler import Element
from kinetics_tfds.loader.inputs import PipelineInputs
from kinetics_tfds.loader.randomness import epoch_offset, shuffled, stage_seeds
from kinetics_tfds.loader.recipe import Augment
from kinetics_tfds.loader.records.reading import Addresses, read_record, read_records
from kinetics_tfds.loader.weighting import weighted_row

# Decoded clips that may be in work at the same time, in bytes; see `_workers`.
_DECODED_BUDGET = 1 << 30
# Requests under way where each costs a journey; see `_readers`.
_REMOTE_READERS = 64
# The most epochs that seeds tell apart.
_ENDLESS = 2**31


def build(inputs: PipelineInputs) -> tf.data.Dataset:
    """Returns the whole pipeline: batches."""
    order = refuse_other_states(inputs, record_order(inputs))
    samples = read_and_sample(inputs, order)
    clips = decode(inputs, samples)
    clips = augment(inputs, clips)
    return batch(inputs, clips, inputs.batches).with_options(options(inputs))


def record_order(inputs: PipelineInputs) -> tf.data.Dataset:
    """Returns (row of the index, epoch, repeat), int64 scalars: what is read, in which order.

    `repeat` is how often the row came before in its epoch: not at all, unless clips have weights.

    Host h of n takes the places h, h + n, h + 2n, … of the epochs' orders laid end to end. So all hosts go through the
    same epoch at the same time, and what they have read after k clips each is what lies before place k * n.
    """
    records, (host, hosts) = len(inputs.index), inputs.config.shard
    if not inputs.training:
        never = tf.constant(0, tf.int64)
        return tf.data.Dataset.range(host, records, hosts).map(lambda row: (row, never, never))
    end = records * (inputs.config.epochs or _ENDLESS)
    if inputs.batches is not None and inputs.config.replicas > 1:
        end = inputs.batches * inputs.videos_per_batch * hosts
    if inputs.batches is not None and inputs.config.on_damage == "skip":
        # Hosts that skip clips must take as many steps as the others, or all would wait for them at the last one: the
        # start of a further epoch fills the gap. Where more than half is damaged, the last batches are missed.
        end *= 2

    weights = inputs.weights

    def place(first: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        epoch, inside = (first + host) // records, tf.math.floormod(first + host, records)
        slot = shuffled(inside, records, inputs.config.seed, epoch)
        if weights is None:
            return slot, epoch, tf.zeros_like(slot)
        row, repeat = weighted_row(slot, weights, epoch_offset(inputs.config.seed, epoch))
        return row, epoch, repeat

    # A round is one clip for each host; rounds that are not whole are left out. An iterator's state is `first`, which
    # means the same to any number of hosts.
    return tf.data.Dataset.range(0, end - hosts + 1, hosts).map(place)


def read(inputs: PipelineInputs, order: tf.data.Dataset) -> tf.data.Dataset:
    """Returns the records, string scalars; only for measuring, since `read_and_sample` is one step."""
    addresses = Addresses(inputs.index)
    return order.map(
        lambda row, epoch, repeat: read_record(addresses[row], remote=inputs.source.remote),
        num_parallel_calls=_readers(inputs),
        deterministic=True,
    )


def sample(inputs: PipelineInputs, records: tf.data.Dataset) -> tf.data.Dataset:
    """Returns what `FrameSampler` takes from records in memory; only for measuring, likewise."""
    path, any_id, first = tf.constant("in memory"), tf.constant(""), tf.constant(0, tf.int64)
    return records.map(
        lambda record: inputs.sampler(record, path, any_id, first, first),
        num_parallel_calls=_cores(inputs),
        deterministic=True,
    )


def read_and_sample(inputs: PipelineInputs, order: tf.data.Dataset) -> tf.data.Dataset:
    """Returns what `FrameSampler` takes from each record.

    Reading and sampling are one step: the record is still in the cache, and only its few frames travel on.
    """
    addresses, remote = Addresses(inputs.index), inputs.source.remote

    def step(row: tf.Tensor, epoch: tf.Tensor, repeat: tf.Tensor) -> Element:
        address = addresses[row]

        def sample(record: tf.Tensor) -> Element:
            return inputs.sampler(record, address.path, address.id, epoch, repeat)

        if inputs.config.on_damage == "raise":
            return sample(read_record(address, remote=remote))
        return intact_or_placeholder(read_records(address, remote=remote), sample, address)

    return order.map(step, num_parallel_calls=_readers(inputs), deterministic=True)


def decode(inputs: PipelineInputs, samples: tf.data.Dataset) -> tf.data.Dataset:
    """Returns what `ClipDecoder` makes of them; damaged clips are left out and counted where they are to be skipped."""
    if inputs.config.on_damage == "raise":
        return samples.map(inputs.decoder, num_parallel_calls=_workers(inputs), deterministic=True)

    def step(element: Element) -> Element:
        intact, address = element.pop("intact"), element.pop("address")
        return intact_or_placeholder(tf.data.Dataset.from_tensors(element), inputs.decoder, address, intact=intact)

    clips = samples.map(step, num_parallel_calls=_workers(inputs), deterministic=True)
    return count_damaged(clips, drop=inputs.training)


def augment(inputs: PipelineInputs, clips: tf.data.Dataset) -> tf.data.Dataset:
    """Returns the clips with each view changed by the recipe's augmentations.

    Raises:
        ConfigError: an augmentation returns a clip of another shape or type.
    """
    changes = inputs.recipe.augment
    if not changes or not inputs.training:
        return clips
    first = 1 + inputs.recipe.sampling.views  # after the seeds of sampling and of the views' windows
    problems: list[ConfigError] = []

    def changed(change: Augment, view: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        found = tf.convert_to_tensor(change(view, seed))
        if found.dtype == view.dtype and found.shape.is_compatible_with(view.shape):
            return tf.ensure_shape(found, view.shape)
        problem = (
            f"The augmentation {getattr(change, '__name__', change)!r} returns {found.dtype.name} {found.shape} "
            f"for a clip of {view.dtype.name} {view.shape}."
        )
        problems.append(
            ConfigError(problem, "Return the clip in its own shape, in whole levels from 0 to 255 (uint8).")
        )
        return view

    def step(element: Element) -> Element:
        seeds = iter(stage_seeds(element["seed"], first + inputs.views * len(changes))[first:])
        views = tf.unstack(element["video"], num=inputs.views)
        for change in changes:
            views = [changed(change, view, next(seeds)) for view in views]
        return {**element, "video": tf.stack(views)}

    changed_clips = clips.map(step, num_parallel_calls=_workers(inputs), deterministic=True)
    if problems:  # raised here: TensorFlow would wrap what its tracing meets
        raise problems[0]
    return changed_clips


def batch(inputs: PipelineInputs, clips: tf.data.Dataset, count: int | None) -> tf.data.Dataset:
    """Returns batches, one of them made while the last one is in use.

    Args:
        inputs: of the pipeline.
        clips: one video per element.
        count: how many batches; None: as many as there are.
    """
    if inputs.training:
        return batching.batch_rows(inputs, clips, count).prefetch(2)
    return batching.batch_videos(inputs, clips, count).prefetch(1)


def options(inputs: PipelineInputs) -> tf.data.Options:
    """Returns how tf.data is to run the pipeline."""
    found = tf.data.Options()
    found.deterministic = True
    found.experimental_symbolic_checkpoint = True
    # Sharding is done here, by record; tf.distribute must not do it again.
    found.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    # Clips are the unit of parallel work: within one, more threads only cost.
    found.threading.max_intra_op_parallelism = 1
    # Every stage says how wide it is; a tuner would only fill memory with decoded clips.
    found.autotune.enabled = False
    if inputs.config.parallelism is not None:
        found.threading.private_threadpool_size = inputs.config.parallelism
    return found


def _cores(inputs: PipelineInputs) -> int:
    return inputs.config.parallelism or len(os.sched_getaffinity(0))


def _readers(inputs: PipelineInputs) -> int:
    """Returns how many records to read at the same time: one per core, more where reading is mostly waiting."""
    return _REMOTE_READERS if inputs.source.remote and inputs.config.parallelism is None else _cores(inputs)


def _workers(inputs: PipelineInputs) -> int:
    """Returns how many clips to decode at the same time: one per core, fewer where clips are huge (many views)."""
    return max(1, min(_cores(inputs), _DECODED_BUDGET // inputs.decoder.clip_bytes))
