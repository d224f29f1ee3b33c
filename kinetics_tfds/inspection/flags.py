"""Quality flags of one clip, from a few of its frames."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Sequence

import cv2
import imagehash
import numpy as np
from PIL import Image

FRAMES = 16  # sampled per clip, evenly, the first and the last among them
HASHED_FRAMES = 3  # of them
HASH_BITS = 64

_DARK = 24  # luma below which a pixel counts as black: video black is 16
_STILL = 0.75  # mean absolute difference of luma between two frames that show the same: what coding noise makes
_BAR_SHARE = 0.08  # height or width of each bar, as a share of the frame
_FROZEN_SHARE = 0.25  # of the clip's end
_TINY_SIDE = 120  # pixels of the source's shorter side


class Flag(enum.StrEnum):
    """What may be wrong with a clip. The words are fixed: tables, filters and scripts rely on them."""

    STATIC = "static"  # one picture from beginning to end
    BLACK = "black"  # nine of ten sampled frames are black
    FROZEN_ENDING = "frozen_ending"  # moves, and shows one picture for the last quarter
    LETTERBOXED = "letterboxed"  # black bars above and below, or left and right, in every sampled frame
    TINY = "tiny"  # the source's shorter side has less than 120 pixels
    NEAR_DUPLICATE = "near_duplicate"  # another clip shows the same


@dataclasses.dataclass(frozen=True)
class ClipInspection:
    """What inspecting one clip found.

    Attributes:
        flags: without NEAR_DUPLICATE, which only a look at all clips can tell.
        hashes: HASHED_FRAMES perceptual hashes of HASH_BITS bits, from the beginning, middle and end; empty for a clip
            without features to tell it from others (black, or nearly one colour).
    """

    flags: tuple[Flag, ...]
    hashes: tuple[int, ...]


def sampled_indices(frames: int) -> list[int]:
    """Returns which frames of a clip are looked at.

    >>> sampled_indices(4), sampled_indices(300)[-1]
    ([0, 1, 2, 3], 299)
    """
    return sorted({round(index) for index in np.linspace(0, frames - 1, min(frames, FRAMES))}) if frames else []


def inspect_clip(frames: Sequence[bytes], source_width: int, source_height: int) -> ClipInspection | None:
    """Looks at a clip.

    Args:
        frames: T JPEG images of one size, those of `sampled_indices`.
        source_width: of the source, in pixels.
        source_height: likewise.

    Returns:
        What was found; None where a frame does not decode.
    """
    lumas = [cv2.imdecode(np.frombuffer(frame, np.uint8), cv2.IMREAD_REDUCED_GRAYSCALE_2) for frame in frames]
    intact = [luma for luma in lumas if luma is not None]
    if not intact or len(intact) < len(lumas) or len({luma.shape for luma in intact}) > 1:
        return None
    clip = np.stack(intact)
    flags = _picture_flags(clip)
    if 0 < min(source_width, source_height) < _TINY_SIDE:
        flags.append(Flag.TINY)
    plain = Flag.BLACK in flags or float(clip.std(axis=(1, 2)).max()) < 4
    places = np.linspace(0, len(clip) - 1, HASHED_FRAMES).round().astype(int)
    return ClipInspection(tuple(flags), () if plain else tuple(_hash(clip[place]) for place in places))


def _picture_flags(clip: np.ndarray) -> list[Flag]:
    """Returns what the frames, uint8 [T, H, W] of luma, show."""
    if np.mean(np.quantile(clip, 0.98, axis=(1, 2)) < _DARK) >= 0.9:
        return [Flag.BLACK]
    flags = []
    to_last = np.array([np.mean(cv2.absdiff(frame, clip[-1])) for frame in clip])
    still = len(clip) - int(np.argmax(to_last[::-1] >= _STILL)) if (to_last >= _STILL).any() else 0
    if len(clip) > 1 and still == 0:
        flags.append(Flag.STATIC)
    elif len(clip) >= 8 and len(clip) - still >= _FROZEN_SHARE * len(clip):
        flags.append(Flag.FROZEN_ENDING)
    brightest = clip.max(axis=0)
    if any(_has_bars(brightest.max(axis=axis)) for axis in (0, 1)):
        flags.append(Flag.LETTERBOXED)
    return flags


def _has_bars(line: np.ndarray) -> bool:
    """Returns whether a line of brightest pixels, uint8 [N], is black at both ends and not in the middle."""
    bright = np.flatnonzero(line >= _DARK)
    need = max(2, round(_BAR_SHARE * len(line)))
    return len(bright) > 0 and bright[0] >= need and len(line) - 1 - bright[-1] >= need


def _hash(luma: np.ndarray) -> int:
    return int(str(imagehash.phash(Image.fromarray(luma))), 16)
