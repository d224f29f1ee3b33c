from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from kinetics_tfds.shards.failures import MIN_TRIED, exceeds, stops_early


@given(st.integers(0, 1000), st.integers(1, 10_000), st.floats(0, 1))
def test_never_on_the_first_few(failed, total, rate):
    tried = min(MIN_TRIED - 1, total)
    assert not stops_early(min(failed, tried), tried, total, rate)


@given(st.integers(100, 5000), st.floats(0, 0.5), st.integers(0, 2**32))
def test_a_build_at_its_limit_is_let_through(total, rate, seed):
    failures = [True] * int(rate * total) + [False] * (total - int(rate * total))
    random.Random(seed).shuffle(failures)
    failed = 0
    for tried, bad in enumerate(failures, start=1):
        failed += bad
        assert not stops_early(failed, tried, total, rate)
    assert not exceeds(failed, total, rate)


def test_a_bad_folder_is_noticed_early():
    generator = random.Random(0)
    failed = tried = 0
    while not stops_early(failed, tried, 500_000, 0.05):
        tried += 1
        failed += generator.random() < 0.10
    assert tried < 3000


def test_the_limit_itself_and_none_at_all():
    assert not exceeds(10, 200, 0.05)
    assert exceeds(11, 200, 0.05)
    assert not exceeds(9, 20, 0.05)  # a small set is spared
    assert exceeds(10, 20, 0.05)
    assert exceeds(1, 100, 0.0)
    assert not exceeds(100, 100, 1.0)
    assert stops_early(1, 100, 500_000, 0.0)
