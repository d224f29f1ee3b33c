"""The plan of a pipeline: every choice made and checked before anything is read."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Sequence
from typing import Any, Literal

import tensorflow_datasets as tfds

from kinetics_tfds.errors import ConfigError
from kinetics_tfds.loader.batching import Batching
from kinetics_tfds.loader.frames.canvas import default_canvas
from kinetics_tfds.loader.frames.choosing import Choice
from kinetics_tfds.loader.frames.decoding import Decoding
from kinetics_tfds.loader.frames.sampling import Sampling, Segments
from kinetics_tfds.loader.frames.spatial import Spatial
from kinetics_tfds.loader.presets import Preset, get_preset
from kinetics_tfds.loader.recipe import Augment, Mix, Recipe
from kinetics_tfds.loader.records.index import Index, read_index
from kinetics_tfds.loader.records.source import Source, class_indices, open_source
from kinetics_tfds.loader.sharding import check_shard

# Stands for "not given", where None is a choice.
UNSET: Any = object()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
    """One pipeline, all choices made.

    Attributes:
        index: the records.
        recipe: what happens to them.
        choice: the choosing stage.
        decoding: the decoding stage.
        batching: the batching stage.
        training: shuffle, augment, mix and repeat; or one pass in order.
        seed: 0 to 2**31 - 1.
        epochs: passes over the records; None: without end.
        shard: index of this host and number of hosts.
        on_damage: `raise`, or `skip` and count.
        remote: whether reading is slow to start: records lie behind a protocol of their own.
        parallelism: threads; None: one a core.
    """

    index: Index
    recipe: Recipe
    choice: Choice
    decoding: Decoding
    batching: Batching
    training: bool
    seed: int
    epochs: int | None
    shard: tuple[int, int]
    on_damage: Literal["raise", "skip"]
    remote: bool
    parallelism: int | None


def make_plan(
    builder: tfds.core.DatasetBuilder,
    split: str,
    *,
    preset: str | Preset | None,
    sampling: Sampling | None,
    spatial: Spatial | None,
    augment: Sequence[Augment] | None,
    mix: Mix | None,
    batch_size: int,
    seed: int,
    training: bool | None,
    epochs: int | None,
    shard: tuple[int, int],
    replicas: int = 1,
    classes: Iterable[str | int] | None,
    dtype: str,
    resize: str,
    canvas: tuple[int, int] | None,
    audio_seconds: float | None,
    on_damage: Literal["raise", "skip"],
    parallelism: int | None,
) -> Plan:
    """Returns the plan that these arguments of `make_dataset` stand for; see there."""
    source = open_source(builder, split)
    training = _is_training(split) if training is None else training
    recipe = _recipe(preset, training, sampling=sampling, spatial=spatial, augment=augment, mix=mix)
    _check(recipe, training, seed, epochs, dtype, resize, on_damage)
    index = read_index(source)
    if classes is not None:
        index = index.only(class_indices(source, classes))
    batching = Batching(
        recipe=recipe,
        size=batch_size,
        training=training,
        views=recipe.sampling.views * recipe.spatial.crops,
        batches=None,
        dtype=dtype,
        num_classes=len(source.class_names),
    )
    batches = _batches(source, index, batching, check_shard(shard), replicas, epochs)
    return Plan(
        index=index,
        recipe=recipe,
        choice=Choice(recipe.sampling, seed, *_audio(source, recipe.sampling, audio_seconds)),
        decoding=Decoding(
            spatial=recipe.spatial,
            views=recipe.sampling.views,
            frames=recipe.sampling.num_frames,
            canvas=(canvas or default_canvas(source, recipe.spatial)) if resize == "device" else None,
        ),
        batching=dataclasses.replace(batching, batches=batches),
        training=training,
        seed=seed,
        epochs=epochs,
        shard=shard,
        on_damage=on_damage,
        remote=source.remote,
        parallelism=parallelism,
    )


def _is_training(split: Any) -> bool:
    names = {part.split("[")[0].strip() for part in split.split("+")} if isinstance(split, str) else set()
    if not names or ("train" in names and len(names) > 1):
        raise ConfigError(
            f"Whether to train on {split!r} or to evaluate cannot be told from its name.",
            "Pass training=True or training=False.",
        )
    return names == {"train"}


def _recipe(preset: str | Preset | None, training: bool, **overrides: Any) -> Recipe:
    fields = {key: value for key, value in overrides.items() if value is not None and value is not UNSET}
    if overrides["mix"] is None:
        fields["mix"] = None
    if "augment" in fields:
        fields["augment"] = tuple(fields["augment"])
    if preset is not None:
        found = get_preset(preset)
        return dataclasses.replace(found.train if training else found.evaluate, **fields)
    missing = [key for key in ("sampling", "spatial") if key not in fields]
    if missing:
        raise ConfigError(
            f"make_dataset got neither a preset nor {missing[0]}.",
            "Pass preset='slowfast_8x8', or both sampling=RandomClip(32, 2) and spatial=RandomResizedCrop(224).",
        )
    return Recipe(**fields)


def _check(
    recipe: Recipe, training: bool, seed: int, epochs: int | None, dtype: str, resize: str, on_damage: str
) -> None:
    def require(valid: bool, problem: str, next_step: str) -> None:
        if not valid:
            raise ConfigError(problem, next_step)

    require(0 <= seed < 2**31, f"seed is {seed}.", "Choose 0 to 2**31 - 1.")
    require(epochs is None or training, f"epochs is {epochs} in evaluation.", "Leave it out: each video comes once.")
    require(epochs is None or epochs >= 1, f"epochs is {epochs}.", "Choose 1 or more, or None for no end.")
    known = ("uint8", "float32", "bfloat16", "float16")
    require(dtype in known, f"dtype is {dtype!r}.", f"Choose one of {', '.join(known)}.")
    require(resize in ("host", "device"), f"resize is {resize!r}.", "Choose 'host' or 'device'.")
    require(on_damage in ("raise", "skip"), f"on_damage is {on_damage!r}.", "Choose 'raise' or 'skip'.")
    if resize == "device":
        changes = training and (recipe.augment or recipe.mix)
        require(
            not changes and dtype == "uint8",
            "resize='device' gives canvases, which cannot be augmented, mixed or normalised on the host.",
            "Pass augment=(), mix=None and dtype='uint8', and do these on the device after `finish`.",
        )
        require(
            not training or recipe.spatial.crops == 1,
            "resize='device' puts several windows of one canvas into one row, but in training each is a row.",
            "Pass training=False, or a spatial with one window.",
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


def _batches(
    source: Source, index: Index, batching: Batching, shard: tuple[int, int], replicas: int, epochs: int | None
) -> int | None:
    """Returns how many batches every host gives; None: no end."""
    records, (_, hosts) = len(index), shard
    if batching.size < 1 or (batching.training and batching.size % batching.views):
        raise ConfigError(
            f"batch_size is {batching.size}; one video gives {batching.views} rows.",
            f"Choose a multiple of {batching.views}, 1 or more.",
        )
    if records < hosts:
        raise ConfigError(
            f"{source.name} has {records} of the chosen clips, too few for {hosts} hosts.",
            "Use fewer hosts, a larger split or more classes.",
        )
    if replicas < 1:
        raise ConfigError(f"replicas is {replicas}.", "Give strategy.num_replicas_in_sync over the number of hosts.")
    if not batching.training:
        # The host with the largest part decides; the others fill up with padding.
        return math.ceil(math.ceil(records / hosts) / (batching.size * replicas)) * replicas
    if epochs is None:
        return None
    batches = records // hosts * epochs // (batching.size // batching.views * replicas) * replicas
    if batches == 0:
        raise ConfigError(
            f"{records} clips over {hosts} hosts do not fill {replicas} x {batching.size} rows.",
            "Choose a smaller batch_size or more epochs.",
        )
    return batches
