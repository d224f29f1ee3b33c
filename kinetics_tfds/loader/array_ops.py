"""TensorFlow's operations for tensors, NumPy's for arrays, under TensorFlow's names.

Rules that choose frames and windows are written once: `from kinetics_tfds.loader import array_ops as tf`. TensorFlow is
imported when the first of its operations is used.
"""

from __future__ import annotations

import importlib
from typing import Any


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module("tensorflow"), name)
