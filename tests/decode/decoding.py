"""Short ways for tests to decode a file."""

from __future__ import annotations

import dataclasses
import pathlib

import cv2
import numpy as np

from kinetics_tfds.clips.media import Span
from kinetics_tfds.decode.clip import decode_clip
from kinetics_tfds.decode.failure import DecodeError
from kinetics_tfds.decode.types import DecodedClip, DecodeFailure, DecodeLimits, DecodeRequest, DecodeSettings

DEFAULT = DecodeSettings()
SOURCE = DecodeSettings(short_side=None, fps=None)  # every frame as it is


def request_for(
    path: pathlib.Path | str, start: float = 0, end: float = 10, span: Span = Span.TRIMMED
) -> DecodeRequest:
    return DecodeRequest(pathlib.Path(path).name, str(path), span, start, end)


def decode(
    path: pathlib.Path | str,
    start: float = 0,
    end: float = 10,
    *,
    span: Span = Span.TRIMMED,
    settings: DecodeSettings = DEFAULT,
    limits: DecodeLimits | None = None,
    **changes,
) -> DecodedClip:
    """Decodes in this process; `changes` are settings."""
    return decode_clip(request_for(path, start, end, span), dataclasses.replace(settings, **changes), limits)


def failure_of(path: pathlib.Path | str, start: float = 0, end: float = 10, **options) -> DecodeFailure | None:
    """Returns why a file gives no clip, or None if it does."""
    try:
        decode(path, start, end, **options)
    except DecodeError as error:
        failure = error.failure
    else:
        return None
    assert failure.detail
    assert "\n" not in failure.detail
    assert str(path) not in failure.detail
    return failure


def images_of(clip: DecodedClip) -> list[np.ndarray]:
    """Returns the frames of a clip: uint8 [H, W, 3], red first."""
    return [cv2.imdecode(np.frombuffer(frame, np.uint8), cv2.IMREAD_COLOR)[..., ::-1] for frame in clip.frames]
