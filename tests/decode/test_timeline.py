from __future__ import annotations

import itertools
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinetics_tfds.decode.timeline import NearestGrid, covered, frame_rate, grid_size, seconds

RATES = st.sampled_from([Fraction(r) for r in (1, 5, 10, 24, 25, 30, 50, 60)] + [Fraction(30000, 1001)])


def resample(times, start, fps, size):
    """Runs the grid over all frames and returns the index of the frame that each point takes."""
    grid = NearestGrid(start, fps, size)
    taken = []
    for index, (shown, following) in enumerate(itertools.pairwise(times)):
        taken += [index] * grid.take_until(shown, following)
    return taken + [len(times) - 1] * grid.take_rest(size)


@given(
    gaps=st.lists(st.fractions(Fraction(1, 1000), Fraction(2), max_denominator=1000), min_size=1, max_size=60),
    fps=RATES,
    size=st.integers(1, 120),
    lead=st.fractions(0, Fraction(1, 2), max_denominator=1000),
)
def test_each_point_takes_the_nearest_frame_and_of_two_the_earlier(gaps, fps, size, lead):
    start = Fraction(3)
    times = [start + lead]
    for gap in gaps:
        times.append(times[-1] + gap)
    expected = [min(range(len(times)), key=lambda i: (abs(times[i] - (start + k / fps)), i)) for k in range(size)]
    assert resample(times, start, fps, size) == expected


@pytest.mark.parametrize(("source", "target"), [(30, 25), (25, 25), (25, 10), (24, 25), (Fraction(30000, 1001), 25)])
def test_regular_sources_never_pause_or_jump_more_than_the_rates_call_for(source, target):
    times = [Fraction(k) / source for k in range(int(10 * source))]
    taken = resample(times, Fraction(0), Fraction(target), grid_size(Fraction(10), Fraction(target)))
    steps = [b - a for a, b in itertools.pairwise(taken)]
    assert len(taken) == 10 * target
    assert set(steps) <= {int(source / target), int(source / target) + 1, round(source / target)}


def test_a_point_halfway_between_two_frames_takes_the_earlier():
    times = [Fraction(k, 50) for k in range(10)]
    assert resample(times, Fraction(0), Fraction(100), 6) == [0, 0, 1, 1, 2, 2]


@pytest.mark.parametrize(
    ("duration", "fps", "frames"), [(10, 25, 250), (Fraction(999, 100), 25, 250), (Fraction(1, 50), 25, 1), (0, 25, 0)]
)
def test_grid_size_is_the_nearest_whole_number_halves_up(duration, fps, frames):
    assert grid_size(Fraction(duration), Fraction(fps)) == frames


@pytest.mark.parametrize(
    ("playable", "interval", "expected"),
    [
        ("9.967", "0.033", "10"),  # the last of 300 frames is missing
        ("9.9", "0.033", "10"),
        ("9.89", "0.033", "9.89"),
        ("9.7", "0.2", "10"),  # five frames a second: one and a half may be missing
        ("9.4", "5", "9.4"),  # a slide show is not whole because its pictures last long
        ("12", "0.033", "10"),
    ],
)
def test_a_clip_is_whole_if_next_to_nothing_is_missing(playable, interval, expected):
    assert covered(Fraction(10), Fraction(playable), Fraction(interval)) == Fraction(expected)


@given(st.integers(0, 10_000_000))
def test_times_given_as_floats_mean_the_simple_fraction(microseconds):
    assert seconds(microseconds / 1_000_000) == Fraction(microseconds, 1_000_000)


@pytest.mark.parametrize(
    ("value", "rate"), [(25, 25), (29.97, "29.97"), (30000 / 1001, "30000/1001"), (24000 / 1001, "24000/1001")]
)
def test_frame_rates_given_as_floats_mean_the_simple_fraction(value, rate):
    assert frame_rate(value) == Fraction(rate)
