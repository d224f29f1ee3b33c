"""What `make_dataset` can be told, in one place: its own options, `kinetics bench` and the benchmarks all are this."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from kinetics_tfds.errors import ConfigError
from kinetics_tfds.loader.checks import unknown
from kinetics_tfds.loader.frames.sampling import Sampling
from kinetics_tfds.loader.frames.spatial import Spatial
from kinetics_tfds.loader.presets import get_preset
from kinetics_tfds.loader.recipe import Augment, Mix, Preset, Recipe

_DTYPES = ("uint8", "float32", "bfloat16", "float16")


@dataclasses.dataclass(frozen=True, kw_only=True)
class PipelineConfig:
    """How the records of a split become batches.

    Attributes:
        batch_size: rows in a batch of this host, B. Views drawn from one video (`RandomClip(clips=…)`) are rows of
            their own, side by side, and must divide it.
        preset: a preset's name, its YAML file or itself. What follows overrides its fields.
        sampling: which frames.
        spatial: which window of them, at what size.
        augment: changes of decoded clips, in order; training only. None: those of the preset.
        mix: mixes batches; training only. None: no mixing; "preset": as the preset does.
        seed: 0 to 2**31 - 1.
        training: shuffle and repeat; or give each video once, in order. None: whether the split is `train`.
        epochs: passes over the split in training; None: without end. Batches run across the ends of epochs.
        shard: index of this host and number of hosts.
        reshard: accept an iterator's state that another number of hosts saved, or with another batch_size. Hosts share
            one place in the order, so any host's state of the same step will do, and the clips that follow come once.
        replicas: devices of this host that take batches in turn, as `tf.distribute` does with
            `distribute_datasets_from_function`; the number of batches is a multiple of it. `tf.distribute` leaves out
            the last batches if they are too few for all replicas, and their videos with them.
        classes: names or indices of the classes to keep; labels stay those of the whole dataset.
        clips_per_class: so many clips of each class, drawn by the seed, the same in all epochs; None: all.
        weights: how often clips come in training: `class_balanced`, or class -> weight, 1 for those not named. An epoch
            stays as long as it was; None: each clip once.
        frame_times: adds `frame_index` int32 [B, T] or [B, V, T], the stored frames that `video` shows, and
            `frame_time` float32, their times in seconds.
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
        parallelism: threads; None: one per core.
        service: address of a tf.data service's dispatcher, `grpc://host:port`, whose workers do the work. Order then
            depends on timing, and iterators cannot be saved: see `service.py`.
    """

    batch_size: int
    preset: str | Preset | None = None
    sampling: Sampling | None = None
    spatial: Spatial | None = None
    augment: Sequence[Augment] | None = None
    mix: Mix | Literal["preset"] | None = "preset"
    seed: int = 0
    training: bool | None = None
    epochs: int | None = None
    shard: tuple[int, int] = (0, 1)
    reshard: bool = False
    replicas: int = 1
    classes: Iterable[str | int] | None = None
    clips_per_class: int | None = None
    weights: Literal["class_balanced"] | Mapping[str | int, float] | None = None
    frame_times: bool = False
    dtype: Literal["uint8", "float32", "bfloat16", "float16"] = "uint8"
    resize: Literal["host", "device"] = "host"
    canvas: tuple[int, int] | None = None
    audio_seconds: float | None = None
    on_damage: Literal["raise", "skip"] = "raise"
    parallelism: int | None = None
    service: str | None = None

    def __post_init__(self) -> None:
        if self.classes is not None:
            object.__setattr__(self, "classes", tuple(self.classes))
        hosts = "(index of this host, number of hosts), such as (jax.process_index(), jax.process_count())"
        self._require("batch_size", self.batch_size >= 1, "1 or more")
        self._require("seed", 0 <= self.seed < 2**31, "0 to 2**31 - 1")
        self._require("epochs", self.epochs is None or self.epochs >= 1, "1 or more, or None for no end")
        self._require("shard", 0 <= self.shard[0] < self.shard[1], hosts)
        self._require("replicas", self.replicas >= 1, "strategy.num_replicas_in_sync over the number of hosts")
        several = self.clips_per_class is None or self.clips_per_class >= 1
        self._require("clips_per_class", several, "1 or more, or None for all")
        self._require("augment", all(map(callable, self.augment or ())), "functions of (video, seed)")
        self._require("dtype", self.dtype in _DTYPES, f"one of {', '.join(_DTYPES)}")
        self._require("resize", self.resize in ("host", "device"), "'host' or 'device'")
        self._require("on_damage", self.on_damage in ("raise", "skip"), "'raise' or 'skip'")
        self._require("mix", self.mix == "preset" or not isinstance(self.mix, str), "a Mix, None or 'preset'")

    @classmethod
    def of(cls, **options: Any) -> PipelineConfig:
        """Returns a config of keyword arguments.

        Raises:
            ConfigError: a name is unknown, batch_size is missing, or a value is out of range.
        """
        known = [field.name for field in dataclasses.fields(cls)]
        for name in options:
            if name not in known:
                raise unknown("option of make_dataset", name, known)
        if "batch_size" not in options:
            raise ConfigError("make_dataset got no batch_size.", "Pass batch_size, the rows in a batch of this host.")
        return cls(**options)

    def is_training(self, split: Any) -> bool:
        """Returns whether a split's batches are for training.

        Raises:
            ConfigError: neither `training` nor the split's name says so.
        """
        if self.training is not None:
            return self.training
        names = {part.split("[")[0].strip() for part in split.split("+")} if isinstance(split, str) else set()
        if not names or ("train" in names and len(names) > 1):
            raise ConfigError(
                f"Whether to train on {split!r} or to evaluate cannot be told from its name.",
                "Pass training=True or training=False.",
            )
        return names == {"train"}

    def recipe(self, training: bool) -> Recipe:
        """Returns the preset's recipe with what overrides it.

        Raises:
            ConfigError: there is no such preset, or neither a preset nor what it would give.
        """
        fields: dict[str, Any] = {
            name: getattr(self, name) for name in ("sampling", "spatial") if getattr(self, name) is not None
        }
        if self.augment is not None:
            fields["augment"] = tuple(self.augment)
        if self.mix != "preset":
            fields["mix"] = self.mix
        if self.preset is not None:
            preset = get_preset(self.preset)
            return dataclasses.replace(preset.train if training else preset.evaluate, **fields)
        for name in ("sampling", "spatial"):
            if name not in fields:
                raise ConfigError(
                    f"make_dataset got neither a preset nor {name}.",
                    "Pass preset='slowfast_8x8', or both sampling=RandomClip(32, 2) and "
                    "spatial=RandomResizedCrop(224).",
                )
        return Recipe(**fields)

    def _require(self, name: str, valid: bool, expected: str) -> None:
        if not valid:
            raise ConfigError(f"{name} is {getattr(self, name)!r}.", f"Give {expected}.")
