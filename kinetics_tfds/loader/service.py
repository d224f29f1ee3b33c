"""`service=`: the pipeline runs in a tf.data service cluster, for trainers whose hosts lack CPU.

What holds as without it: each clip's frames, windows and augmentation are a function of (seed, epoch, id); in each
epoch every record comes once, as long as no worker dies; evaluation counts every video once. What does not hold: which
clips meet in a batch, in which order, and so who is mixed with whom, depend on which worker is faster, and the end of
one epoch is woven into the start of the next. A worker that dies takes the few clips with it that it was at work on.
Iterators cannot be saved; for exact resuming run without a service.
"""

from __future__ import annotations

import socket
import urllib.parse

import tensorflow as tf

from kinetics_tfds.errors import ConfigError, LoaderError
from kinetics_tfds.loader import pipeline
from kinetics_tfds.loader.inputs import PipelineInputs

# A second's silence of a dispatcher that is there is rare; TensorFlow itself would wait for an hour.
_CONNECT_SECONDS = 10


def build(inputs: PipelineInputs) -> tf.data.Dataset:
    """Returns the whole pipeline, its work done by the workers of `config.service`.

    The service deals out the elements of the pipeline's source, which are places of the epochs' orders: single clips.

    Raises:
        ConfigError: the address is of another form.
        LoaderError: nothing answers there.
    """
    service = inputs.config.service or ""
    _require_dispatcher(service)
    samples = pipeline.read_and_sample(inputs, pipeline.record_order(inputs))
    clips = pipeline.augment(inputs, pipeline.decode(inputs, samples))
    options = pipeline.options(inputs)
    options.experimental_symbolic_checkpoint = False
    if inputs.training:
        # Each worker fills its own batches and, with `epochs`, drops what its last one lacks: how many there are in all
        # is not known beforehand.
        batches = _send(pipeline.batch(inputs, clips, None).with_options(options), service)
    else:
        # Padding belongs after all workers' videos, not after each worker's: these batches are made here.
        batches = pipeline.batch(inputs, _send(clips.with_options(options), service), inputs.batches)
    outside = tf.data.Options()
    outside.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    return batches.prefetch(2).with_options(outside)


def _send(dataset: tf.data.Dataset, service: str) -> tf.data.Dataset:
    return dataset.apply(
        tf.data.experimental.service.distribute(
            processing_mode=tf.data.experimental.service.ShardingPolicy.DYNAMIC,
            service=service,
            # Decoded video does not get smaller, and unpacking it would cost the trainer what it lacks.
            compression=None,
        )
    )


def _require_dispatcher(service: str) -> None:
    try:
        address = urllib.parse.urlsplit(service)
        host, port = address.hostname, address.port
    except ValueError:  # a port that is not a number
        host = port = None
    if not service.startswith("grpc://") or host is None or port is None:
        raise ConfigError(f"service is {service!r}.", "Give the dispatcher's address: grpc://host:port.")
    try:
        socket.create_connection((host, port), _CONNECT_SECONDS).close()
    except OSError as error:
        raise LoaderError(
            f"No tf.data service answers at {service}: {error}.",
            "Start the dispatcher and its workers first; docs/loading.md shows how.",
        ) from error
