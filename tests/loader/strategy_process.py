"""Trains and evaluates under MirroredStrategy on three virtual devices, run by test_many_hosts.py.

python strategy_process.py DATASET_FOLDER; prints one line of JSON. TPUStrategy takes the same path: a function from an
input context to this host's dataset.
"""

import json
import sys

import tensorflow as tf
import tensorflow_datasets as tfds

from kinetics_tfds import loader

GLOBAL_BATCH = 6


def _strategy():
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 3)
    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1", "CPU:2"])


def _dataset(builder, split, context=None, batch_size=GLOBAL_BATCH):
    size = context.get_per_replica_batch_size(GLOBAL_BATCH) if context else batch_size
    return loader.make_dataset(
        builder,
        split,
        sampling=loader.CentreClip(2),
        spatial=loader.Resize(16),
        batch_size=size,
        epochs=2 if split == "train" else None,
        shard=(context.input_pipeline_id, context.num_input_pipelines) if context else (0, 1),
        replicas=context.num_replicas_in_sync // context.num_input_pipelines if context else 1,
    )


def _ids(value):
    return [key.decode() for key in value.numpy() if key]


def _rows(strategy, batches):
    """Ids by step and replica, seen from inside of a replicated step that also uses the pixels."""

    def replica(batch):
        tf.debugging.assert_greater(tf.reduce_sum(tf.cast(batch["video"], tf.int32)), 0)
        return batch["id"]

    step = tf.function(lambda batch: strategy.run(replica, args=(batch,)))
    return [[_ids(ids) for ids in strategy.experimental_local_results(step(batch))] for batch in batches]


def _logits(video):
    flat = tf.reshape(tf.cast(video, tf.float32), [tf.shape(video)[0], 1, -1])
    return tf.reduce_mean(tf.reshape(flat, [tf.shape(flat)[0], 1, -1, 6]), axis=2)


def _evaluate(strategy, batches):
    scores = loader.Scores()

    @tf.function
    def step(batch):
        return strategy.run(lambda mine: _logits(mine["video"]), args=(batch,))

    for batch in batches:
        local = [strategy.experimental_local_results(value) for value in (step(batch), *(batch[k] for k in KEYS))]
        for logits, *columns in zip(*local, strict=True):
            scores.add(logits, dict(zip(KEYS, columns, strict=True)))
    return scores


KEYS = ("id", "label", "mask")


def main():
    strategy = _strategy()
    builder = tfds.builder_from_directory(sys.argv[1])
    by_function = strategy.distribute_datasets_from_function(lambda context: _dataset(builder, "train", context))
    whole = strategy.experimental_distribute_dataset(_dataset(builder, "train"))
    evaluation = strategy.distribute_datasets_from_function(lambda context: _dataset(builder, "validation", context))
    scores = _evaluate(strategy, evaluation)
    alone = loader.Scores()
    for batch in _dataset(builder, "validation"):
        alone.add(_logits(batch["video"]), batch)
    hosts = [tf.distribute.InputContext(2, host, 6) for host in range(2)]
    parts = [[key for b in _dataset(builder, "validation", host) for key in _ids(b["id"])] for host in hosts]
    result = {
        "training": _rows(strategy, by_function),
        "training of global batches": _rows(strategy, whole),
        "evaluated": list(scores.predictions()),
        "videos": scores.result()["videos"],
        "top1": scores.result()["top1"],
        "top1 alone": alone.result()["top1"],
        "input pipelines": parts,
    }
    print(json.dumps(result))


main()
