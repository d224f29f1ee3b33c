from __future__ import annotations

import io
import shutil

import google_crc32c
import numpy as np
import pytest
from tensorflow_datasets.proto import tf_example_pb2

from kinetics_tfds import frame_table
from kinetics_tfds.prepared.verify import verify_dataset
from kinetics_tfds.shards import records


def make_record(frames, times, audio=b""):
    example = tf_example_pb2.Example()
    example.features.feature["audio"].bytes_list.value.append(audio)
    example.features.feature["video"].bytes_list.value.extend(frames)
    example.features.feature["timestamps"].float_list.value.extend(times)
    return example.SerializeToString(deterministic=True)


@pytest.mark.parametrize("file_format", ["tfrecord", "array_record"])
def test_a_build_writes_where_every_frame_lies(prepared, file_format):
    folder = prepared[file_format]
    shards = sorted(path for path in folder.iterdir() if "-of-" in path.name and path.name[0] != ".")
    assert len(shards) == 6
    for shard in shards:
        table = frame_table.open_table(folder / frame_table.file_name(shard.name))
        start = 0
        for raw in records.read_records(shard, file_format):
            features = tf_example_pb2.Example.FromString(raw.data).features.feature
            frames = list(features["video"].bytes_list.value)
            rows = table[start : start + len(frames)]
            assert [raw.data[row["offset"] : row["offset"] + row["size"]] for row in rows] == frames
            assert rows["crc32c"].tolist() == [google_crc32c.value(frame) for frame in frames]
            assert rows["time"].tolist() == list(features["timestamps"].float_list.value)
            start += len(frames)
        assert start == len(table)


def test_verify_knows_the_tables(prepared, tmp_path):
    copy = shutil.copytree(prepared["tfrecord"], tmp_path / "1.0.0")
    table = next(path for path in copy.iterdir() if frame_table.is_frame_table(path.name))
    table.write_bytes(table.read_bytes()[:-1] + b"!")
    assert [problem.file for problem in verify_dataset(copy, workers=1).problems] == [table.name]


def test_frames_are_found_where_their_bytes_occur_twice():
    frames = [b"\xff\xd8" + bytes(40), b"\xff\xd8" + bytes(40) + b"1", b"\xff\xd8" + bytes(40)]
    record = make_record(frames, [0.0, 0.5, 1.0], audio=frames[0][:36])
    rows = frame_table.frame_rows(record)
    assert [record[row["offset"] :][: row["size"]] for row in rows] == frames
    assert (np.diff(rows["offset"].astype(int)) >= rows["size"][:-1]).all()


@pytest.mark.parametrize("record", [b"", b"\xff\xff\xff", make_record([b"a"], [])])
def test_what_is_no_record_of_frames_is_refused(record):
    if record == b"":
        assert len(frame_table.frame_rows(record)) == 0
        return
    with pytest.raises(ValueError, match=r"serialised example|timestamps"):
        frame_table.frame_rows(record)


def test_tables_open_and_others_do_not(tmp_path):
    path = tmp_path / "table"
    for count in (0, 3):
        path.write_bytes(frame_table.to_bytes([np.ones(count, frame_table.ROW)] if count else []))
        assert frame_table.open_table(path).tolist() == [(1, 1, 1, 1.0)] * count
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError):
        frame_table.open_table(path)
    other = io.BytesIO()
    np.save(other, np.zeros(3))
    path.write_bytes(other.getvalue())
    with pytest.raises(ValueError):
        frame_table.open_table(path)
