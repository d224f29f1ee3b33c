"""Finds clips that show the same, among half a million, by the perceptual hashes of a few of their frames."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Sequence

import numpy as np

from kinetics_tfds.inspection.flags import HASH_BITS

# Two clips are near-duplicates when each hashed frame differs in at most this many of its 64 bits: re-encoding, scaling
# and a shift by a frame change a few, another scene about half of them.
MAX_DISTANCE = 6
# Within the distance, one of these bands of the middle frame's hash is the same, or differs in one bit, in both clips.
_BANDS = 4
_BAND_BITS = HASH_BITS // _BANDS
# A band that more clips share tells nothing: title cards, test pictures.
_LARGEST_BUCKET = 2000


@dataclasses.dataclass(frozen=True, order=True)
class Pair:
    """Two clips that show the same, by their places in the input; a < b.

    Attributes:
        a: the first.
        b: the second.
        distance: bits in which their most different hashed frames differ.
    """

    a: int
    b: int
    distance: int


def find_near_duplicates(hashes: Sequence[Sequence[int]]) -> list[Pair]:
    """Returns every pair of near-duplicates, sorted.

    Pairs whose middle frames differ in all bands by two bits and more are not found: at a distance of at most
    MAX_DISTANCE, that is none.

    Args:
        hashes: of each clip, as `ClipInspection.hashes`; clips without any have no duplicates.
    """
    clips = np.array([clip for clip, own in enumerate(hashes) if own], np.int64)
    if not len(clips):
        return []
    table = np.array([list(hashes[clip]) for clip in clips], np.uint64)
    found: dict[tuple[int, int], int] = {}
    for one, two in _candidates(table[:, table.shape[1] // 2]):
        distance = np.bitwise_count(table[one] ^ table[two]).max(axis=1)
        for place in np.flatnonzero(distance <= MAX_DISTANCE):
            a, b = sorted((int(clips[one[place]]), int(clips[two[place]])))
            found[a, b] = int(distance[place])
    return sorted(Pair(a, b, distance) for (a, b), distance in found.items())


def _candidates(middle: np.ndarray):
    """Yields arrays (one, two) of places whose middle hashes have a band that differs in one bit at most."""
    for band in range(_BANDS):
        values = ((middle >> np.uint64(band * _BAND_BITS)) & np.uint64((1 << _BAND_BITS) - 1)).astype(np.int64)
        order = np.argsort(values, kind="stable")
        starts = np.searchsorted(values[order], np.arange((1 << _BAND_BITS) + 1))
        buckets = {
            value: order[starts[value] : starts[value + 1]]
            for value in np.unique(values).tolist()
            if starts[value + 1] - starts[value] <= _LARGEST_BUCKET
        }
        for value, own in buckets.items():
            if len(own) > 1:
                one, two = np.triu_indices(len(own), 1)
                yield own[one], own[two]
            for bit in range(_BAND_BITS):
                other = buckets.get(value | 1 << bit) if not value >> bit & 1 else None
                if other is not None:
                    yield np.repeat(own, len(other)), np.tile(other, len(own))


def group(pairs: Sequence[Pair]) -> dict[int, list[Pair]]:
    """Returns the pairs that each clip is in, by the clip."""
    groups: dict[int, list[Pair]] = collections.defaultdict(list)
    for pair in pairs:
        groups[pair.a].append(pair)
        groups[pair.b].append(pair)
    return dict(groups)
