"""The stages in order, as tf.data: places of the epochs' orders, read and choose, decode, augment, batch.

All of it is TensorFlow ops without state between elements. So the iterator's place is a number, which can be saved at
any step; the graph can be sent to other processes; and what an example looks like depends on its seed alone.
"""

from __future__ import annotations

import os

import tensorflow as tf

from kinetics_tfds.loader.damage import count_damaged, intact_or_placeholder
from kinetics_tfds.loader.frames.choosing import Element
from kinetics_tfds.loader.plan import Plan
from kinetics_tfds.loader.randomness import shuffled, stage_seeds
from kinetics_tfds.loader.records.reading import Addresses, read_record, read_records
from kinetics_tfds.slices import even_slice

# Decoded clips that may be in work at the same time, in bytes; see `_workers`.
_DECODED_BUDGET = 1 << 30
# Requests under way where each costs a journey; see `_readers`.
_REMOTE_READERS = 64


def build(plan: Plan) -> tf.data.Dataset:
    """Returns the whole pipeline: batches."""
    return batched(plan, augmented(plan, decoded(plan, chosen(plan, places(plan))))).with_options(options(plan))


def places(plan: Plan) -> tf.data.Dataset:
    """Returns (row of the index, epoch), int64 scalars: what is read, in which order."""
    records = len(plan.index)
    mine = even_slice(records, *plan.shard)
    if not plan.training:
        return tf.data.Dataset.range(mine.start, mine.stop).map(lambda row: (row, tf.constant(0, tf.int64)))
    # 2**31 epochs are the most that seeds tell apart.
    count = len(mine) * (plan.epochs if plan.epochs is not None else 2**31)
    if plan.on_damage == "skip" and plan.batching.batches is not None:
        # Hosts that skip clips must take as many steps as the others, or all would wait for them at the last one: the
        # start of a further epoch fills the gap. Where more than half is damaged, the last batches are missed.
        count *= 2

    def place(step: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        epoch = step // len(mine)
        inside = tf.math.floormod(step, len(mine))
        # The order is drawn before the hosts' parts are cut: each epoch deals the records out anew.
        return shuffled(mine.start + inside, records, plan.seed, epoch), epoch

    return tf.data.Dataset.range(count).map(place)


def read(plan: Plan, dataset: tf.data.Dataset) -> tf.data.Dataset:
    """Returns the records at `places`, string scalars; only for measuring, since `chosen` reads by itself."""
    addresses = Addresses(plan.index)
    return dataset.map(
        lambda row, epoch: read_record(addresses[row], remote=plan.remote),
        num_parallel_calls=_readers(plan),
        deterministic=True,
    )


def chosen(plan: Plan, dataset: tf.data.Dataset) -> tf.data.Dataset:
    """Returns what `Choice` returns for the records at `places`.

    Reading and choosing are one step: the record is still in the cache, and only its few frames travel on.
    """
    addresses = Addresses(plan.index)

    def choose(row: tf.Tensor, epoch: tf.Tensor) -> Element:
        address = addresses[row]
        if plan.on_damage == "raise":
            return plan.choice(read_record(address, remote=plan.remote), address.path, epoch)
        records = read_records(address, remote=plan.remote)
        return intact_or_placeholder(records, lambda record: plan.choice(record, address.path, epoch), address)

    return dataset.map(choose, num_parallel_calls=_readers(plan), deterministic=True)


def decoded(plan: Plan, dataset: tf.data.Dataset) -> tf.data.Dataset:
    """Returns what `Decoding` returns; damaged clips are left out and counted where they are to be skipped."""
    if plan.on_damage == "raise":
        return dataset.map(plan.decoding, num_parallel_calls=_workers(plan), deterministic=True)

    def decode(element: Element) -> Element:
        intact, address = element.pop("intact"), element.pop("address")
        return intact_or_placeholder(tf.data.Dataset.from_tensors(element), plan.decoding, address, intact=intact)

    dataset = dataset.map(decode, num_parallel_calls=_workers(plan), deterministic=True)
    return count_damaged(dataset, drop=plan.training)


def augmented(plan: Plan, dataset: tf.data.Dataset) -> tf.data.Dataset:
    """Returns the elements with each view changed by the recipe's augmentations."""
    stages = plan.recipe.augment
    if not stages or not plan.training:
        return dataset
    views = plan.decoding.views * plan.decoding.spatial.crops
    first = 1 + plan.decoding.views  # after the seeds of sampling and of the views' windows

    def augment(element: Element) -> Element:
        seeds = iter(stage_seeds(element["seed"], first + views * len(stages))[first:])
        clips = tf.unstack(element["video"], num=views)
        for stage in stages:
            clips = [tf.ensure_shape(stage(clip, next(seeds)), clip.shape) for clip in clips]
        return {**element, "video": tf.stack(clips)}

    return dataset.map(augment, num_parallel_calls=_workers(plan), deterministic=True)


def batched(plan: Plan, dataset: tf.data.Dataset) -> tf.data.Dataset:
    """Returns batches, one of them made while the last one is in use."""
    return plan.batching.batch(dataset).prefetch(2 if plan.training else 1)


def options(plan: Plan) -> tf.data.Options:
    """Returns how tf.data is to run the pipeline."""
    chosen_options = tf.data.Options()
    chosen_options.deterministic = True
    chosen_options.experimental_symbolic_checkpoint = True
    # Sharding is done here, by record; tf.distribute must not do it again.
    chosen_options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    # Clips are the unit of parallel work: within one, more threads only cost.
    chosen_options.threading.max_intra_op_parallelism = 1
    # Every stage says how wide it is; a tuner would only fill memory with decoded clips.
    chosen_options.autotune.enabled = False
    if plan.parallelism is not None:
        chosen_options.threading.private_threadpool_size = plan.parallelism
    return chosen_options


def _cores(plan: Plan) -> int:
    return plan.parallelism or len(os.sched_getaffinity(0))


def _readers(plan: Plan) -> int:
    """Returns how many records to read at the same time: one a core, more where reading is mostly waiting."""
    return _REMOTE_READERS if plan.remote and plan.parallelism is None else _cores(plan)


def _workers(plan: Plan) -> int:
    """Returns how many clips to decode at the same time: one a core, fewer where clips are huge (many views)."""
    decoding = plan.decoding
    height, width = decoding.canvas or decoding.spatial.output_size
    views = decoding.views * (1 if decoding.canvas else decoding.spatial.crops)
    clip = views * decoding.frames * height * width * 3
    return max(1, min(_cores(plan), _DECODED_BUDGET // clip))
