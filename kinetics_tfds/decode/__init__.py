"""From a media file to JPEG frames and audio, inside worker processes with limits.

`DecodePool` is what a build uses, `decode_clip` what its workers run. Every name is imported when it is asked for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kinetics_tfds.decode.clip import decode_clip
    from kinetics_tfds.decode.failure import DecodeError
    from kinetics_tfds.decode.pool import DecodePool
    from kinetics_tfds.decode.probe import MediaInfo, probe_media
    from kinetics_tfds.decode.revision import DECODER_REVISION, versions
    from kinetics_tfds.decode.types import (
        DecodedClip,
        DecodeFailure,
        DecodeLimits,
        DecodeRequest,
        DecodeSettings,
        FailureReason,
    )

_HOMES = {
    "types": ("DecodeRequest", "DecodeSettings", "DecodeLimits", "DecodedClip", "DecodeFailure", "FailureReason"),
    "clip": ("decode_clip",),
    "failure": ("DecodeError",),
    "pool": ("DecodePool",),
    "probe": ("MediaInfo", "probe_media"),
    "revision": ("DECODER_REVISION", "versions"),
}

__all__ = [
    "DecodeRequest",
    "DecodeSettings",
    "DecodeLimits",
    "DecodedClip",
    "DecodeFailure",
    "FailureReason",
    "decode_clip",
    "DecodeError",
    "DecodePool",
    "MediaInfo",
    "probe_media",
    "DECODER_REVISION",
    "versions",
]


def __getattr__(name: str) -> Any:
    home = next((home for home, names in _HOMES.items() if name in names), None)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value
