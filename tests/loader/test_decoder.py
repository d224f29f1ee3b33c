"""From encoded frames to pixels: what a full decode, a crop and OpenCV's resize give, within rounding."""

import dataclasses

import cv2
import numpy as np
import pytest
import tensorflow as tf
from records import encode_frame, make_example, read_clip, write_dataset

from kinetics_tfds import loader
from kinetics_tfds.errors import ConfigError
from kinetics_tfds.loader.frames.decoder import ClipDecoder
from kinetics_tfds.loader.frames.spatial import Spatial, Windows


def _jpeg(height, width, seed=0, subsampling=cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420):
    """A colourful picture with edges and texture, as JPEG."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    waves = [127 + 100 * np.sin(x * rng.uniform(0.05, 0.3) + y * rng.uniform(0.05, 0.3) + c) for c in range(3)]
    image = np.stack(waves, -1)
    image[height // 3 : height // 2 + 1, width // 4 : width // 2 + 1] = rng.integers(0, 256, 3)
    flags = [cv2.IMWRITE_JPEG_QUALITY, 92, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, subsampling]
    return cv2.imencode(".jpg", image.astype(np.uint8)[..., ::-1], flags)[1].tobytes()


def _reference(jpeg, box, size, flip=False):
    full = cv2.cvtColor(cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    top, left, height, width = box
    window = full[top : top + height, left : left + width].astype(np.float32)
    resized = cv2.resize(window, size[::-1], interpolation=cv2.INTER_LINEAR)
    return np.floor(resized[:, ::-1] + 0.5 if flip else resized + 0.5).astype(int)


@dataclasses.dataclass(frozen=True)
class _Given(Spatial):
    """Windows that the test gives."""

    boxes: tf.Tensor
    flip: tf.Tensor
    size: tuple[int, int]

    @property
    def crops(self):
        return self.boxes.shape[0]

    def windows(self, height, width, seed):
        return Windows(self.boxes, self.flip)

    def window_size(self, height, width):
        return height, width


SIZE = (40, 56)


@tf.function(reduce_retracing=False)
def _decode(frames, boxes, flip):
    spatial = _Given(boxes, flip, SIZE)
    element = {"frames": frames, "index": tf.range(tf.shape(frames)[0])[None], "seed": tf.constant([1, 2], tf.int64)}
    element |= {"path": tf.constant("shard"), "id": tf.constant("clip")}
    element["index"] = tf.ensure_shape(element["index"], [1, 2])
    return ClipDecoder(spatial=spatial, views=1, frames=2)(element)["video"]


def _run(jpegs, boxes, flip=False):
    return _decode(tf.constant(jpegs), tf.constant(boxes, tf.int32), tf.constant(flip)).numpy().astype(int)


BOXES = {
    "whole": (120, 160, [0, 0, 120, 160]),
    "aligned": (120, 160, [16, 32, 64, 96]),
    "odd": (121, 163, [13, 17, 71, 93]),
    "right and bottom edge": (121, 163, [50, 70, 71, 93]),
    "enlarged": (121, 163, [60, 71, 9, 13]),
    "one pixel": (121, 163, [120, 162, 1, 1]),
    "a row": (121, 163, [7, 0, 1, 163]),
    "a column": (121, 163, [0, 162, 121, 1]),
    "a frame of one pixel": (1, 1, [0, 0, 1, 1]),
    "a frame of one row": (1, 50, [0, 10, 1, 30]),
    "a tiny frame": (7, 5, [1, 2, 5, 3]),
}


@pytest.mark.parametrize("colours", [cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444])
@pytest.mark.parametrize("flip", [False, True], ids=["", "flipped"])
@pytest.mark.parametrize("name", BOXES)
def test_windows_are_those_of_a_full_decode(name, flip, colours):
    height, width, box = BOXES[name]
    jpegs = [_jpeg(height, width, seed, colours) for seed in range(2)]
    found = _run(jpegs, [box], flip)[0]
    assert found.shape == (2, *SIZE, 3)
    difference = np.abs(found - np.stack([_reference(jpeg, box, SIZE, flip) for jpeg in jpegs]))
    # Columns that the window's first or last stored column has a part in. These lack the colours of their neighbours
    # beside the window, where colours are stored for two pixels at a time.
    place = (np.arange(SIZE[1]) + 0.5) * box[3] / SIZE[1] - 0.5
    edge = ((place < 1) | (place > box[3] - 2))[:: -1 if flip else 1]
    assert difference[:, :, ~edge].max(initial=0) <= 1
    assert difference[:, :, ~edge].sum() <= 0.1 * difference[:, :, ~edge].size
    inside = box[3] < width and colours == cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420
    assert difference[:, :, edge].max(initial=0) <= (30 if inside else 1)


def test_crops_side_by_side_are_those_of_each_alone():
    """Three crops share one decoded hull."""
    jpegs = [_jpeg(121, 163, seed) for seed in range(2)]
    boxes = [[0, 0, 121, 121], [0, 21, 121, 121], [0, 42, 121, 121]]
    found = _run(jpegs, boxes)
    assert found.shape == (3, 2, *SIZE, 3)
    for crop, box in enumerate(boxes):
        expected = np.stack([_reference(jpeg, box, SIZE) for jpeg in jpegs])
        assert np.abs(found[crop] - expected).max() <= 1


def _grey_jpeg(height, width):
    image = np.linspace(0, 255, height * width).reshape(height, width).astype(np.uint8)
    return cv2.imencode(".jpg", image)[1].tobytes()


def test_grey_frames_become_three_equal_channels():
    found = _run([_grey_jpeg(30, 41)] * 2, [[3, 4, 20, 30]])[0]
    assert (found[..., 0] == found[..., 1]).all()
    assert (found[..., 0] == found[..., 2]).all()
    assert np.abs(found[0] - _reference(_grey_jpeg(30, 41), [3, 4, 20, 30], SIZE)).max() <= 1


# --- Through make_dataset: all frames of a clip, all views, share what they should.


def _dataset(builder, split, spatial, sampling, **more):
    return loader.make_dataset(builder, split, spatial=spatial, sampling=sampling, batch_size=1, **more)


@pytest.fixture(scope="module")
def builder(tmp_path_factory):
    still = encode_frame(5, 9, 61, 83)
    examples = {
        # Every frame is the same picture: what differs between frames of a view was done to them.
        "train": [make_example(i, frames=12, video=[_jpeg(61, 83, seed=i)] * 12) for i in range(6)],
        "validation": [make_example(i, frames=20, size=(33, 47)) for i in range(3)],
        "test": [make_example(7, frames=12, video=[still] * 12), make_example(8, frames=3, size=(9, 7))],
        "holdout": [make_example(1, frames=2, size=(1, 1)), make_example(2, frames=2, size=(3, 1))],
    }
    return write_dataset(tmp_path_factory.mktemp("data"), examples)


@pytest.mark.parametrize(
    "spatial",
    [
        pytest.param(loader.RandomResizedCrop(24), id="rrc"),
        pytest.param(loader.ScaleJitter(24, (28, 40)), id="jitter", marks=pytest.mark.slow),
    ],
)
def test_all_frames_of_a_view_share_window_and_flip_and_views_do_not(builder, spatial):
    dataset = loader.make_dataset(
        builder, "train", spatial=spatial, sampling=loader.RandomClip(5, clips=2), batch_size=2, epochs=2
    )
    views = []
    for batch in dataset.as_numpy_iterator():
        assert batch["id"][0] == batch["id"][1], "the clips of one video are neighbours"
        for video in batch["video"]:
            assert (video == video[:1]).all(), "one window and one flip for all frames of a view"
            views.append(video[0].tobytes())
    assert len(views) == 2 * 2 * 6
    assert len(set(views)) == len(views), "another window in every view and epoch"


def test_the_second_five_of_ten_crops_are_mirrored(builder):
    dataset = loader.make_dataset(
        builder, "train", training=False, sampling=loader.CentreClip(2), spatial=loader.TenCrop(16, 24), batch_size=2
    )
    video = next(iter(dataset))["video"].numpy()
    assert video.shape[1] == 10
    np.testing.assert_array_equal(video[:, 5:], video[:, :5, :, :, ::-1])
    assert (video[:, 0] != video[:, 1]).any()
    with pytest.raises(ConfigError, match="mirrored crops"):
        loader.make_dataset(
            builder, "train", training=False, sampling=loader.CentreClip(2), spatial=loader.TenCrop(16, 24),
            batch_size=2, resize="device",
        )  # fmt: skip


def test_frames_come_in_the_order_sampled(builder):
    sampling = loader.UniformClips(6, 2, clips=3)
    for batch in _dataset(builder, "validation", loader.Resize((33, 47)), sampling).as_numpy_iterator():
        (views,) = batch["video"]
        starts = [0, 4, 8]
        for view, start in zip(views, starts, strict=True):
            assert read_clip(view)[1] == list(range(start, start + 12, 2))


def test_views_times_crops_lie_side_by_side_by_view(builder):
    """Two views of three crops: crops of the first view, then those of the second; all frames equal within a crop."""
    sampling = loader.UniformClips(2, clips=2)
    batch = next(_dataset(builder, "test", loader.ThreeCrop(32), sampling).as_numpy_iterator())
    video = batch["video"][0]
    assert video.shape == (6, 2, 32, 32, 3)
    for crop in range(3):
        assert (video[crop] == video[3 + crop]).all(), "the picture stands still, so views differ by their crop alone"
    jpeg = encode_frame(5, 9, 61, 83)
    for crop, left in enumerate((0, 11, 22)):
        assert np.abs(video[crop, 0].astype(int) - _reference(jpeg, [0, left, 61, 61], (32, 32))).max() <= 1


@pytest.mark.parametrize(
    "spatial", [loader.RandomResizedCrop(16), loader.ThreeCrop(16), loader.Resize(16)], ids=["rrc", "three", "resize"]
)
def test_frames_of_one_pixel_fill_the_output(builder, spatial):
    for batch in _dataset(builder, "holdout", spatial, loader.RandomClip(3)).as_numpy_iterator():
        assert batch["video"].shape == (1, spatial.crops, 3, 16, 16, 3)
        assert all(
            (image == image[0, 0]).all() or batch["id"][0].startswith(b"clip_000002") for image in batch["video"][0, 0]
        )


@pytest.mark.parametrize(
    "spatial",
    [loader.RandomResizedCrop(40), loader.ThreeCrop(40), loader.ScaleJitter(40, (44, 50))],
    ids=["rrc", "three", "jitter"],
)
@pytest.mark.parametrize(
    "canvas",
    [
        pytest.param(None, id="canvas that holds all"),
        pytest.param((45, 60), id="canvas too small", marks=pytest.mark.slow),
    ],
)
def test_canvases_finish_to_the_hosts_pixels(builder, spatial, canvas):
    """resize="device": the pixels are the host's; from a canvas that is too small, those of a smaller picture."""
    options = {"sampling": loader.RandomClip(3), "epochs": 1} if spatial.random else {"sampling": loader.CentreClip(3)}
    options["training"] = spatial.random
    host = _dataset(builder, "train", spatial, **options)
    device = _dataset(builder, "train", spatial, resize="device", canvas=canvas, **options)
    for one, other in zip(host, device, strict=True):
        assert one["id"] == other["id"]
        done = loader.finish(other, (40, 40), (0.0, 1 / 255))["video"].numpy()
        difference = np.abs(done - one["video"].numpy().astype(float))
        if canvas is None:
            assert difference.max() <= 1
        else:
            assert difference.mean() < 16
