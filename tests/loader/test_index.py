"""Where records start: the manifest and a walk over the files agree with what TFRecord readers find."""

import io
import itertools
import os
import pathlib
import struct
import tempfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from records import CLASSES, clip_id, make_example, write_dataset

from kinetics_tfds.loader.records.index import read_index
from kinetics_tfds.loader.records.source import open_source
from kinetics_tfds.loader.records.walking import walk_records

CLIPS = 11


def _lengths(path):
    return [len(record.numpy()) for record in tf.data.TFRecordDataset(str(path))]


def _write_manifest(folder, **changes):
    rows = []
    for path in sorted(folder.glob("*tfrecord*")):
        shard = int(path.name.split("-")[2])
        rows += [(shard, index, size) for index, size in enumerate(_lengths(path))]
    shard, index, size = map(list, zip(*rows, strict=True))
    table = {
        "split": ["train"] * CLIPS,
        "state": ["written"] * CLIPS,
        "shard": shard,
        "index": index,
        "bytes": size,
        "id": [clip_id(i) for i in range(CLIPS)],
        "label": [CLASSES[i % 5] if i != 3 else None for i in range(CLIPS)],
        **changes,
    }
    # Clips that were never written, and another split's, in any order.
    for key, values in table.items():
        extra = {"split": "train", "state": "missing"}.get(key, None if key != "id" else "gone")
        other = {"split": "test", "state": "written", "shard": 0, "index": 0, "bytes": 5, "id": "x"}.get(key)
        table[key] = [extra, *reversed(values), other]
    pq.write_table(pa.table(table), folder / "manifest.parquet")


@pytest.fixture
def dataset(tmp_path):
    rows = [make_example(i, frames=3 + i % 4) for i in range(CLIPS)]
    rows[3]["label"] = -1
    return tmp_path, write_dataset(tmp_path, {"train": rows}, per_shard=4)


def _check(index, wanted):
    assert len(index) == len(wanted)
    assert index.id.tolist() == [clip_id(i).encode() for i in wanted]
    assert index.label.tolist() == [i % 5 if i != 3 else -1 for i in wanted]
    assert index.number.tolist() == [i % 4 for i in wanted]
    for file, offset, i in zip(index.file, index.offset, wanted, strict=True):
        data = pathlib.Path(index.paths[file]).read_bytes()
        (length,) = struct.unpack_from("<Q", data, offset)
        example = tf.train.Example.FromString(data[offset + 12 : offset + 12 + length])
        assert example.features.feature["id"].bytes_list.value[0] == clip_id(i).encode()


@pytest.mark.parametrize("manifest", [False, True], ids=["walked", "from the manifest"])
@pytest.mark.parametrize(
    ("split", "wanted"), [("train", range(CLIPS)), ("train[3:9]", range(3, 9)), ("train[:2]+train[5:7]", [0, 1, 5, 6])]
)
def test_every_record_is_found(dataset, manifest, split, wanted):
    folder, builder = dataset
    if manifest:
        _write_manifest(folder)
    _check(read_index(open_source(builder, split)), list(wanted))


@pytest.mark.parametrize(
    "changes",
    [{"state": ["written"] * (CLIPS - 1) + ["failed"]}, {"split": ["train"] * (CLIPS - 1) + ["validation"]}],
    ids=["a record fewer", "another split"],
)
def test_a_manifest_of_other_shards_is_not_believed(dataset, changes):
    folder, builder = dataset
    _write_manifest(folder, **changes)
    _check(read_index(open_source(builder, "train")), list(range(CLIPS)))


@pytest.mark.parametrize("content", [b"", b"PAR1 is not all of it"])
def test_a_broken_manifest_is_not_believed(dataset, content):
    folder, builder = dataset
    (folder / "manifest.parquet").write_bytes(content)
    _check(read_index(open_source(builder, "train")), list(range(CLIPS)))


def test_the_manifest_names_records_that_cannot_be_read(dataset):
    folder, builder = dataset
    _write_manifest(folder)
    for path in folder.glob("*tfrecord*"):
        path.write_bytes(b"")
    index = read_index(open_source(builder, "train"))
    assert index.id.tolist() == [clip_id(i).encode() for i in range(CLIPS)]


@settings(max_examples=300, deadline=None)
@given(data=st.binary(max_size=300), count=st.integers(0, 8))
def test_a_walk_over_anything_ends(data, count):
    """Marks move forward; at most as many as asked for; whatever the bytes are."""
    found = list(walk_records(io.BytesIO(data), count))
    assert len(found) <= count
    assert all(record.end <= len(data) for record in found)
    for one, other in itertools.pairwise(found):
        assert one.end == other.offset > one.offset


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_damaged_heads_are_survived(data):
    """A record whose inside is changed anywhere still has a place, and its label and id are theirs or unknown."""
    example = tf.train.Example()
    example.features.feature["id"].bytes_list.value.append(b"a_key")
    example.features.feature["label"].int64_list.value.append(data.draw(st.integers(-1, 800)))
    example.features.feature["video"].bytes_list.value.extend([b"x" * 100] * 3)
    record = bytearray(example.SerializeToString(deterministic=True))
    for _ in range(data.draw(st.integers(0, 4))):
        record[data.draw(st.integers(0, len(record) - 1))] = data.draw(st.integers(0, 255))
    with tempfile.NamedTemporaryFile() as file:
        with tf.io.TFRecordWriter(file.name) as writer:
            writer.write(bytes(record))
        size = os.path.getsize(file.name)
        (mark,) = walk_records(file, 1)
    assert (mark.offset, mark.end) == (0, size)
    assert isinstance(mark.id, bytes)
    np.int32(mark.label)
