"""Kinetics-400, -600, -700 and -700-2020 for TensorFlow Datasets.

Importing this package registers the four builders with TFDS. It stays cheap: TFDS is not imported from here, so that
decode workers and commands that need no tensor start in a fraction of a second. For the same reason the public names
are imported when they are first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from kinetics_tfds.registration import register_with_tfds

if TYPE_CHECKING:
    from kinetics_tfds.annotations.annotation_set import AnnotationSet
    from kinetics_tfds.annotations.classes import map_class
    from kinetics_tfds.annotations.clip import Clip, Split
    from kinetics_tfds.annotations.read import read_annotations
    from kinetics_tfds.annotations.versions import VERSIONS, KineticsVersion, get_version
    from kinetics_tfds.config import KineticsConfig
    from kinetics_tfds.errors import KineticsError

_HOMES = {
    "VERSIONS": "annotations.versions",
    "AnnotationSet": "annotations.annotation_set",
    "Clip": "annotations.clip",
    "KineticsConfig": "config",
    "KineticsError": "errors",
    "KineticsVersion": "annotations.versions",
    "Split": "annotations.clip",
    "get_version": "annotations.versions",
    "map_class": "annotations.classes",
    "read_annotations": "annotations.read",
}

__all__ = [
    "VERSIONS",
    "AnnotationSet",
    "Clip",
    "KineticsConfig",
    "KineticsError",
    "KineticsVersion",
    "Split",
    "get_version",
    "map_class",
    "read_annotations",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value  # asked once
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


register_with_tfds()
