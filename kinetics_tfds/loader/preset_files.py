"""Presets as YAML files: the same dataclasses, written down.

base: slowfast_8x8              # optional: start from this preset and change what follows
name: slowfast_112
train:
  spatial: {size: 112, short_side: [128, 160]}       # no kind: these fields of the base's option
  augment:
    - {kind: RandAugment, magnitude: 5}
evaluate:
  sampling: {kind: CentreClip, num_frames: 32, stride: 2}
"""

from __future__ import annotations

import dataclasses
import os
from typing import Any

import yaml
from etils import epath

from kinetics_tfds.errors import ConfigError
from kinetics_tfds.loader.augment.auto_augment import AutoAugment
from kinetics_tfds.loader.augment.colour import ColourJitter
from kinetics_tfds.loader.augment.erasing import RandomErasing
from kinetics_tfds.loader.augment.mixing import MixupCutMix
from kinetics_tfds.loader.augment.rand_augment import RandAugment
from kinetics_tfds.loader.checks import unknown
from kinetics_tfds.loader.frames.reference_crops import DistortedBox, MultiScaleCrop, TenCrop
from kinetics_tfds.loader.frames.sampling import CentreClip, RandomClip, Segments, UniformClips
from kinetics_tfds.loader.frames.spatial import CentreCrop, RandomResizedCrop, Resize, ScaleJitter, ThreeCrop
from kinetics_tfds.loader.presets import PRESETS
from kinetics_tfds.loader.recipe import Preset, Recipe

# Recipe field -> the options it takes.
_KINDS: dict[str, dict[str, type]] = {
    "sampling": {kind.__name__: kind for kind in (RandomClip, CentreClip, UniformClips, Segments)},
    "spatial": {
        kind.__name__: kind
        for kind in (
            *(RandomResizedCrop, ScaleJitter, DistortedBox, MultiScaleCrop),
            *(CentreCrop, ThreeCrop, TenCrop, Resize),
        )
    },
    "augment": {kind.__name__: kind for kind in (ColourJitter, RandAugment, AutoAugment, RandomErasing)},
    "mix": {kind.__name__: kind for kind in (MixupCutMix,)},
}


def load_preset(path: str | os.PathLike[str]) -> Preset:
    """Returns the preset of a YAML file.

    Raises:
        ConfigError: the file is not there or not YAML, or a key or value is not one of an option's.
    """
    where = os.fspath(path)
    try:
        text = epath.Path(where).read_text()
    except OSError as error:
        raise ConfigError(f"The preset {where} cannot be read: {error}.", "Give the path of a YAML file.") from error
    try:
        tree = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"The preset {where} is not YAML: {error}.", "Mend the line it names.") from error
    return parse_preset(tree, where)


def parse_preset(tree: Any, where: str = "preset") -> Preset:
    """Returns the preset of a parsed YAML file; `where` is what errors call it."""
    tree = _mapping(tree, where, ("base", "name", "source", "train", "evaluate"))
    base = None
    if "base" in tree:
        if tree["base"] not in PRESETS:
            raise unknown(f"preset in {where}: base", str(tree["base"]), PRESETS)
        base = PRESETS[tree["base"]]
    if "name" not in tree:
        raise ConfigError(f"{where} has no name.", "Add a line `name: …`, which batches and messages can call it by.")
    recipes = {}
    for part in ("train", "evaluate"):
        start = getattr(base, part) if base else None
        if part not in tree and start is None:
            raise ConfigError(f"{where} has no part {part!r}.", "Add it, or name a preset to start from in `base`.")
        recipes[part] = _recipe(tree.get(part, {}), start, f"{where}: {part}")
    return Preset(name=str(tree["name"]), source=str(tree.get("source", where)), **recipes)


def dump_preset(preset: Preset) -> str:
    """Returns the preset as YAML that `load_preset` reads back."""
    tree = {
        "name": preset.name,
        "source": preset.source,
        "train": _plain(preset.train),
        "evaluate": _plain(preset.evaluate),
    }
    return yaml.safe_dump(tree, sort_keys=False, allow_unicode=True, default_flow_style=None, width=100)


def _recipe(tree: Any, base: Recipe | None, where: str) -> Recipe:
    tree = _mapping(tree, where, [field.name for field in dataclasses.fields(Recipe)])
    values: dict[str, Any] = {}
    for key, value in tree.items():
        here = f"{where}.{key}"
        if key == "augment":
            if not isinstance(value, list):
                raise ConfigError(f"{here} is {value!r}.", "Write a list of options, each with its kind; [] for none.")
            values[key] = tuple(_option(key, item, None, f"{here}[{i}]") for i, item in enumerate(value))
        elif key in _KINDS:
            values[key] = _option(key, value, getattr(base, key, None), here)
        else:
            values[key] = _frozen(value)
    return _build(lambda: dataclasses.replace(base, **values) if base else Recipe(**values), where)


def _option(field: str, tree: Any, base: Any, where: str) -> Any:
    if tree is None and field == "mix":
        return None
    kinds = _KINDS[field]
    kind = tree.get("kind") if isinstance(tree, dict) else None
    if kind is None and base is None:
        raise ConfigError(f"{where} names no kind.", f"Add `kind:` and one of {', '.join(kinds)}.")
    if kind is not None and kind not in kinds:
        raise unknown(f"kind in {where}", str(kind), kinds)
    cls = kinds[kind] if kind else type(base)
    known = [field.name for field in dataclasses.fields(cls)]
    values = {key: _frozen(value) for key, value in _mapping(tree, where, [*known, "kind"]).items() if key != "kind"}
    return _build(lambda: dataclasses.replace(base, **values) if kind is None else cls(**values), where)


def _build(make: Any, where: str) -> Any:
    try:
        return make()
    except ConfigError as error:
        raise ConfigError(f"{where}: {error.problem}", error.next_step) from error
    except TypeError as error:
        # A key is missing, or a value is of another type than its check can compare.
        message = str(error).removeprefix("__init__() ")
        raise ConfigError(
            f"{where} does not fit: {message}.", "Set the key it names, in the form of its default."
        ) from error


def _mapping(tree: Any, where: str, known: Any) -> dict[str, Any]:
    if not isinstance(tree, dict):
        raise ConfigError(f"{where} is {tree!r}.", f"Write keys and values; known keys: {', '.join(known)}.")
    for key in tree:
        if key not in known:
            raise unknown(f"key in {where}:", str(key), known)
    return tree


def _frozen(value: Any) -> Any:
    return tuple(_frozen(item) for item in value) if isinstance(value, list) else value


def _plain(option: Any) -> Any:
    if isinstance(option, (tuple, list)):
        return [_plain(item) for item in option]
    if not dataclasses.is_dataclass(option):
        return option
    # Recipes are told by where they stand; an option needs its kind.
    tree: dict[str, Any] = {} if isinstance(option, Recipe) else {"kind": type(option).__name__}
    for field in dataclasses.fields(option):
        tree[field.name] = _plain(getattr(option, field.name))
    return tree
