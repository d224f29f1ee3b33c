"""Means and deviations that presets share, on the scale of [0, 1]."""

from __future__ import annotations

from typing import TypedDict

from kinetics_tfds.loader.frames.pixels import NORMALISATIONS, Colour


class Normalisation(TypedDict):
    """What a Recipe takes."""

    mean: Colour
    std: Colour


def _named(name: str) -> Normalisation:
    mean, std = NORMALISATIONS[name]
    return {"mean": mean, "std": std}


# PySlowFast's DATA.MEAN and DATA.STD (slowfast/config/defaults.py), also those of MViTv2-S and B.
SLOWFAST = _named("slowfast")
IMAGENET = _named("imagenet")
MINUS_ONE_TO_ONE = _named("minus_one_to_one")
ZERO_TO_ONE = _named("zero_to_one")
