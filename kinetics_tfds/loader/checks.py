"""How options check themselves."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

from kinetics_tfds.errors import ConfigError


def require(option: object, key: str, valid: bool, expected: str) -> None:
    """Raises a ConfigError that names the option, its value and what was expected, unless `valid`."""
    if not valid:
        raise ConfigError(
            f"{type(option).__name__}: {key} is {getattr(option, key)!r}, expected {expected}.",
            f"Set {key} to a value in range, or leave it out for the default.",
        )


def unknown(what: str, name: str, known: Iterable[str]) -> ConfigError:
    """Returns the error for a name that is not known, with the nearest one that is."""
    known = list(known)
    nearest = difflib.get_close_matches(name, known, n=1)
    hint = f"Did you mean {nearest[0]!r}? " if nearest else ""
    return ConfigError(f"Unknown {what} {name!r}.", f"{hint}Known: {', '.join(known)}.")


def clip_size(video: Any) -> tuple[int, int, int]:
    """Returns frames, height and width of a clip (a tensor [..., T, H, W, 3]), which must be known beforehand."""
    *_, frames, height, width, _ = video.shape
    if frames is None or height is None or width is None:
        raise ConfigError(
            f"A clip has the shape {video.shape}, which leaves its size open.",
            "Give the tensor a static shape first: tf.ensure_shape(video, [T, H, W, 3]).",
        )
    return frames, height, width
