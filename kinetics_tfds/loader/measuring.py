"""How fast a pipeline is, whole and stage by stage, on this machine and this dataset."""

from __future__ import annotations

import dataclasses
import functools
import time
from typing import Any

import tensorflow as tf

from kinetics_tfds.loader import pipeline
from kinetics_tfds.loader.plan import Plan

# Videos kept in memory to feed a stage alone: enough for windows and frames to vary, few enough to stay small.
_KEPT = 8

# What to try when a stage takes most of the time.
KNOBS = {
    "read": "read less or nearer: a config with fewer frames or pixels (jpeg256_10fps, jpeg128_10fps), several clips "
    "of one read (RandomClip(clips=2)), a disk closer to the trainer",
    "parse": "several clips of one read (RandomClip(clips=2)), or a config with fewer stored frames (jpeg256_10fps)",
    "decode": "resize='device', smaller stored frames (jpeg128_10fps), fewer frames a clip, more cores, or service=",
    "augment": "fewer or lighter augmentations (RandAugment(layers=2)), more cores, or service=",
    "batch": "dtype='uint8' and normalise on the device; a smaller batch_size if memory is short",
}


@dataclasses.dataclass(frozen=True)
class Measured:
    """What `measure` found.

    Attributes:
        stages: name -> videos a second of that stage alone, the input of all but `read` waiting in memory.
        videos: videos a second of the whole pipeline.
        clips: clips a second: videos times views times crops.
        megabytes: MB a second that the whole pipeline reads.
        bytes_per_pixel: bytes read for each byte of pixels that comes out.
        bound: the stage that takes most of the time.
        knob: what to try first.
    """

    stages: dict[str, float]
    videos: float
    clips: float
    megabytes: float
    bytes_per_pixel: float
    bound: str
    knob: str


def measure(plan: Plan, seconds: float = 5.0) -> Measured:
    """Runs the pipeline and each of its stages for `seconds` and returns their rates.

    `read` comes from wherever the files are, the operating system's cache included: a second run may read faster.
    """
    places = pipeline.places(plan)
    places = places if plan.training else places.repeat()
    stages = {"read": _rate(plan, pipeline.read(plan, places), seconds)}
    records = list(pipeline.read(plan, places).take(_KEPT))
    path, epoch = tf.constant("measured"), tf.constant(0, tf.int64)
    parsed = _again(records).map(
        lambda record: plan.choice(record, path, epoch), num_parallel_calls=_width(plan), deterministic=True
    )
    stages["parse"] = _rate(plan, parsed, seconds)
    decoded = pipeline.decoded(plan, _again(list(parsed.take(len(records)))))
    stages["decode"] = _rate(plan, decoded, seconds)
    clips = list(decoded.take(len(records)))
    if plan.recipe.augment and plan.training:
        stages["augment"] = _rate(plan, pipeline.augmented(plan, _again(clips)), seconds)
    per_batch = plan.batching.size // plan.batching.views if plan.training else plan.batching.size
    endless = dataclasses.replace(plan, batching=dataclasses.replace(plan.batching, batches=None))
    stages["batch"] = per_batch * _rate(plan, pipeline.batched(endless, _again(clips)), seconds)
    whole = pipeline.augmented(plan, pipeline.decoded(plan, pipeline.chosen(plan, places)))
    videos = per_batch * _rate(plan, pipeline.batched(endless, whole), seconds)
    size = sum(len(record.numpy()) for record in records) / len(records)
    pixels = sum(int(tf.size(clip["video"])) for clip in clips) / len(clips)
    bound = min(stages, key=lambda name: stages[name])
    return Measured(
        stages=stages,
        videos=videos,
        clips=videos * plan.batching.views,
        megabytes=videos * size / 1e6,
        bytes_per_pixel=size / pixels,
        bound=bound,
        knob=KNOBS[bound],
    )


def _width(plan: Plan) -> int:
    return plan.parallelism or tf.data.AUTOTUNE


def _again(elements: list[Any]) -> tf.data.Dataset:
    """Returns the elements over and over, without copying them."""
    kept = (tf.data.Dataset.from_tensors(element) for element in elements)
    return functools.reduce(lambda first, second: first.concatenate(second), kept).repeat()


def _rate(plan: Plan, dataset: tf.data.Dataset, seconds: float) -> float:
    """Returns elements a second, after those that fill the pipeline."""
    iterator = iter(dataset.with_options(pipeline.options(plan)))
    for _ in range(3):
        next(iterator)
    start, count = time.perf_counter(), 0
    while time.perf_counter() < start + seconds:
        next(iterator)
        count += 1
    return count / (time.perf_counter() - start)
