"""Clips by weight, a few clips per class, frame times: functions of (seed, epoch), whatever the hosts."""

import collections

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from records import CLASSES, clip_id, make_example, read_clip, write_dataset

from kinetics_tfds import loader
from kinetics_tfds.errors import ConfigError
from kinetics_tfds.loader.weighting import Weights, weighted_row

# 12 of archery, 4 of bowling, 3 of clapping, 1 of dancing, none of eating; one without a label.
LABELS = [0] * 12 + [1] * 4 + [2] * 3 + [3] + [-1]


@pytest.fixture(scope="module")
def builder(tmp_path_factory):
    rows = [make_example(i, frames=12, size=(16, 16), label=label) for i, label in enumerate(LABELS)]
    return write_dataset(tmp_path_factory.mktemp("data"), {"train": rows, "validation": rows}, per_shard=8)


def _rows(builder, split="train", **more):
    options = {"sampling": loader.RandomClip(2), "spatial": loader.Resize(8), "batch_size": 1, "epochs": 1}
    if split != "train":
        del options["epochs"]
    return list(loader.make_dataset(builder, split, **{**options, **more}).as_numpy_iterator())


def _labels(batches):
    return collections.Counter(int(label) for batch in batches for label in batch["label"])


def test_balanced_classes_come_alike_often(builder):
    """21 slots for five classes, the unlabelled one included: 4 or 5 each, in every epoch."""
    batches = _rows(builder, weights="class_balanced", epochs=4)
    assert len(batches) == 4 * len(LABELS)
    for epoch in range(4):
        counts = _labels(batches[epoch * 21 : (epoch + 1) * 21])
        assert set(counts.values()) <= {4, 5}, counts
        assert len(counts) == 5
    archery = [batch["id"][0] for batch in batches if batch["label"][0] == 0]
    assert len(set(archery)) == 12, "over some epochs all clips of a large class come"


def test_a_clip_that_comes_again_looks_different(builder):
    batches = [batch for batch in _rows(builder, weights="class_balanced") if batch["label"][0] == 3]
    assert len(batches) >= 4
    assert len({batch["id"][0] for batch in batches}) == 1
    assert len({batch["video"].tobytes() for batch in batches}) > 1


def test_named_classes_come_more_often_or_never(builder):
    counts = _labels(_rows(builder, weights={"bowling": 3.0, "archery": 0.0}, epochs=3))
    # Shares: bowling 4 * 3 of 17, clapping 3, dancing 1, unlabelled 1; times 63.
    assert 0 not in counts
    assert counts == pytest.approx({1: 63 * 12 / 17, 2: 63 * 3 / 17, 3: 63 / 17, -1: 63 / 17}, abs=3)


def test_hosts_share_a_weighted_epoch_out(builder):
    alone = [batch["id"][0] for batch in _rows(builder, weights="class_balanced", seed=3)]
    hosts = [_rows(builder, weights="class_balanced", seed=3, shard=(host, 3)) for host in range(3)]
    assert [batch["id"][0] for batches in zip(*hosts, strict=True) for batch in batches] == alone
    other = [batch["id"][0] for batch in _rows(builder, weights="class_balanced", seed=4)]
    assert other != alone


@settings(max_examples=60, deadline=None)
@given(weights=st.lists(st.integers(0, 9), min_size=1, max_size=40).filter(any), offset=st.floats(0, 0.999))
def test_slots_are_dealt_out_in_proportion(weights, offset):
    """Each row comes its share of the slots, rounded down or up, its repeats numbered from 0; arrays do the same."""
    sums = np.cumsum(np.array(weights) / sum(weights))
    sums /= sums[-1]
    count, offset = len(weights), np.float32(offset)
    known = Weights(np.arange(count), sums)
    rows, repeats = zip(*(weighted_row(np.int64(slot), known, offset) for slot in range(count)), strict=True)
    for row, weight in enumerate(weights):
        share = count * weight / sum(weights)
        assert np.floor(share - 1e-9) <= rows.count(row) <= np.ceil(share + 1e-9)
        assert sorted(r for at, r in zip(rows, repeats, strict=True) if at == row) == list(range(rows.count(row)))
    found = weighted_row(tf.constant(count - 1, tf.int64), known, tf.constant(offset))
    assert tuple(int(value) for value in found) == (rows[-1], repeats[-1])


def test_a_few_clips_of_each_class(builder):
    batches = _rows(builder, clips_per_class=3, epochs=2)
    assert _labels(batches) == {0: 6, 1: 6, 2: 6, 3: 2}
    first, second = ({batch["id"][0] for batch in part} for part in (batches[:10], batches[10:]))
    assert first == second, "the same few in every epoch"
    others = [frozenset(b["id"][0] for b in _rows(builder, clips_per_class=3, seed=seed)) for seed in range(4)]
    assert len(set(others)) > 1, "another seed, another few"
    assert len(_rows(builder, "validation", clips_per_class=3)) == 10


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"weights": "balanced"}, "weights is 'balanced'"),
        ({"weights": {"archerie": 1.0}}, "Did you mean 'archery'"),
        ({"weights": {"archery": -1.0}}, "The weight of 'archery' is -1.0"),
        ({"weights": dict.fromkeys(CLASSES, 0.0), "classes": CLASSES}, "leaves no clip"),
        ({"clips_per_class": 0}, "clips_per_class is 0"),
        ({"split": "validation", "weights": "class_balanced"}, "weights are given in evaluation"),
        ({"split": "validation", "augment": [lambda video, seed: video]}, "augment is .* in evaluation"),
        ({"split": "validation", "mix": loader.MixupCutMix()}, "mix is .* in evaluation"),
        ({"augment": [3]}, "augment is"),
        ({"augment": [lambda video, seed: tf.cast(video, tf.float32) / 255]}, r"returns float32 \(2, 8, 8, 3\)"),
        ({"augment": [lambda video, seed: video[:, :4]]}, r"returns uint8 \(2, 4, 8, 3\)"),
    ],
)
def test_what_makes_no_sense_is_refused(builder, more, message):
    with pytest.raises(ConfigError, match=message):
        _rows(builder, **more)


def test_frame_times_say_what_is_shown(builder):
    batch = _rows(
        builder, frame_times=True, sampling=loader.RandomClip(3, 2, clips=2), spatial=loader.Resize(16), batch_size=4
    )[0]
    assert batch["frame_index"].shape == batch["frame_time"].shape == (4, 3)
    for video, index, time in zip(batch["video"], batch["frame_index"], batch["frame_time"], strict=True):
        assert read_clip(video)[1] == index.tolist()
        np.testing.assert_allclose(time, index / 25.0, rtol=1e-6)
    views = _rows(
        builder, "validation", frame_times=True, sampling=loader.UniformClips(3, clips=2), spatial=loader.ThreeCrop(8)
    )[0]
    assert views["frame_index"].shape == (1, 6, 3)
    assert (views["frame_index"][0, 0] == views["frame_index"][0, 2]).all(), "crops of one view"


def test_a_record_of_another_clip_is_named(builder, tmp_path):
    """The manifest and the record disagree about whose frames these are."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [make_example(i, frames=3, size=(16, 16)) for i in range(3)]
    mine = write_dataset(tmp_path, {"train": rows}, per_shard=3)
    (shard,) = tmp_path.glob("*tfrecord*")
    sizes = [len(record.numpy()) for record in tf.data.TFRecordDataset(str(shard))]
    pq.write_table(
        pa.table(
            {
                "split": ["train"] * 3, "state": ["written"] * 3, "shard": [0] * 3, "index": [0, 1, 2],
                "bytes": sizes, "id": [clip_id(0), clip_id(7), clip_id(2)], "label": [CLASSES[i] for i in range(3)],
            }
        ),
        tmp_path / "manifest.parquet",
    )  # fmt: skip
    with pytest.raises(
        tf.errors.InvalidArgumentError, match=f"holds the id.*{clip_id(1)}.*where the index has.*{clip_id(7)}"
    ):
        _rows(mine)
    kept = [batch["id"][0] for batch in _rows(mine, "train", training=False, epochs=None, on_damage="skip")]
    assert sorted(kept) == [b"", clip_id(0).encode(), clip_id(2).encode()]
