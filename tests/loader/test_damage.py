"""Damage: raised by default with shard and clip, or skipped and counted; never another clip in its place."""

import collections
import shutil

import cv2
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
from batch_digests import digest, digests
from records import clip_id, encode_frame, make_example, read_clip, write_dataset

from kinetics_tfds import loader
from kinetics_tfds.errors import ConfigError, LoaderError

CLIPS = 12
FRAMES = 6
SIZE = (48, 64)


def _whole(clip):
    return [encode_frame(clip, frame, *SIZE) for frame in range(FRAMES)]


def _frames_changed(clip, change, number=2):
    frames = _whole(clip)
    frames[number] = change(frames[number])
    return make_example(clip, frames=FRAMES, video=frames)


def _no_huffman_table(jpeg):
    """A JPEG that starts and ends as one, and cannot be decoded."""
    marker = jpeg.index(b"\xff\xda")
    return jpeg[:marker] + b"\xff\xd9"


# What may be wrong with the frames of a record whose checksums are right. `make_example` does the rest.
FRAME_DAMAGE = {
    "no picture": lambda jpeg: b"",
    "another format": lambda jpeg: cv2.imencode(".png", np.zeros((48, 64, 3), np.uint8))[1].tobytes(),
    "half a picture": lambda jpeg: jpeg[: len(jpeg) // 2],
    "undecodable": _no_huffman_table,
    "half the picture with an end": lambda jpeg: jpeg[: len(jpeg) // 2] + b"\xff\xd9",
    "a smaller size": lambda jpeg: encode_frame(3, 2, 24, 32),
    "a larger size": lambda jpeg: encode_frame(3, 2, 96, 128),
    "no header": lambda jpeg: jpeg[:3] + jpeg[-2:],
}
BAD = 5  # the damaged clip; of the second shard


def _dataset_with(folder, damage):
    rows = [make_example(i, frames=FRAMES) for i in range(CLIPS)]
    if damage is not None:
        # The first frame tells the size of all.
        rows[BAD] = _frames_changed(BAD, FRAME_DAMAGE[damage], number=0 if damage == "no header" else 2)
    return write_dataset(folder, {"train": rows, "validation": rows}, per_shard=4)


@pytest.fixture(scope="module")
def intact(tmp_path_factory):
    folder = tmp_path_factory.mktemp("intact")
    _dataset_with(folder, None)
    return folder


def _records(path):
    """Offset and length of each record's data in a TFRecord file."""
    data, at = path.read_bytes(), 0
    while at < len(data):
        length = int.from_bytes(data[at : at + 8], "little")
        yield at + 12, length
        at += 12 + length + 4


def _flip_a_bit(path):
    start, length = list(_records(path))[1]
    data = bytearray(path.read_bytes())
    data[start + length // 2] ^= 1
    path.write_bytes(data)


def _flip_a_length(path):
    start, _ = list(_records(path))[1]
    data = bytearray(path.read_bytes())
    data[start - 10] ^= 1
    path.write_bytes(data)


def _truncate(path):
    start, length = list(_records(path))[1]
    path.write_bytes(path.read_bytes()[: start + length // 2])


# Damage to the file of shard 1, which holds clips 4 to 7 -> the clips that are lost.
FILE_DAMAGE = {
    "a flipped bit": (_flip_a_bit, {5}),
    "a wrong length": (_flip_a_length, {5, 6, 7}),
    "a truncated file": (_truncate, {5, 6, 7}),
    "an empty file": (lambda path: path.write_bytes(b""), {4, 5, 6, 7}),
    "a missing file": (lambda path: path.unlink(), {4, 5, 6, 7}),
}


def _load(folder, split="validation", **more):
    return loader.make_dataset(
        tfds.builder_from_directory(folder),
        split,
        **{
            "sampling": loader.UniformClips(FRAMES, clips=1),
            "spatial": loader.Resize(SIZE),
            "batch_size": 3,
            **more,
        },
    )


@pytest.fixture
def damaged(request, intact, tmp_path):
    """A kind of damage, a folder with it, and the clips that are lost by it."""
    kind = request.param
    if kind in FRAME_DAMAGE:
        _dataset_with(tmp_path / "data", kind)
        return kind, tmp_path / "data", {BAD}
    damage, lost = FILE_DAMAGE[kind]
    shutil.copytree(intact, tmp_path / "data")
    (path,) = (tmp_path / "data").glob("*validation*-00001-of-*")
    damage(path)
    return kind, tmp_path / "data", lost


QUICK = ("undecodable", "a flipped bit", "a missing file")
KINDS = [
    pytest.param(kind, marks=() if kind in QUICK else pytest.mark.slow, id=kind.replace(" ", "-"))
    for kind in (*FRAME_DAMAGE, *FILE_DAMAGE)
]


def _seen(batches):
    """Clip numbers by id, read from the pixels; each row is checked against its id and label."""
    seen = {}
    for batch in batches:
        for key, label, video, mask in zip(batch["id"], batch["label"], batch["video"], batch["mask"], strict=True):
            if mask:
                clip, frames = read_clip(video[0] if video.ndim == 5 else video)
                assert key == clip_id(clip).encode()
                assert label == clip % 5
                assert frames == list(range(FRAMES))
                assert clip not in seen
                seen[clip] = key
            else:
                assert label == -1
                assert key == b""
                assert not video.any()
    return set(seen)


@pytest.mark.parametrize("damaged", KINDS, indirect=True)
def test_damage_is_raised_with_shard_and_clip(damaged):
    kind, folder, lost = damaged
    batches = iter(_load(folder, batch_size=1))
    clips = []
    with pytest.raises(tf.errors.OpError) as error:
        clips.extend(key for batch in batches for key in batch["id"].numpy().tolist())
    assert "validation.tfrecord-00001-of-00003" in error.value.message
    assert "Damaged" in error.value.message
    number = f"[record] [{min(lost) - 4}]"
    assert (number if kind in FILE_DAMAGE else clip_id(BAD)) in error.value.message
    assert clips == [clip_id(i).encode() for i in range(min(lost))], "all before it came, nothing in its place"


WAYS = {
    "canvas": {"resize": "device"},
    "three crops": {"spatial": loader.ThreeCrop(24)},
    "views": {"split": "train", "sampling": loader.RandomClip(FRAMES, clips=2), "batch_size": 2, "epochs": 1},
    "looped views": {"sampling": loader.UniformClips(8, clips=2)},
}


@pytest.mark.parametrize("way", WAYS)
def test_a_frame_that_does_not_decode_is_named_however_clips_are_made(way, tmp_path):
    _dataset_with(tmp_path / "data", "undecodable")
    with pytest.raises(tf.errors.InvalidArgumentError) as error:
        list(_load(tmp_path / "data", **{"batch_size": 1, **WAYS[way]}))
    assert f"{WAYS[way].get('split', 'validation')}.tfrecord-00001-of-00003" in error.value.message
    assert clip_id(BAD) in error.value.message


@pytest.mark.parametrize("damaged", KINDS, indirect=True)
def test_damage_is_skipped_and_counted(damaged, capfd):
    _, folder, lost = damaged
    batches = list(_load(folder, on_damage="skip").as_numpy_iterator())
    assert _seen(batches) == set(range(CLIPS)) - lost
    assert len(batches) == CLIPS // 3, "skipping does not change the number of steps"
    assert max(batch["skipped"].max() for batch in batches) == len(lost)
    named = capfd.readouterr().err
    assert named.count("Skipped damaged clip") == len(lost)
    assert "validation.tfrecord-00001-of-00003" in named


def _training(folder, **more):
    return _load(
        folder, "train", sampling=loader.RandomClip(FRAMES), on_damage="skip", batch_size=4, seed=1, **more
    )  # fmt: skip


@pytest.fixture(scope="module")
def two_lost(intact, tmp_path_factory):
    """Clips 5 and 9 of `train` are damaged."""
    folder = tmp_path_factory.mktemp("two") / "data"
    shutil.copytree(intact, folder)
    for shard in (1, 2):
        (path,) = folder.glob(f"*train*-0000{shard}-of-*")
        _flip_a_bit(path)
    return folder


def test_training_goes_on_without_the_damaged(two_lost, capfd):
    """3 epochs of 12 clips with 2 damaged: as many steps as without damage, so that hosts stay together."""
    dataset = _training(two_lost, epochs=3)
    batches = list(dataset.as_numpy_iterator())
    assert len(batches) == dataset.cardinality().numpy() == 9
    seen = collections.Counter()
    for batch in batches:
        assert batch["mask"].all()
        for key, label, video in zip(batch["id"], batch["label"], batch["video"], strict=True):
            clip, _ = read_clip(video)
            assert key == clip_id(clip).encode()
            assert label == clip % 5
            seen[clip] += 1
    assert set(seen) == set(range(CLIPS)) - {5, 9}
    # 36 rows of 10 clips: 3 epochs, and 6 rows of a fourth.
    assert sorted(seen.values()) == [3] * 4 + [4] * 6
    skipped = [int(batch["skipped"].max()) for batch in batches]
    assert skipped == sorted(skipped)
    # What is read ahead of the last batch may have met more of them.
    assert 6 <= skipped[-1] <= capfd.readouterr().err.count("Skipped damaged clip") <= 8


def test_hosts_that_lose_clips_take_as_many_steps_as_the_others(two_lost):
    steps = [sum(1 for _ in _training(two_lost, epochs=2, shard=(host, 2))) for host in range(2)]
    assert steps == [3, 3]


def test_where_all_is_damaged_training_stops(intact, tmp_path):
    shutil.copytree(intact, tmp_path / "data")
    for path in (tmp_path / "data").glob("*train*"):
        path.unlink()
    with pytest.raises(tf.errors.OpError):
        list(_training(tmp_path / "data", epochs=2))


def test_a_skipping_run_is_gone_on_with_and_keeps_its_count(two_lost, tmp_path):
    dataset = _training(two_lost, epochs=3)
    expected = digests(dataset)
    for step in (5,):
        iterator = iter(dataset)
        assert [digest(next(iterator)) for _ in range(step)] == expected[:step]
        path = tf.train.Checkpoint(iterator=iterator).write(str(tmp_path / str(step)))
        later = iter(dataset)
        tf.train.Checkpoint(iterator=later).read(path).assert_consumed()
        assert digests(later) == expected[step:], "the number of skipped clips is part of the batches"


def test_frames_without_times_are_damage(tmp_path):
    row = make_example(0, frames=FRAMES, timestamps=np.arange(FRAMES - 1, dtype=np.float32))
    write_dataset(tmp_path / "data", {"validation": [row]})
    with pytest.raises(tf.errors.InvalidArgumentError, match="frames and timestamps that do not match"):
        list(_load(tmp_path / "data"))


def test_no_other_way_of_meeting_damage(intact):
    with pytest.raises(ConfigError, match="on_damage is 'replace'"):
        _load(intact, on_damage="replace")


def test_the_canvas_is_told_from_a_shard_that_can_be_read(intact, tmp_path):
    shutil.copytree(intact, tmp_path / "data")
    shards = sorted((tmp_path / "data").glob("*validation*"))
    shards[0].unlink()
    options = {"resize": "device", "spatial": loader.Resize(8), "on_damage": "skip"}
    assert _load(tmp_path / "data", **options).element_spec["video"].shape[-3:] == (*SIZE, 3)
    for shard in shards[1:]:
        shard.write_bytes(b"no records")
    with pytest.raises(LoaderError, match="the canvas's size is not known"):
        _load(tmp_path / "data", **options)
