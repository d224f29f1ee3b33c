"""Which frames: each rule against the numbers of the code it comes from, worked out from that code's formula."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from kinetics_tfds import loader
from kinetics_tfds.errors import ConfigError

SEED = tf.constant([3, 5], tf.int32)


def _indices(sampling, frames, fps=30.0, seed=SEED, timestamps=None):
    if timestamps is None:
        timestamps = np.arange(frames, dtype=np.float32) / np.float32(fps)
    return sampling.indices(tf.constant(frames), tf.constant(timestamps, tf.float32), seed).numpy()


def _starts(sampling, frames):
    return _indices(sampling, frames)[:, 0].tolist()


# --- Uniform clips: the starts of ten views of 32 x 2 in 300 frames, by the published formulas.


def test_model_garden_starts():
    """linspace(0, 300 - 64, 10) cut: 0, 26.2, 52.4, 78.7, 104.9, 131.1, 157.3, 183.6, 209.8, 236."""
    sampling = loader.UniformClips(32, 2, clips=10, offset_rule="model_garden")
    indices = _indices(sampling, 300)
    assert indices[:, 0].tolist() == [0, 26, 52, 78, 104, 131, 157, 183, 209, 236]
    assert (indices == indices[:, :1] + 2 * np.arange(32)).all()


def test_slowfast_frames():
    """Starts are 236 * i / 10; frames linspace(start, start + 63, 32) cut: 212.4, 214.43, 216.46, … 275.4."""
    sampling = loader.UniformClips(32, 2, clips=10, offset_rule="slowfast")
    indices = _indices(sampling, 300)
    assert indices[:, 0].tolist() == [0, 23, 47, 70, 94, 118, 141, 165, 188, 212]
    assert indices[9].tolist()[:4] == [212, 214, 216, 218]
    assert indices[9].tolist()[-4:] == [269, 271, 273, 275]
    # The step is 63 / 31: once in a while it is three frames.
    assert set(np.diff(indices[0])) == {2, 3}


def test_mmaction2_starts():
    """Starts are round(i * (300 - 63) / 9): 0, 26.33, 52.67, 79, 105.33, 131.67, 158, 184.33, 210.67, 237."""
    sampling = loader.UniformClips(32, 2, clips=10, offset_rule="mmaction2")
    indices = _indices(sampling, 300)
    assert indices[:, 0].tolist() == [0, 26, 53, 79, 105, 132, 158, 184, 211, 237]
    assert (indices == indices[:, :1] + 2 * np.arange(32)).all()


def test_mmaction2_rounds_halves_to_even():
    # 10 frames, views of 1 x 1: starts are i * 9 / 2 = 0, 4.5, 9 and i * 9 / 6 = 0, 1.5, 3, 4.5, 6, 7.5, 9.
    assert _starts(loader.UniformClips(1, clips=3, offset_rule="mmaction2"), 10) == [0, 4, 9]
    assert _starts(loader.UniformClips(1, clips=7, offset_rule="mmaction2"), 10) == [0, 2, 3, 4, 6, 8, 9]


@pytest.mark.parametrize(("rule", "start"), [("model_garden", 0), ("slowfast", 0), ("mmaction2", 118)])
def test_a_single_view_starts_where_each_code_base_puts_it(rule, start):
    assert _starts(loader.UniformClips(32, 2, clips=1, offset_rule=rule), 300) == [start]


def _slowfast_reference(length, frames, stride, clips):
    """get_start_end_idx and temporal_sampling, in exact fractions."""
    rows = []
    for clip in range(clips):
        start = Fraction(max(length - frames * stride, 0) * clip, clips)
        step = Fraction(frames * stride - 1, frames - 1) if frames > 1 else Fraction(0)
        rows.append([min(math.floor(start + step * i), length - 1) for i in range(frames)])
    return rows


def _mmaction2_reference(length, frames, stride, clips):
    """SampleFrames in test mode with out_of_bound_opt='loop'."""
    most = max(length - ((frames - 1) * stride + 1), 0)
    offsets = np.round(np.arange(clips) * (most / float(clips - 1))) if clips > 1 else np.array([most // 2])
    return ((offsets.astype(int)[:, None] + np.arange(frames) * stride) % length).tolist()


def _model_garden_reference(length, frames, stride, clips):
    """sample_linspace_sequence, the sequence tiled where it is short; TensorFlow's own float32 linspace."""
    offsets = tf.linspace(0.0, float(max(0, length - frames * stride)), clips).numpy().astype(int)
    tiled = np.tile(np.arange(length), frames * stride + max(offsets) + 1)
    return [tiled[start : start + frames * stride : stride].tolist() for start in offsets]


def _slowfast_offset_reference(length, frames, stride, clips):
    """The same with use_offset: starts are whole; one view is centred."""
    free = max(length - frames * stride, 0)
    starts = [free // 2] if clips == 1 else [clip * (free // (clips - 1)) for clip in range(clips)]
    step = Fraction(frames * stride - 1, max(frames - 1, 1))
    return [[min(start + math.floor(step * i), length - 1) for i in range(frames)] for start in starts]


def _videomae_reference(length, frames, stride, clips):
    """range(0, length, stride) first, its last one repeated; chunks of it start at int(k * step)."""
    kept = list(range(0, length, stride))
    kept += [kept[-1]] * (frames - len(kept))
    step = max((len(kept) - frames) / max(clips - 1, 1), 0)
    return [kept[int(clip * step) : int(clip * step) + frames] for clip in range(clips)]


REFERENCES = {
    "slowfast": _slowfast_reference,
    "slowfast_offset": _slowfast_offset_reference,
    "videomae": _videomae_reference,
    "mmaction2": _mmaction2_reference,
    "model_garden": _model_garden_reference,
}


@settings(max_examples=80, deadline=None)
@given(
    rule=st.sampled_from(sorted(REFERENCES)),
    length=st.integers(1, 400),
    frames=st.integers(1, 40),
    stride=st.integers(1, 8),
    clips=st.integers(1, 12),
)
def test_uniform_clips_are_the_references_for_any_length(rule, length, frames, stride, clips):
    sampling = loader.UniformClips(frames, stride, clips=clips, offset_rule=rule)
    assert _indices(sampling, length).tolist() == REFERENCES[rule](length, frames, stride, clips)


LENGTHS = range(40, 401)


def _for_every_length(sampling, seed=SEED, fps=None):
    """[lengths, V, T] for videos of 40 to 400 frames."""
    if fps is None:
        found = tf.data.Dataset.range(40, 401).map(
            lambda n: sampling._within(sampling.positions(tf.cast(n, tf.int32), seed), tf.cast(n, tf.int32))
        )
    else:
        found = tf.data.Dataset.range(40, 401).map(
            lambda n: sampling.indices(tf.cast(n, tf.int32), tf.range(tf.cast(n, tf.float32)) / fps, seed)
        )
    return list(found.as_numpy_iterator())


@pytest.mark.parametrize("rule", REFERENCES)
@pytest.mark.parametrize(("frames", "stride", "clips"), [(32, 2, 10), (16, 4, 5), (40, 3, 5), (16, 5, 1)])
def test_views_of_40_to_400_frames_are_the_references(rule, frames, stride, clips):
    found = _for_every_length(loader.UniformClips(frames, stride, clips=clips, offset_rule=rule))
    for length, views in zip(LENGTHS, found, strict=True):
        assert views.tolist() == REFERENCES[rule](length, frames, stride, clips), length


@pytest.mark.parametrize("source", [25.0, 29.97, 15.0])
@pytest.mark.parametrize("rule", ["slowfast", "slowfast_offset", "mmaction2_target_fps"])
def test_linspace_rules_scale_the_clips_length_to_the_sources_rate(rule, source):
    """A view of 32 x 2 at 30 a second is 64 * source / 30 stored frames long, whole or not."""
    found = _for_every_length(loader.UniformClips(32, 2, clips=5, offset_rule=rule, fps=30.0, short="last"), fps=source)
    clip = Fraction(64) * Fraction(str(source)) / 30
    for length, views in zip(LENGTHS, found, strict=True):
        free = max(length - clip, 0)
        for view, frames in enumerate(views):
            start = free * view / 5 if rule == "slowfast" else view * Fraction(math.floor(free / 4))
            expected = [min(math.floor(start + (clip - 1) / 31 * i), length - 1) for i in range(32)]
            assert frames.tolist() == expected, (length, view)


def test_training_of_slowfast_spans_its_whole_clip():
    """linspace(start, start + 79, 16) for 16 x 5: the first and the last frame are 79 apart, not 75."""
    for seed in range(20):
        for length, views in zip(
            LENGTHS, _for_every_length(loader.RandomClip(16, 5, rule="slowfast"), tf.constant([seed, 2])), strict=True
        ):
            start, end = views[0, 0], views[0, -1]
            if length > 80:
                assert end - start in (79, 80)  # 80 where start's fraction carries
                assert end < length
            else:
                assert views.tolist() == _slowfast_reference(length, 16, 5, 1)
    starts = _draws(loader.RandomClip(16, 5, rule="slowfast"), 84)[:, 0, 0]
    assert set(starts) == {0, 1, 2, 3}, "uniform(0, 84 - 80), cut"


def test_training_of_videomae():
    """A start drawn from 0 to length - T * stride - 1; linspace over T * stride; short videos are spread."""
    sampling = loader.RandomClip(16, 4, rule="videomae", short="last")
    for length, views in zip(LENGTHS, _for_every_length(sampling), strict=True):
        if length > 64:
            start = views[0, 0]
            assert 0 <= start < length - 64
            expected = np.clip(np.linspace(start, start + 64, 16), start, start + 63).astype(int)
        else:
            held = length // 4
            spread = np.concatenate([np.linspace(0, length, held), np.full(16 - held, length)])
            expected = np.clip(spread, 0, length - 1).astype(int)
        assert views[0].tolist() == expected.tolist(), length
    assert set(_draws(sampling, 68)[:, 0, 0]) == {0, 1, 2, 3}
    # Recorded: np.linspace(0, 64, 16) cut, its last one a frame earlier.
    assert _indices(sampling, 65)[0].tolist() == [0, 4, 8, 12, 17, 21, 25, 29, 34, 38, 42, 46, 51, 55, 59, 63]


def test_training_of_mmaction2():
    """SampleFrames with one clip: a start from 0 to length - T * stride; short videos start at 0 and loop."""
    sampling = loader.RandomClip(32, 2, rule="mmaction2")
    for length, views in zip(LENGTHS, _for_every_length(sampling), strict=True):
        start = views[0, 0]
        assert 0 <= start <= max(length - 64, 0)
        assert views[0].tolist() == [(start + 2 * i) % length for i in range(32)], length
    assert set(_draws(sampling, 67)[:, 0, 0]) == {0, 1, 2, 3}


def test_the_model_garden_draws_a_whole_stride():
    """MoViNet: temporal_stride 5 with random_stride_range 1 is tf.random.uniform([], 4, 6) of whole numbers."""
    steps = np.diff(_draws(loader.RandomClip(5, 5, strides=(4, 5)), 100)[:, 0], axis=1)
    assert (steps == steps[:, :1]).all()
    counts = np.bincount(steps[:, 0])[4:]
    assert len(counts) == 2
    assert (np.abs(counts - 200) < 5 * 10).all(), counts


# --- The middle clip.


@pytest.mark.parametrize(
    ("length", "frames", "stride", "start"),
    [(300, 32, 2, 118), (301, 32, 2, 118), (64, 32, 2, 0), (250, 64, 2, 61), (300, 16, 5, 110)],
)
def test_the_centre_clip_is_model_gardens(length, frames, stride, start):
    """(length - frames * stride) // 2."""
    indices = _indices(loader.CentreClip(frames, stride), length)
    assert indices.tolist() == [list(range(start, start + frames * stride, stride))]


# --- Segments.


def test_the_centres_of_segments_are_tsns():
    """int(tick / 2 + tick * x) with tick = length / segments: 300 / 8 = 37.5 gives 18.75, 56.25, 93.75 and on."""
    assert _indices(loader.Segments(8, pick="centre"), 300).tolist() == [[18, 56, 93, 131, 168, 206, 243, 281]]
    assert _indices(loader.Segments(3, pick="centre"), 300).tolist() == [[50, 150, 250]]
    # Fewer frames than segments: 5 / 8 = 0.625 gives 0.31, 0.94, 1.56, 2.19, 2.81, 3.44, 4.06, 4.69.
    assert _indices(loader.Segments(8, pick="centre"), 5).tolist() == [[0, 0, 1, 2, 2, 3, 4, 4]]


def test_the_centres_of_segments_are_exact_for_every_length():
    segments, lengths = [3, 7, 16], range(1, 400)
    for count in segments:
        sampling = loader.Segments(count, pick="centre")
        found = tf.data.Dataset.range(1, 400).map(lambda n, s=sampling: s.positions(tf.cast(n, tf.int32), SEED))
        expected = [[(2 * x + 1) * length // (2 * count) for x in range(count)] for length in lengths]
        assert [one[0].tolist() for one in found.as_numpy_iterator()] == expected, count


def test_random_segments_stay_in_their_segment_and_use_all_of_it():
    sampling = loader.Segments(4, pick="random")
    seen = [set() for _ in range(4)]
    for seed in range(300):
        for segment, index in enumerate(_indices(sampling, 20, seed=tf.constant([seed, 0]))[0]):
            seen[segment].add(int(index))
    assert seen == [set(range(5 * i, 5 * i + 5)) for i in range(4)]


@pytest.mark.parametrize("count", [3, 8, 25])
def test_mmaction2s_segments_are_cut_to_whole_frames(count):
    """avg_interval = length // T: offsets are i * avg_interval and a whole number below avg_interval."""
    sampling = loader.Segments(count, rule="mmaction2")
    for length in (*range(1, 60), 300):
        interval = length // count
        seen = np.array([_indices(sampling, length, seed=tf.constant([seed, 9]))[0] for seed in range(6)])
        if interval:
            inside = seen - np.arange(count) * interval
            assert inside.min() >= 0
            assert inside.max() < interval
        else:
            assert (seen == np.round(np.arange(count) * (length / count)).astype(int) % length).all()


def test_uniform_sample_is_mmaction2s():
    """Seg = (length - 1) / T; edges are rounded; view k takes int(seg / (V + 1) * (k + 1)) into each segment."""
    views = loader.Segments(8, pick="centre", clips=4, rule="uniform_sample")
    drawn = loader.Segments(8, rule="uniform_sample")
    for length, found, random in zip(LENGTHS, _for_every_length(views), _for_every_length(drawn), strict=True):
        segment = (length - 1) / 8
        edges = np.round(np.arange(9) * segment).astype(int)
        expected = [edges[:-1] + int(segment / 5 * (k + 1)) for k in range(4)]
        np.testing.assert_array_equal(found, expected)
        assert ((edges[:-1] <= random[0]) & (random[0] <= edges[1:])).all()


# --- Random clips.


def _draws(sampling, frames, count=400, **more):
    return np.array([_indices(sampling, frames, seed=tf.constant([seed, 1]), **more) for seed in range(count)])


def test_random_clips_start_anywhere_and_end_inside():
    """12 frames, 4 x 2: a view spans 7, so starts are 0 to 5; each about a sixth of the time."""
    views = _draws(loader.RandomClip(4, 2), 12)[:, 0]
    assert (np.diff(views, axis=1) == 2).all()
    counts = np.bincount(views[:, 0])
    assert len(counts) == 6
    # 67 expected, with a deviation of 7.5.
    assert (np.abs(counts - 400 / 6) < 5 * 7.5).all(), counts


def test_several_clips_of_a_video_are_drawn_apart():
    draws = _draws(loader.RandomClip(2, clips=3), 40, count=100)
    assert draws.shape == (100, 3, 2)
    starts = draws[:, :, 0]
    for one, other in itertools.combinations(range(3), 2):
        assert (starts[:, one] != starts[:, other]).mean() > 0.9
        assert abs(np.corrcoef(starts[:, one], starts[:, other])[0, 1]) < 0.4


def test_the_stride_jitters_within_its_range():
    """Stride 4 jittered by a half: 2 to 6, the same all along a view."""
    views = _draws(loader.RandomClip(5, 4, jitter=0.5), 200)[:, 0]
    spans = views[:, -1] - views[:, 0]
    assert (spans.min(), spans.max()) == (8, 24), "4 steps of 2 to 6"
    steps = np.diff(views, axis=1)
    assert (steps.max(axis=1) - steps.min(axis=1) <= 1).all()
    assert (np.diff(_draws(loader.RandomClip(5, 4), 200, count=5)) == 4).all(), "no jitter by default"


# --- Short videos.

SHORT = {
    "random": lambda **more: loader.RandomClip(8, 2, **more),
    "centre": lambda **more: loader.CentreClip(8, 2, **more),
    "model_garden": lambda **more: loader.UniformClips(8, 2, clips=2, **more),
    "mmaction2": lambda **more: loader.UniformClips(8, 2, clips=2, offset_rule="mmaction2", **more),
}


@pytest.mark.parametrize("name", SHORT)
def test_short_videos_loop_or_repeat_their_last_frame(name):
    """5 frames for 8 x 2."""
    looped, last = _indices(SHORT[name](short="loop"), 5), _indices(SHORT[name](short="last"), 5)
    # The Model Garden starts anywhere in a video that it loops.
    assert ((looped - looped[:, :1]) % 5 == [0, 2, 4, 1, 3, 0, 2, 4]).all()
    assert name == "random" or (looped[:, 0] == 0).all()
    assert (last == [0, 2, 4, 4, 4, 4, 4, 4]).all()
    # mmaction2's repeat_last stays at the last frame that the view took: of 6 frames that is 4, not 5.
    assert (_indices(SHORT[name](short="repeat_last"), 6) == [0, 2, 4, 4, 4, 4, 4, 4]).all()


def test_slowfasts_rule_repeats_the_last_frame_by_itself():
    for short in ("loop", "last"):
        sampling = loader.UniformClips(4, 2, clips=2, offset_rule="slowfast", short=short)
        # linspace(0, 7, 4) = 0, 2.33, 4.67, 7.
        assert _indices(sampling, 3).tolist() == [[0, 2, 2, 2]] * 2


@pytest.mark.parametrize("name", SHORT)
def test_a_single_frame_is_enough(name):
    assert (_indices(SHORT[name](), 1) == 0).all()
    assert (_indices(SHORT[name](fps=25.0), 1) == 0).all()


# --- Frames a second, from the record's timestamps.


def test_target_fps_takes_the_nearest_frames():
    # 10 s at 30 a second seen at 25: steps fall at 0, 1.2, 2.4, 3.6, 4.8, 6.0 stored frames.
    assert _indices(loader.CentreClip(6, fps=25.0), 6, fps=30.0).tolist()[0][:5] == [0, 1, 2, 4, 5]
    # Upwards: 10 a second seen at 25: 0, 0.4, 0.8, 1.2, 1.6, 2.0.
    first = loader.UniformClips(6, clips=1, fps=25.0)
    assert _indices(first, 100, fps=10.0).tolist() == [[0, 0, 1, 1, 2, 2]]


def test_target_fps_gives_every_clip_the_same_time_span():
    """16 x 5 at 30 a second is 2.67 s, of a source at 15, 25, 29.97 and 60 a second alike."""
    for fps in (15.0, 25.0, 29.97, 60.0):
        frames = round(10 * fps)
        times = np.arange(frames, dtype=np.float32) / np.float32(fps)
        index = _indices(loader.CentreClip(16, 5, fps=30.0), frames, timestamps=times)[0]
        np.testing.assert_allclose(np.diff(times[index]), 5 / 30, atol=1.0 / fps + 1e-3)
        np.testing.assert_allclose(times[index][-1] - times[index][0], 75 / 30, atol=1.0 / fps + 1e-3)
        np.testing.assert_allclose(times[index].mean(), 5.0, atol=0.15)


def test_the_stored_rate_is_the_identity():
    """Asking 300 frames at 30 a second for 30 a second takes them all; float32 timestamps lose none."""
    for fps in (10.0, 23.976, 25.0, 29.97, 30.0, 50.0, 60.0):
        frames = int(10 * fps)
        times = (np.arange(frames) / fps).astype(np.float32)
        taken = _indices(loader.CentreClip(frames, fps=fps), frames, timestamps=times)
        assert taken.tolist() == [list(range(frames))], fps


def test_gaps_and_a_late_start_are_seen_by_the_clock():
    """Frames missing between 0.2 s and 1.3 s: what stands nearest is used; time counts from the first frame."""
    times = np.array([5.0, 5.1, 5.2, 6.3, 6.4, 6.5], np.float32)
    sampling = loader.UniformClips(16, clips=1, fps=10.0)
    assert _indices(sampling, 6, timestamps=times).tolist() == [[0, 1, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 4, 5]]


# --- What always holds.


@st.composite
def _samplings(draw):
    common = {
        "num_frames": draw(st.integers(1, 20)),
        "fps": draw(st.sampled_from([None, 5.0, 12.5, 25.0, 29.97, 60.0])),
        "short": draw(st.sampled_from(["loop", "last", "repeat_last"])),
    }
    kind = draw(st.sampled_from(["random", "centre", "uniform", "segments"]))
    if kind == "segments":
        rule = draw(st.sampled_from(["even", "mmaction2", "uniform_sample"]))
        return loader.Segments(**common, pick=draw(st.sampled_from(["random", "centre"])), rule=rule)
    common["stride"] = draw(st.integers(1, 9))
    if kind == "random":
        rule = draw(st.sampled_from(["model_garden", "slowfast", "videomae", "mmaction2"]))
        jitter = draw(st.sampled_from([0.0, 0.3, 0.99])) if rule == "model_garden" else 0.0
        return loader.RandomClip(**common, jitter=jitter, clips=draw(st.integers(1, 3)), rule=rule)
    if kind == "centre":
        return loader.CentreClip(**common)
    rule = draw(st.sampled_from([*REFERENCES, "mmaction2_target_fps"]))
    return loader.UniformClips(**common, clips=draw(st.integers(1, 6)), offset_rule=rule)


@settings(max_examples=100, deadline=None)
@given(sampling=_samplings(), data=st.data())
def test_indices_are_in_range_and_in_order(sampling, data):
    gaps = data.draw(st.lists(st.integers(1, 300), max_size=60))
    times = (np.cumsum([0, *gaps]) / 1000).astype(np.float32)
    seed = data.draw(st.tuples(st.integers(-(2**31), 2**31 - 1), st.integers(-(2**31), 2**31 - 1)))
    index = _indices(sampling, len(times), timestamps=times, seed=tf.constant(seed))
    assert index.dtype == np.int32
    assert index.shape == (sampling.views, sampling.num_frames)
    assert index.min() >= 0
    assert index.max() < len(times)
    steps = np.diff(index, axis=1)
    spans = sampling.num_frames * getattr(sampling, "stride", 1) * (2 if sampling.random else 1)
    mixed = getattr(sampling, "rule", None) == "uniform_sample"  # a random frame of a segment of under one frame
    if sampling.short != "loop" or (not sampling.fps and spans <= len(times)):
        assert mixed or (steps >= 0).all(), "time runs forward; only a loop starts again"
    if isinstance(sampling, loader.UniformClips) and sampling.short == "last":
        assert (np.diff(index[:, 0]) >= 0).all(), "views in the order of their starts"
    assert (index == _indices(sampling, len(times), timestamps=times, seed=tf.constant(seed))).all()


@pytest.mark.parametrize(
    ("make", "key"),
    [
        (lambda: loader.RandomClip(0), "num_frames"),
        (lambda: loader.RandomClip(2.5), "num_frames"),
        (lambda: loader.RandomClip(8, 0), "stride"),
        (lambda: loader.RandomClip(8, True), "stride"),
        (lambda: loader.RandomClip(8, fps=0.0), "fps"),
        (lambda: loader.RandomClip(8, short="mirror"), "short"),
        (lambda: loader.RandomClip(8, jitter=1.0), "jitter"),
        (lambda: loader.RandomClip(8, clips=0), "clips"),
        (lambda: loader.UniformClips(8, clips=0), "clips"),
        (lambda: loader.UniformClips(8, offset_rule="dmvr"), "offset_rule"),
        (lambda: loader.Segments(8, 2), "stride"),
        (lambda: loader.Segments(8, pick="first"), "pick"),
        (lambda: loader.Segments(8, rule="tsn"), "rule"),
        (lambda: loader.Segments(8, clips=2), "clips"),
        (lambda: loader.RandomClip(8, rule="dmvr"), "rule"),
        (lambda: loader.RandomClip(8, rule="slowfast", jitter=0.2), "rule"),
        (lambda: loader.RandomClip(8, strides=()), "strides"),
    ],
)
def test_a_value_out_of_range_is_named(make, key):
    with pytest.raises(ConfigError, match=f"{key} is"):
        make()
