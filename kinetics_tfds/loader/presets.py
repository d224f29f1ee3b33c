"""The input pipelines of published models, by name: what each trains on, and how it is evaluated.

Values come from the files that `source` names, with their lines beside them in `model_presets/`; docs/presets.md is the
table of what agrees with the references and what differs.
"""

from __future__ import annotations

import os

from kinetics_tfds.loader.checks import unknown
from kinetics_tfds.loader.model_presets import google, mmaction2, slowfast, videomae
from kinetics_tfds.loader.recipe import Preset

PRESETS: dict[str, Preset] = {
    preset.name: preset for room in (slowfast, google, videomae, mmaction2) for preset in room.PRESETS
}


def get_preset(preset: str | os.PathLike[str] | Preset) -> Preset:
    """Returns a preset: one by name, one from a YAML file (a path that ends in .yaml or .yml), or the one passed.

    Raises:
        ConfigError: there is no preset of that name, or the file is at fault.
    """
    if isinstance(preset, Preset):
        return preset
    if os.fspath(preset).endswith((".yaml", ".yml")):
        from kinetics_tfds.loader.preset_files import load_preset  # it stands on this module

        return load_preset(preset)
    name = os.fspath(preset)
    if name not in PRESETS:
        raise unknown("preset", name, PRESETS)
    return PRESETS[name]
