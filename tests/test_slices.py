from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kinetics_tfds.slices import even_slice


@given(length=st.integers(0, 10_000), count=st.integers(1, 300))
def test_slices_are_disjoint_complete_and_even(length, count):
    slices = [even_slice(length, index, count) for index in range(count)]
    assert [position for each in slices for position in each] == list(range(length))
    assert max(map(len, slices)) - min(map(len, slices)) <= 1
