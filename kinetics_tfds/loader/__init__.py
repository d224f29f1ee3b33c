"""From a prepared dataset to batches: sample frames, decode only those, crop, augment, batch.

Names are loaded when first used, so that importing the package stays cheap: TensorFlow alone takes seconds.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kinetics_tfds.loader.augment.auto_augment import AutoAugment as AutoAugment
    from kinetics_tfds.loader.augment.colour import ColourJitter as ColourJitter
    from kinetics_tfds.loader.augment.erasing import RandomErasing as RandomErasing
    from kinetics_tfds.loader.augment.mixing import MixupCutMix as MixupCutMix
    from kinetics_tfds.loader.augment.rand_augment import RandAugment as RandAugment
    from kinetics_tfds.loader.config import PipelineConfig as PipelineConfig
    from kinetics_tfds.loader.dataset import make_dataset as make_dataset
    from kinetics_tfds.loader.dataset import steps_per_epoch as steps_per_epoch
    from kinetics_tfds.loader.devices.device import finish as finish
    from kinetics_tfds.loader.devices.jax_batches import JaxBatches as JaxBatches
    from kinetics_tfds.loader.devices.jax_batches import local_rows as local_rows
    from kinetics_tfds.loader.evaluation import Scores as Scores
    from kinetics_tfds.loader.filmstrip import show as show
    from kinetics_tfds.loader.frames.pixels import NORMALISATIONS as NORMALISATIONS
    from kinetics_tfds.loader.frames.pixels import normalise as normalise
    from kinetics_tfds.loader.frames.reference_crops import DistortedBox as DistortedBox
    from kinetics_tfds.loader.frames.reference_crops import MultiScaleCrop as MultiScaleCrop
    from kinetics_tfds.loader.frames.reference_crops import TenCrop as TenCrop
    from kinetics_tfds.loader.frames.sampling import CentreClip as CentreClip
    from kinetics_tfds.loader.frames.sampling import RandomClip as RandomClip
    from kinetics_tfds.loader.frames.sampling import Segments as Segments
    from kinetics_tfds.loader.frames.sampling import UniformClips as UniformClips
    from kinetics_tfds.loader.frames.spatial import CentreCrop as CentreCrop
    from kinetics_tfds.loader.frames.spatial import RandomResizedCrop as RandomResizedCrop
    from kinetics_tfds.loader.frames.spatial import Resize as Resize
    from kinetics_tfds.loader.frames.spatial import ScaleJitter as ScaleJitter
    from kinetics_tfds.loader.frames.spatial import ThreeCrop as ThreeCrop
    from kinetics_tfds.loader.preset_files import load_preset as load_preset
    from kinetics_tfds.loader.presets import PRESETS as PRESETS
    from kinetics_tfds.loader.presets import get_preset as get_preset
    from kinetics_tfds.loader.random_access.source import Clip as Clip
    from kinetics_tfds.loader.random_access.source import ClipSource as ClipSource
    from kinetics_tfds.loader.recipe import Preset as Preset
    from kinetics_tfds.loader.recipe import Recipe as Recipe

# Public name -> the module that holds it, in the order of a clip's way through the loader.
_EXPORTS = {
    "make_dataset": "dataset",
    "PipelineConfig": "config",
    "steps_per_epoch": "dataset",
    "Recipe": "recipe",
    "Preset": "recipe",
    "PRESETS": "presets",
    "get_preset": "presets",
    "load_preset": "preset_files",
    "RandomClip": "frames.sampling",
    "CentreClip": "frames.sampling",
    "UniformClips": "frames.sampling",
    "Segments": "frames.sampling",
    "RandomResizedCrop": "frames.spatial",
    "ScaleJitter": "frames.spatial",
    "CentreCrop": "frames.spatial",
    "ThreeCrop": "frames.spatial",
    "Resize": "frames.spatial",
    "DistortedBox": "frames.reference_crops",
    "MultiScaleCrop": "frames.reference_crops",
    "TenCrop": "frames.reference_crops",
    "ColourJitter": "augment.colour",
    "RandAugment": "augment.rand_augment",
    "AutoAugment": "augment.auto_augment",
    "RandomErasing": "augment.erasing",
    "MixupCutMix": "augment.mixing",
    "normalise": "frames.pixels",
    "NORMALISATIONS": "frames.pixels",
    "finish": "devices.device",
    "Scores": "evaluation",
    "JaxBatches": "devices.jax_batches",
    "local_rows": "devices.jax_batches",
    "show": "filmstrip",
    "ClipSource": "random_access.source",
    "Clip": "random_access.source",
}


def __getattr__(name: str) -> Any:
    if name not in _EXPORTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_EXPORTS[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_EXPORTS])
