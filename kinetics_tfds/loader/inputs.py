"""A config met with its dataset: all that the pipeline's stages have to know, checked before anything is read."""

from __future__ import annotations

import dataclasses
import math

import tensorflow_datasets as tfds

from kinetics_tfds.errors import ConfigError
from kinetics_tfds.loader.config import PipelineConfig
from kinetics_tfds.loader.frames.canvas import default_canvas
from kinetics_tfds.loader.frames.decoder import ClipDecoder
from kinetics_tfds.loader.frames.sampler import FrameSampler
from kinetics_tfds.loader.frames.sampling import Sampling, Segments
from kinetics_tfds.loader.recipe import Recipe
from kinetics_tfds.loader.records.index import Index, read_index
from kinetics_tfds.loader.records.source import Source, class_indices, open_source
from kinetics_tfds.loader.weighting import Weights, few_clips, weigh_clips


@dataclasses.dataclass(frozen=True, kw_only=True)
class PipelineInputs:
    """One pipeline, everything known but the records' contents.

    Attributes:
        config: what was asked for.
        training: shuffle, augment, mix and repeat; or one pass in order.
        recipe: what happens to the records.
        source: the dataset.
        index: its records, those of the classes asked for.
        weights: of the clips, where they have any.
        sampler: the sampling stage.
        decoder: the decoding stage.
    """

    config: PipelineConfig
    training: bool
    recipe: Recipe
    source: Source
    index: Index
    weights: Weights | None
    sampler: FrameSampler
    decoder: ClipDecoder

    @property
    def views(self) -> int:
        """Views times crops of one video."""
        return self.recipe.sampling.views * self.recipe.spatial.crops

    @property
    def videos_per_batch(self) -> int:
        """In training each view is a row of its own; in evaluation a row is a video."""
        return self.config.batch_size // self.views if self.training else self.config.batch_size

    @property
    def batches(self) -> int | None:
        """How many batches every host gives; None: no end."""
        config, (_, hosts) = self.config, self.config.shard
        if self.training and config.epochs is None:
            return None
        per_step = self.videos_per_batch * config.replicas
        if self.training:
            return len(self.index) * (config.epochs or 1) // hosts // per_step * config.replicas
        # The host with the largest part decides; the others fill up with padding.
        return math.ceil(math.ceil(len(self.index) / hosts) / per_step) * config.replicas


def open_inputs(builder: tfds.core.DatasetBuilder, split: str, config: PipelineConfig) -> PipelineInputs:
    """Returns what a pipeline over a split has to know.

    Raises:
        LoaderError: the dataset is not prepared.
        ConfigError: the config does not fit the dataset, or contradicts itself.
    """
    source = open_source(builder, split)
    training = config.is_training(split)
    recipe = config.recipe(training)
    _check(config, recipe, training)
    index = read_index(source)
    if config.classes is not None:
        index = index.only(class_indices(source, config.classes))
    if config.clips_per_class is not None:
        index = few_clips(index, config.clips_per_class, config.seed)
    canvas = (config.canvas or default_canvas(source, recipe.spatial)) if config.resize == "device" else None
    inputs = PipelineInputs(
        config=config,
        training=training,
        recipe=recipe,
        source=source,
        index=index,
        weights=None if config.weights is None else weigh_clips(index, source, config.weights),
        sampler=FrameSampler(
            recipe.sampling,
            config.seed,
            *_audio(source, recipe.sampling, config.audio_seconds),
            frame_times=config.frame_times,
        ),
        decoder=ClipDecoder(recipe.spatial, recipe.sampling.views, recipe.sampling.num_frames, canvas),
    )
    _check_batches(inputs)
    return inputs


def _check(config: PipelineConfig, recipe: Recipe, training: bool) -> None:
    if config.epochs is not None and not training:
        raise ConfigError(f"epochs is {config.epochs} in evaluation.", "Leave it out: each video comes once.")
    for name, of_training in (("augment", config.augment), ("mix", None if config.mix == "preset" else config.mix)):
        if of_training and not training:
            raise ConfigError(
                f"{name} is {of_training!r} in evaluation, which shows videos as they are.",
                f"Leave {name} out, or pass training=True.",
            )
    if config.weights is not None and not training:
        raise ConfigError("weights are given in evaluation.", "Leave them out: each video comes once.")
    if config.reshard and (not training or config.on_damage == "skip"):
        raise ConfigError(
            "reshard=True needs training with on_damage='raise': only there have all hosts read as many clips.",
            "Leave it out, and restore each host's own state on as many hosts.",
        )
    if config.resize == "host":
        return
    if config.dtype != "uint8" or (training and (recipe.augment or recipe.mix)):
        raise ConfigError(
            "resize='device' gives canvases, which cannot be augmented, mixed or normalised on the host.",
            "Pass augment=(), mix=None and dtype='uint8', and do these on the device after `finish`.",
        )
    if recipe.spatial.mirrored:
        raise ConfigError(
            "resize='device' gives one box per crop, and mirrored crops have none of their own.",
            "Leave resize='device' out, or choose another spatial.",
        )
    if training and recipe.spatial.crops > 1:
        raise ConfigError(
            "resize='device' puts several windows of one canvas into one row, but in training each is a row.",
            "Pass training=False, or a spatial with one window.",
        )


def _check_batches(inputs: PipelineInputs) -> None:
    records, (_, hosts) = len(inputs.index), inputs.config.shard
    size, replicas = inputs.config.batch_size, inputs.config.replicas
    if inputs.training and size % inputs.views:
        raise ConfigError(
            f"batch_size is {size}; one video gives {inputs.views} rows.",
            f"Choose a multiple of {inputs.views}, 1 or more.",
        )
    if records < hosts:
        raise ConfigError(
            f"{inputs.source.name} has {records} of the clips asked for, too few for {hosts} hosts.",
            "Use fewer hosts, a larger split or more classes.",
        )
    if inputs.batches == 0:
        raise ConfigError(
            f"{records} clips over {hosts} hosts do not fill {replicas} x {size} rows.",
            "Choose a smaller batch_size or more epochs.",
        )


def _audio(source: Source, sampling: Sampling, seconds: float | None) -> tuple[int, int]:
    """Returns samples beside each view and the rate; (0, 0) for no audio."""
    if seconds == 0 or (source.audio_rate is None and seconds is None):
        return 0, 0
    if source.audio_rate is None:
        raise ConfigError(
            f"{source.name} stores no audio, but audio_seconds is {seconds}.",
            "Build the dataset with a config whose audio_rate is set, or leave audio_seconds out.",
        )
    fps = sampling.fps or source.fps
    if seconds is None and (fps is None or isinstance(sampling, Segments)):
        raise ConfigError(
            f"How long a view of {source.name} is cannot be told beforehand, and so neither its audio.",
            "Pass audio_seconds (0 for no audio), or a sampling with fps.",
        )
    if seconds is None:
        seconds = sampling.num_frames * sampling.stride / (fps or 1.0)
    return round(seconds * source.audio_rate), source.audio_rate
