"""What an iterator's saved state belongs to: a state restored into another pipeline is refused, with what differs.

The fingerprint travels inside the state, as that of a `scan`, and is compared where the state is used first. The place
in the order is one for all hosts (`pipeline.record_order`), so a state may go on on another number of them if that is
asked for.
"""

from __future__ import annotations

import dataclasses
import hashlib
from typing import Any

import tensorflow as tf

from kinetics_tfds.loader.inputs import PipelineInputs

_OF_CONFIG = ("seed", "epochs", "classes", "clips_per_class", "weights", "on_damage", "dtype")
# What may differ between a state and the pipeline with `reshard=True`.
_OF_HOSTS = ("shard", "batch_size", "replicas")


def fingerprint(inputs: PipelineInputs) -> dict[str, str]:
    """Returns what a state must have in common with the pipeline that it is restored into, name -> value in words.

    Where files lie, the number of threads and a service's address are left out: they change no batch.
    """
    config, recipe = inputs.config, inputs.recipe
    clips = hashlib.blake2b(inputs.index.id.tobytes() + inputs.index.label.tobytes(), digest_size=8).hexdigest()
    found = {
        "dataset": inputs.source.name,
        "clips": f"{len(inputs.index)} ({clips})",
        "training": inputs.training,
        "audio": (inputs.sampler.audio_samples, inputs.sampler.audio_rate),
        "canvas": inputs.decoder.canvas,
        **{name: getattr(recipe, name) for name in ("sampling", "spatial", "augment", "mix")},
        **{name: getattr(config, name) for name in (*_OF_CONFIG, *_OF_HOSTS)},
    }
    if config.dtype != "uint8":
        found |= {"mean": recipe.mean, "std": recipe.std}
    return {name: _words(value) for name, value in found.items()}


def refuse_other_states(inputs: PipelineInputs, order: tf.data.Dataset) -> tf.data.Dataset:
    """Returns the record order, whose iterators go on only from a state of the same pipeline.

    Raises (while iterating):
        tf.errors.InvalidArgumentError: the state is of another pipeline; says what differs.
    """
    own = fingerprint(inputs)
    lines = [f"{name}={value}" for name, value in own.items()]
    here, known = tf.constant("\n".join(lines)), tf.constant(lines)
    compared = tf.constant([not (inputs.config.reshard and name in _OF_HOSTS) for name in own])

    def refuse(saved: tf.Tensor) -> tf.Operation:
        theirs = tf.ensure_shape(tf.strings.split(saved, "\n"), [None])
        # A state of another version of this package may know other options.
        same_options = tf.size(theirs) == len(lines)
        differs = tf.cond(same_options, lambda: (theirs != known) & compared, lambda: tf.fill(tf.shape(theirs), True))
        differs = tf.ensure_shape(differs, [None])
        ours = tf.cond(same_options, lambda: tf.boolean_mask(known, differs), lambda: known)
        problem = [
            "The iterator was saved by another pipeline, with",
            tf.boolean_mask(theirs, differs),
            "where this one has",
            ours,
            "Restore it with the arguments of make_dataset that saved it, or begin anew. reshard=True accepts the "
            "state of another number of hosts.",
        ]
        return tf.debugging.Assert(~tf.reduce_any(differs), problem, summarize=-1)

    def check(saved: tf.Tensor, place: tuple[tf.Tensor, ...]) -> Any:
        with tf.control_dependencies([tf.cond(saved == here, tf.no_op, lambda: refuse(saved))]):
            return tf.identity(here), tuple(map(tf.identity, place))

    return order.scan(here, check)


def _words(value: Any) -> str:
    """Returns a value in words that are the same in every process: no addresses of functions."""
    if isinstance(value, (tuple, list)):
        return f"({', '.join(map(_words, value))})"
    if value is None or isinstance(value, (str, int, float, dict)) or dataclasses.is_dataclass(value):
        return str(value).replace("'", "")  # TensorFlow escapes quotes in its messages
    known = value if hasattr(value, "__qualname__") else type(value)
    return f"{known.__module__}.{known.__qualname__}"
