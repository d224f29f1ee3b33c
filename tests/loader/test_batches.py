"""Batches: static shapes, types, audio beside its view, classes, padding, and what contradicts itself."""

import re

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
from records import clip_id, make_example, read_clip, write_dataset

from kinetics_tfds import loader
from kinetics_tfds.errors import ConfigError, LoaderError

RATE = 1000  # samples a second; a frame of 25 a second has 40
FRAMES = 40


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def builder(folder):
    rows = [make_example(i) for i in range(13)]
    unlabelled = [make_example(i, label=-1) for i in range(3)]
    return write_dataset(folder / "plain", {"train": rows, "validation": rows, "test": unlabelled})


@pytest.fixture(scope="module")
def with_audio(folder):
    """Each sample holds its own number, so that it says when it is."""
    samples = np.arange(1, FRAMES * RATE // 25 + 1, dtype=np.int16)
    rows = [make_example(i, audio=samples) for i in range(6)]
    late = np.float32(0.02) + np.arange(FRAMES, dtype=np.float32) / np.float32(25)
    rows.append(make_example(6, audio=samples[:500], timestamps=late))
    rows.append(make_example(7, audio=np.zeros(0, np.int16)))
    return write_dataset(folder / "audio", {"train": rows, "validation": rows}, audio_rate=RATE)


def _make(builder, split="train", **more):
    return loader.make_dataset(
        builder,
        split,
        **{
            "sampling": loader.RandomClip(4, 2),
            "spatial": loader.Resize((48, 64)),
            "batch_size": 4,
            **({"epochs": 1} if split == "train" else {}),
            **more,
        },
    )


# --- Shapes and types.

LAYOUTS = {
    "training": ("train", {}, (4, 4, 48, 64, 3)),
    "repeated": ("train", {"sampling": loader.RandomClip(4, clips=2)}, (4, 4, 48, 64, 3)),
    "evaluation": ("validation", {"sampling": loader.UniformClips(3, clips=2), "spatial": loader.ThreeCrop(8)},
                   (4, 6, 3, 8, 8, 3)),
    "canvases": ("train", {"spatial": loader.RandomResizedCrop(8), "resize": "device", "canvas": (30, 40)},
                 (4, 4, 30, 40, 3)),
    "evaluation on canvases": ("validation", {"sampling": loader.UniformClips(3, clips=2), "spatial": loader.ThreeCrop(8),
                                              "resize": "device"}, (4, 2, 3, 48, 64, 3)),
    "skipping": ("validation", {"on_damage": "skip"}, (4, 1, 4, 48, 64, 3)),
}  # fmt: skip


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_shape_is_known_beforehand_and_kept(builder, name):
    split, more, shape = LAYOUTS[name]
    dataset = _make(builder, split, **more)
    spec = dataset.element_spec
    assert spec["video"] == tf.TensorSpec(shape, tf.uint8)
    for key, dtype in (("label", tf.int32), ("id", tf.string), ("mask", tf.bool)):
        assert spec[key] == tf.TensorSpec([4], dtype)
    for value in spec.values():
        assert value.shape.is_fully_defined()
    count = 0
    for batch in dataset:
        count += 1
        for key, value in batch.items():
            assert spec[key].is_compatible_with(value), key
    assert count == dataset.cardinality().numpy()
    if split == "train":
        assert set(spec) >= {"video", "label", "id", "mask"}
        assert bool(tf.reduce_all(batch["mask"]))
    else:
        assert batch["mask"].numpy().tolist() == [True, False, False, False], "13 videos by 4"
        assert batch["label"].numpy().tolist()[1:] == [-1] * 3
        assert batch["id"].numpy().tolist()[1:] == [b""] * 3
        assert not batch["video"].numpy()[1:].any()


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", pytest.param("float16", marks=pytest.mark.slow)])
def test_floats_are_the_pixels_normalised(builder, dtype):
    pixels = next(iter(_make(builder, spatial=loader.RandomResizedCrop(16))))
    plain = next(iter(_make(builder, spatial=loader.RandomResizedCrop(16), dtype=dtype)))
    assert plain["video"].dtype == dtype
    step = {"float32": 1e-6, "bfloat16": 2**-8, "float16": 2**-10}[dtype]
    expected = pixels["video"].numpy() / 255
    np.testing.assert_allclose(tf.cast(plain["video"], tf.float32).numpy(), expected, atol=step)
    preset = loader.get_preset("slowfast_8x8")
    named = next(
        iter(
            _make(
                builder,
                spatial=loader.RandomResizedCrop(16),
                sampling=loader.RandomClip(4, 2),
                preset=preset,
                dtype=dtype,
            )
        )
    )
    np.testing.assert_allclose(
        tf.cast(named["video"], tf.float32).numpy(), (expected - 0.45) / 0.225, atol=4 * step + 1e-6
    )


def test_soft_labels_are_as_wide_as_the_dataset_has_classes(builder):
    batch = next(iter(_make(builder, mix=loader.MixupCutMix(), spatial=loader.Resize(8))))
    assert batch["label"].shape == (4, 5)
    assert batch["label"].dtype == tf.float32


def test_unlabelled_clips_have_no_label_but_count(builder):
    (batch,) = _make(builder, "test", sampling=loader.CentreClip(4))
    assert batch["label"].numpy().tolist() == [-1] * 4
    assert batch["mask"].numpy().tolist() == [True, True, True, False]


# --- Classes.


def test_classes_by_name_and_index_keep_their_labels(builder):
    dataset = _make(builder, "validation", sampling=loader.CentreClip(4), classes=["dancing", 0], batch_size=3)
    rows = [
        row
        for batch in dataset.as_numpy_iterator()
        for row in zip(batch["id"], batch["label"], batch["mask"], strict=True)
    ]
    kept = [i for i in range(13) if i % 5 in (0, 3)]
    assert [(key, label) for key, label, mask in rows if mask] == [(clip_id(i).encode(), i % 5) for i in kept]
    assert len(rows) == 6


def test_classes_are_filtered_in_training_too(builder):
    batches = list(_make(builder, classes=["bowling"], epochs=4, batch_size=3).as_numpy_iterator())
    assert len(batches) == 3 * 4 // 3
    assert loader.steps_per_epoch(builder, "train", 3, classes=["bowling"]) == 1
    assert {key for batch in batches for key in batch["id"]} == {clip_id(i).encode() for i in (1, 6, 11)}


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        (["bowlin"], "Did you mean 'bowling'"),
        ([5], "has no class 5"),
        ([-1], "has no class -1"),
        ([], "classes is empty"),
    ],
)
def test_classes_that_are_none_are_named(builder, classes, message):
    with pytest.raises(ConfigError, match=message):
        _make(builder, classes=classes)


def test_classes_without_a_clip_are_too_few(builder):
    with pytest.raises(ConfigError, match="has 0 of the clips asked for"):
        _make(builder, "validation[:2]", sampling=loader.CentreClip(4), classes=["dancing"])


# --- Audio.


def _check_audio(video, audio, clip_rate=40, length=FRAMES * 40, shift=0):
    """The audio of one view starts with its first frame; what lies behind the clip's end is silent."""
    _, frames = read_clip(video)
    start = frames[0] * clip_rate + shift
    expected = np.arange(start + 1, start + 1 + len(audio))
    expected[expected > length] = 0
    assert audio.tolist() == expected.tolist()


def test_audio_starts_with_the_first_frame_of_its_view(with_audio):
    """4 x 2 frames at 25 a second are 0.32 s."""
    dataset = _make(with_audio, sampling=loader.RandomClip(4, 2, fps=25.0, clips=2), batch_size=2, epochs=3)
    assert dataset.element_spec["audio"] == tf.TensorSpec([2, 320], tf.int16)
    starts = set()
    for batch in dataset.as_numpy_iterator():
        assert batch["id"][0] == batch["id"][1]
        for video, audio, key in zip(batch["video"], batch["audio"], batch["id"], strict=True):
            if key == clip_id(6).encode():
                _check_audio(video, audio, length=500, shift=20)
            elif key == clip_id(7).encode():
                assert not audio.any()
            else:
                _check_audio(video, audio)
                starts.add(audio[0])
    assert len(starts) > 10, "each view has its own"


def test_audio_of_views_and_crops_lies_beside_them(with_audio):
    """Two clips by three crops: the audio of a clip comes three times, as its frames do."""
    dataset = _make(
        with_audio, "validation", sampling=loader.UniformClips(4, 2, clips=2, fps=25.0), spatial=loader.ThreeCrop((48, 40), short_side=48),
        batch_size=3,
    )  # fmt: skip
    assert dataset.element_spec["video"].shape[:2] == (3, 6)
    assert dataset.element_spec["audio"] == tf.TensorSpec([3, 6, 320], tf.int16)
    batch = next(dataset.as_numpy_iterator())
    for audio in batch["audio"]:
        for view, start in enumerate([0, 0, 0, 32, 32, 32]):
            assert audio[view].tolist() == list(range(start * 40 + 1, start * 40 + 321))


def test_audio_is_as_long_as_asked_for_or_none(with_audio):
    longer = _make(with_audio, "validation", sampling=loader.CentreClip(4, 2), audio_seconds=1.0)
    assert longer.element_spec["audio"].shape == (4, 1, 1000)
    (video,), (audio,) = (value[0] for value in (lambda b: (b["video"], b["audio"]))(next(longer.as_numpy_iterator())))
    _check_audio(video, audio)
    assert "audio" not in _make(with_audio, "validation", sampling=loader.CentreClip(4), audio_seconds=0).element_spec


def test_audio_that_cannot_be_told_is_asked_for(builder, with_audio):
    with pytest.raises(ConfigError, match="stores no audio, but audio_seconds is 1"):
        _make(builder, audio_seconds=1.0)
    for sampling in (loader.RandomClip(4), loader.Segments(4, fps=25.0)):
        with pytest.raises(ConfigError, match=re.escape("Pass audio_seconds (0 for no audio)")):
            _make(with_audio, sampling=sampling)


# --- What contradicts itself.


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"batch_size": 0}, "batch_size is 0"),
        ({"batch_size": 3, "sampling": loader.RandomClip(4, clips=2)}, "batch_size is 3; one video gives 2 rows"),
        ({"epochs": 0}, "epochs is 0"),
        ({"batch_size": 14}, "do not fill 1 x 14 rows"),
        ({"dtype": "int8"}, "dtype is 'int8'"),
        ({"resize": "gpu"}, "resize is 'gpu'"),
        ({"resize": "device", "dtype": "float32"}, "cannot be augmented, mixed or normalised"),
        ({"resize": "device", "mix": loader.MixupCutMix()}, "cannot be augmented, mixed or normalised"),
        ({"resize": "device", "spatial": loader.ThreeCrop(8), "batch_size": 3}, "several windows of one canvas"),
        ({"sampling": None}, "neither a preset nor sampling"),
        ({"sampling": loader.Resize(8)}, "chooses no frames"),
        ({"spatial": loader.RandomClip(8)}, "gives no crop window"),
        ({"preset": "slowfast_8x9"}, "Did you mean 'slowfast_8x8'"),
    ],
)
def test_contradictions_are_named(builder, more, message):
    with pytest.raises(ConfigError, match=message):
        _make(builder, **more)


def test_epochs_of_an_evaluation_are_refused(builder):
    with pytest.raises(ConfigError, match="epochs is 2 in evaluation"):
        _make(builder, "validation", sampling=loader.CentreClip(4), epochs=2)


@pytest.mark.parametrize("split", ["validatoin", "validation[:10", "train[:0]"])
def test_splits_that_are_none_are_named(builder, split):
    with pytest.raises((ConfigError, LoaderError), match=re.escape(split)):
        _make(builder, split, training=False)


@pytest.mark.parametrize(
    ("split", "training"),
    [
        ("train", True),
        ("train[:50%]", True),
        ("train[:2]+train[5:]", True),
        ("validation+test", False),
        ("train+validation", None),
        (tfds.core.ReadInstruction("train", to=8, unit="abs"), None),
    ],
    ids=str,
)
def test_training_is_told_from_the_split_or_asked_for(builder, split, training):
    options = {"sampling": loader.CentreClip(2), "spatial": loader.Resize(8), "batch_size": 4}
    if training is None:
        with pytest.raises(ConfigError, match="Pass training=True or training=False"):
            loader.make_dataset(builder, split, **options)
        assert len(loader.make_dataset(builder, split, training=False, **options)) >= 2
    else:
        rows = loader.make_dataset(builder, split, **options)
        assert (rows.element_spec["video"].shape.rank == 5) == training
