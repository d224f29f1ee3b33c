"""What happens to a clip between its record and its batch: one frozen value, and the seams that stages plug into.

A stage gets its randomness as a stateless seed and must use nothing else: then a batch is a function of the seed, the
epoch and the examples' keys, whatever the parallelism.
"""

from __future__ import annotations

import dataclasses
from typing import Protocol, runtime_checkable

from kinetics_tfds.errors import ConfigError
from kinetics_tfds.loader import array_ops as tf
from kinetics_tfds.loader.frames.sampling import Sampling
from kinetics_tfds.loader.frames.spatial import Spatial


@runtime_checkable
class Augment(Protocol):
    """Changes one clip's pixels; the same way in every frame."""

    def __call__(self, video: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Returns the clip changed.

        Args:
            video: uint8 [T, H, W, 3], static shape.
            seed: int32 [2], for stateless ops only. Each stage of a clip gets a seed of its own.

        Returns:
            uint8 [T, H, W, 3].
        """
        ...


@runtime_checkable
class Mix(Protocol):
    """Mixes the clips of one training batch and makes their labels soft."""

    def __call__(self, batch: dict[str, tf.Tensor], seed: tf.Tensor, num_classes: int) -> dict[str, tf.Tensor]:
        """Returns the batch with `video` mixed, and `label` as float32 [B, num_classes].

        Args:
            batch: `video` uint8 [B, T, H, W, 3], `label` int32 [B], and the rest, which stays as it is.
            seed: int32 [2], a function of the loader's seed and of the batch's examples.
            num_classes: the width of the soft labels.
        """
        ...


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recipe:
    """The choices that make batches out of records.

    Attributes:
        sampling: which frames.
        spatial: which window of them, at what size.
        augment: changes of the decoded clip, in order; training only.
        mix: mixes whole batches; training only.
        mean: a number or one a channel, on the scale of [0, 1]; used where `dtype` is a float and by `normalise`.
        std: likewise.
    """

    sampling: Sampling
    spatial: Spatial
    augment: tuple[Augment, ...] = ()
    mix: Mix | None = None
    mean: float | tuple[float, float, float] = 0.0
    std: float | tuple[float, float, float] = 1.0

    def __post_init__(self) -> None:
        if not isinstance(self.sampling, Sampling):
            raise ConfigError(
                f"sampling is {self.sampling!r}, which chooses no frames.",
                "Pass RandomClip, CentreClip, UniformClips or Segments of kinetics_tfds.loader.",
            )
        if not isinstance(self.spatial, Spatial):
            raise ConfigError(
                f"spatial is {self.spatial!r}, which gives no crop window.",
                "Pass RandomResizedCrop, ScaleJitter, CentreCrop, ThreeCrop or Resize of kinetics_tfds.loader.",
            )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Preset:
    """One model's input pipelines.

    `dataclasses.replace` changes fields, of a preset as of its recipes.

    Attributes:
        name: what `make_dataset(preset=…)` takes.
        train: training batches.
        evaluate: evaluation views.
        source: where the values come from.
    """

    name: str
    train: Recipe
    evaluate: Recipe
    source: str = ""
