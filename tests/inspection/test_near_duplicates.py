"""Near-duplicates are those that a comparison of all pairs finds, at any number of clips."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinetics_tfds.inspection.near_duplicates import MAX_DISTANCE, find_near_duplicates, group

seeds = st.integers(0, 2**32)


def make_hashes(seed, clips):
    """Hashes of which some are near each other, by up to 8 bits in each frame."""
    generator = random.Random(seed)
    originals = [[generator.getrandbits(64) for _ in range(3)] for _ in range(max(1, clips // 3))]
    made = []
    for _ in range(clips):
        clip = list(generator.choice(originals))
        for place in range(3):
            for _ in range(generator.randrange(9)):
                clip[place] ^= 1 << generator.randrange(64)
        made.append(clip if generator.random() < 0.9 else [])
    return made


@given(seeds, st.integers(0, 40))
def test_every_pair_and_no_other(seed, clips):
    hashes = make_hashes(seed, clips)
    expected = [
        (a, b, distance)
        for a in range(clips)
        for b in range(a + 1, clips)
        if hashes[a] and hashes[b]
        for distance in [max((one ^ two).bit_count() for one, two in zip(hashes[a], hashes[b], strict=True))]
        if distance <= MAX_DISTANCE
    ]
    found = find_near_duplicates(hashes)
    assert [(pair.a, pair.b, pair.distance) for pair in found] == expected
    assert sum(map(len, group(found).values())) == 2 * len(found)


@pytest.mark.slow
def test_half_a_million_clips():
    generator = random.Random(0)
    hashes = [[generator.getrandbits(64) for _ in range(3)] for _ in range(500_000)]
    hashes[499_999] = [value ^ 0b1001 for value in hashes[7]]
    assert [(pair.a, pair.b, pair.distance) for pair in find_near_duplicates(hashes)] == [(7, 499_999, 2)]
