"""How fast a pipeline is, whole and stage by stage, on this machine and this dataset."""

from __future__ import annotations

import dataclasses
import functools
import time
from typing import Any

import tensorflow as tf

from kinetics_tfds.loader import pipeline
from kinetics_tfds.loader.inputs import PipelineInputs

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


def measure(inputs: PipelineInputs, seconds: float = 5.0) -> Measured:
    """Runs the pipeline and each of its stages for `seconds` and returns their rates.

    `read` comes from wherever the files are, the operating system's cache included: a second run may read faster.
    """
    order = pipeline.record_order(inputs)
    order = order if inputs.training else order.repeat()
    stages = {"read": _rate(inputs, pipeline.read(inputs, order), seconds)}
    records = list(pipeline.read(inputs, order).take(_KEPT))
    samples = pipeline.sample(inputs, _again(records))
    stages["parse"] = _rate(inputs, samples, seconds)
    decoded = pipeline.decode(inputs, _again(list(samples.take(len(records)))))
    stages["decode"] = _rate(inputs, decoded, seconds)
    clips = list(decoded.take(len(records)))
    if inputs.recipe.augment and inputs.training:
        stages["augment"] = _rate(inputs, pipeline.augment(inputs, _again(clips)), seconds)
    per_batch = inputs.videos_per_batch
    stages["batch"] = per_batch * _rate(inputs, pipeline.batch(inputs, _again(clips), None), seconds)
    whole = pipeline.augment(inputs, pipeline.decode(inputs, pipeline.read_and_sample(inputs, order)))
    videos = per_batch * _rate(inputs, pipeline.batch(inputs, whole, None), seconds)
    size = sum(len(record.numpy()) for record in records) / len(records)
    pixels = sum(int(tf.size(clip["video"])) for clip in clips) / len(clips)
    bound = min(stages, key=lambda name: stages[name])
    return Measured(
        stages=stages,
        videos=videos,
        clips=videos * inputs.views,
        megabytes=videos * size / 1e6,
        bytes_per_pixel=size / pixels,
        bound=bound,
        knob=KNOBS[bound],
    )


def _again(elements: list[Any]) -> tf.data.Dataset:
    """Returns the elements over and over, without copying them."""
    kept = (tf.data.Dataset.from_tensors(element) for element in elements)
    return functools.reduce(lambda first, second: first.concatenate(second), kept).repeat()


def _rate(inputs: PipelineInputs, dataset: tf.data.Dataset, seconds: float) -> float:
    """Returns elements a second, after those that fill the pipeline."""
    iterator = iter(dataset.with_options(pipeline.options(inputs)))
    for _ in range(3):
        next(iterator)
    start, count = time.perf_counter(), 0
    while time.perf_counter() < start + seconds:
        next(iterator)
        count += 1
    return count / (time.perf_counter() - start)
