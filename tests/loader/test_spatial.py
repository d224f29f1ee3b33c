"""Which window: always inside, as large and as often as the options say, where the published code puts it."""

import math

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from kinetics_tfds import loader
from kinetics_tfds.errors import ConfigError
from kinetics_tfds.loader.frames.spatial import Windows


def _windows(spatial, height, width, seed=(1, 2)):
    found = spatial.windows(tf.constant(height), tf.constant(width), tf.constant(seed, tf.int32))
    assert isinstance(found, Windows)
    return found.boxes.numpy(), bool(found.flip)


def _many(spatial, height, width, count):
    """Boxes [count, 4] and flips [count] of a random crop, drawn in one graph."""
    draws = tf.data.Dataset.range(count).map(
        lambda i: spatial.windows(tf.constant(height), tf.constant(width), tf.stack([tf.cast(i, tf.int32), 7]))
    )
    boxes, flips = zip(*draws.as_numpy_iterator(), strict=True)
    return np.concatenate(boxes), np.array(flips)


# --- Golden windows: the published size and place, divided by how much the frame is scaled.


@pytest.mark.parametrize(
    ("spatial", "size", "box"),
    [
        # 256x340 is shown as it is: offsets (256 - 224) / 2 and (340 - 224) / 2.
        (loader.CentreCrop(224, short_side=256), (256, 340), [16, 58, 224, 224]),
        # 224 of a short side of 224: the whole height.
        (loader.CentreCrop(224), (256, 340), [0, 42, 256, 256]),
        # Scaled by 256 / 512: 448 stored pixels.
        (loader.CentreCrop(224, short_side=256), (512, 910), [32, 231, 448, 448]),
        (loader.CentreCrop(224, short_side=256), (340, 256), [58, 16, 224, 224]),
        (loader.CentreCrop((128, 224), short_side=256), (256, 340), [64, 58, 128, 224]),
        (loader.Resize(224), (255, 341), [0, 0, 255, 341]),
    ],
)
def test_a_single_window(spatial, size, box):
    boxes, flip = _windows(spatial, *size)
    assert boxes.tolist() == [box]
    assert not flip
    assert boxes.dtype == np.int32


@pytest.mark.parametrize(
    ("spatial", "size", "places"),
    [
        # SlowFast's uniform_crop: 0, ceil((341 - 256) / 2), 341 - 256 along the longer side.
        (loader.ThreeCrop(256), (256, 341), [(0, 0), (0, 43), (0, 85)]),
        (loader.ThreeCrop(256), (341, 256), [(0, 0), (43, 0), (85, 0)]),
        # The shorter side is centred, rounded up likewise: ceil((257 - 224) / 2) = 17.
        (loader.ThreeCrop(224, short_side=257), (257, 340), [(17, 0), (17, 58), (17, 116)]),
        # A square frame has three places from left to right.
        (loader.ThreeCrop(224, short_side=256), (256, 256), [(16, 0), (16, 16), (16, 32)]),
    ],
)
def test_three_windows(spatial, size, places):
    boxes, flip = _windows(spatial, *size)
    side = spatial.output_size[0]
    assert boxes.tolist() == [[top, left, side, side] for top, left in places]
    assert not flip


# --- Random windows.


def test_scale_jitter_shows_each_scale_as_often_anywhere():
    """A 256 x 340 frame at a short side of 256 to 320: windows of 224 * 256 / side, 224 down to 179 stored pixels."""
    boxes, flips = _many(loader.ScaleJitter(224, (256, 320)), 256, 340, 600)
    top, left, height, width = boxes.T
    assert (height == width).all()
    assert (height.min(), height.max()) == (179, 224)
    sides = 224 * 256 / height
    assert abs(sides.mean() - 288) < 5 * 18.5 / math.sqrt(600), "uniform in the side"
    for place, free in ((top, 256 - height), (left, 340 - width)):
        share = place / np.maximum(free, 1)
        assert share.min() == 0
        assert share.max() == 1
        assert abs(share.mean() - 0.5) < 5 * 0.3 / math.sqrt(600)
    assert abs(flips.mean() - 0.5) < 5 * 0.5 / math.sqrt(600)


def test_scale_jitter_in_the_inverse_favours_small_scales():
    """X3D's: 1 / side is uniform, so its mean is that of 1 / 256 and 1 / 320, and the side's 285.6."""
    boxes, _ = _many(loader.ScaleJitter(224, (256, 320), inverse=True), 256, 340, 600)
    assert abs((1 / (224 * 256 / boxes[:, 2])).mean() - (1 / 256 + 1 / 320) / 2) < 1e-5 * 5


def test_random_resized_crops_have_the_areas_and_shapes_asked_for():
    spatial = loader.RandomResizedCrop(224, scale=(0.1, 0.5), aspect=(0.5, 2.0), flip=0.25)
    boxes, flips = _many(spatial, 400, 500, 800)
    top, left, height, width = boxes.T
    area, ratio = height * width / (400 * 500), width / height
    # Half a pixel of rounding on each side.
    assert area.min() > 0.099
    assert area.max() < 0.503
    assert ratio.min() > 0.49
    assert ratio.max() < 2.04
    # Uniform areas; ratios uniform in their logarithm, so as often wide as tall.
    assert abs(area.mean() - 0.3) < 5 * 0.4 / math.sqrt(12 * 800)
    assert abs(np.log(ratio).mean()) < 5 * 2 * math.log(2) / math.sqrt(12 * 800)
    assert abs(flips.mean() - 0.25) < 5 * 0.43 / math.sqrt(800)
    for place, free in ((top, 400 - height), (left, 500 - width)):
        assert abs((place / np.maximum(free, 1)).mean() - 0.5) < 5 * 0.3 / math.sqrt(800)


@pytest.mark.parametrize(
    ("size", "box"),
    [
        # torchvision's fall back: the largest centred window of the nearest ratio in range.
        ((100, 1000), [0, 433, 100, 133]),
        ((1000, 100), [433, 0, 133, 100]),
        ((100, 110), [0, 0, 100, 110]),
        # A ratio of 3 / 4 of a single row is less than a pixel.
        ((1, 1000), [0, 499, 1, 1]),
    ],
)
def test_where_no_draw_fits_the_window_is_centred(size, box):
    """Of a frame ten times as long as high, no window of 99 % of the area has a ratio of 3 / 4 to 4 / 3."""
    boxes, _ = _many(loader.RandomResizedCrop(224, scale=(0.99, 1.0)), *size, 20)
    assert box in boxes.tolist()
    if size != (100, 110):
        assert (boxes == box).all()


@pytest.mark.parametrize("flip", [0.0, 1.0])
def test_flips_can_be_never_or_always(flip):
    for spatial in (loader.RandomResizedCrop(8, flip=flip), loader.ScaleJitter(8, (8, 9), flip=flip)):
        assert _many(spatial, 20, 20, 50)[1].tolist() == [bool(flip)] * 50


@st.composite
def _spatials(draw):
    size = draw(st.one_of(st.integers(1, 300), st.tuples(st.integers(1, 300), st.integers(1, 300))))
    longest = max(size) if isinstance(size, tuple) else size
    kind = draw(st.sampled_from(["rrc", "jitter", "centre", "three", "resize", "distorted", "multi-scale", "ten"]))
    if kind == "rrc":
        scale = sorted(draw(st.tuples(st.integers(1, 100), st.integers(1, 100))))
        aspect = sorted(draw(st.tuples(st.integers(10, 400), st.integers(10, 400))))
        return loader.RandomResizedCrop(size, scale=(scale[0] / 100, scale[1] / 100),
                                        aspect=(aspect[0] / 100, aspect[1] / 100))  # fmt: skip
    if kind == "jitter":
        least = longest + draw(st.integers(0, 50))
        inverse = draw(st.booleans())
        return loader.ScaleJitter(size, (least, least + draw(st.integers(0, 90))), inverse=inverse)
    if kind == "resize":
        return loader.Resize(size)
    if kind == "distorted":
        scale = sorted(draw(st.tuples(st.integers(1, 100), st.integers(1, 100))))
        covered = draw(st.sampled_from([0.0, 0.1, 0.9]))
        return loader.DistortedBox(size, scale=(scale[0] / 100, scale[1] / 100), min_covered=covered, attempts=20)
    if kind == "multi-scale":
        return loader.MultiScaleCrop(size, short_side=longest, places=draw(st.sampled_from([5, 13])))
    if kind == "ten":
        return loader.TenCrop(size, short_side=longest + draw(st.integers(0, 40)))
    make = loader.CentreCrop if kind == "centre" else loader.ThreeCrop
    return make(size, short_side=draw(st.one_of(st.none(), st.integers(longest, longest + 100))))


@pytest.mark.parametrize(("height", "width", "size"), [(256, 340, 172), (340, 256, (100, 150)), (20, 400, 32)])
def test_distorted_boxes_are_drawn_as_tensorflows_op_does(height, width, size):
    """Quantiles of height, width, top and left over many draws; a hundredth and a half is four deviations and more."""
    spatial, count = loader.DistortedBox(size), 2500
    ratio = spatial.output_size[1] / spatial.output_size[0]

    def draw(i):
        begin, box, _ = tf.image.stateless_sample_distorted_bounding_box(
            tf.constant([height, width, 3]), tf.constant([[[0.0, 0.0, 1.0, 1.0]]]), tf.stack([i, 3]), 0.1,
            (0.5 * ratio, 2.0 * ratio), (0.08, 1.0), 100, use_image_if_no_bounding_boxes=True,
        )  # fmt: skip
        return tf.concat([begin[:2], box[:2]], 0)

    theirs = np.array(list(tf.data.Dataset.range(count).map(draw).as_numpy_iterator()))
    ours, flips = _many(spatial, height, width, count)
    assert abs(flips.mean() - 0.5) < 0.05
    for column, name in enumerate(("top", "left", "height", "width")):
        grid = np.unique(np.quantile(theirs[:, column], np.linspace(0, 1, 21)))
        shares = [(boxes[:, column][:, None] <= grid).mean(0) for boxes in (ours, theirs)]
        assert np.abs(shares[0] - shares[1]).max() < 0.06, name


@pytest.mark.parametrize("places", [5, 13])
def test_multi_scale_crops_are_mmaction2s(places):
    """Every pair of int(256 * scale) one step apart or none, at every place of the grid, and no other."""
    sides = [256, 224, 192, 168]
    quarters = [(0, 0), (4, 0), (0, 4), (4, 4), (2, 2)]
    if places == 13:
        quarters += [(0, 2), (4, 2), (2, 0), (2, 4), (1, 1), (3, 1), (1, 3), (3, 3)]
    expected = {
        ((256 - high) // 4 * down, (340 - wide) // 4 * right, high, wide)
        for i, high in enumerate(sides)
        for j, wide in enumerate(sides)
        if abs(i - j) <= 1
        for right, down in quarters
    }
    boxes, _ = _many(loader.MultiScaleCrop(224, places=places), 256, 340, 3000)
    assert {tuple(map(int, box)) for box in boxes} == expected


def test_ten_crops_are_corners_and_centre():
    """256 x 340: what is free is 32 and 116; the second five are the first, mirrored."""
    boxes, flip = _windows(loader.TenCrop(224), 256, 340)
    assert boxes[:, :2].tolist() == [[0, 0], [0, 116], [32, 0], [32, 116], [16, 58]]
    assert (boxes[:, 2:] == 224).all()
    assert not flip


SIDES = st.one_of(st.integers(1, 8), st.integers(9, 2000))


@settings(max_examples=120, deadline=None)
@given(spatial=_spatials(), height=SIDES, width=SIDES, seed=st.tuples(st.integers(0, 2**31 - 1), st.integers(0, 9)))
def test_windows_lie_inside_frames_of_any_size(spatial, height, width, seed):
    """Odd sizes, frames smaller than the output, frames of one pixel."""
    boxes, _ = _windows(spatial, height, width, seed)
    assert boxes.shape == (spatial.crops // (2 if spatial.mirrored else 1), 4)
    top, left, high, wide = boxes.T
    assert (top >= 0).all()
    assert (left >= 0).all()
    assert (high >= 1).all()
    assert (wide >= 1).all()
    assert (top + high <= height).all()
    assert (left + wide <= width).all()
    around = (max(top + high) - min(top), max(left + wide) - min(left))
    size = spatial.window_size(height, width)
    assert around[0] <= size[0], "canvases hold every window"
    assert around[1] <= size[1], "canvases hold every window"
    assert size[0] <= height
    assert size[1] <= width
    assert (_windows(spatial, height, width, seed)[0] == boxes).all()


@pytest.mark.parametrize(
    ("make", "key"),
    [
        (lambda: loader.RandomResizedCrop(0), "size"),
        (lambda: loader.RandomResizedCrop((1, 2, 3)), "size"),
        (lambda: loader.RandomResizedCrop(224.0), "size"),
        (lambda: loader.RandomResizedCrop(8, scale=(0.0, 1.0)), "scale"),
        (lambda: loader.RandomResizedCrop(8, scale=(0.5, 0.4)), "scale"),
        (lambda: loader.RandomResizedCrop(8, aspect=(2.0, 1.0)), "aspect"),
        (lambda: loader.RandomResizedCrop(8, flip=1.5), "flip"),
        (lambda: loader.ScaleJitter(224, (200, 320)), "short_side"),
        (lambda: loader.DistortedBox(8, min_covered=2.0), "min_covered"),
        (lambda: loader.DistortedBox(8, attempts=0), "attempts"),
        (lambda: loader.MultiScaleCrop(8, places=7), "places"),
        (lambda: loader.MultiScaleCrop(8, scales=()), "scales"),
        (lambda: loader.TenCrop(224, 200), "short_side"),
        (lambda: loader.ScaleJitter(224, (320, 256)), "short_side"),
        (lambda: loader.CentreCrop(224, short_side=223), "short_side"),
        (lambda: loader.ThreeCrop(224, short_side=0.5), "short_side"),
    ],
)
def test_a_value_out_of_range_is_named(make, key):
    with pytest.raises(ConfigError, match=f"{key} is"):
        make()
