from __future__ import annotations

import http.server
import pathlib
import pickle
import shutil
import subprocess
import sys
import threading

import numpy as np
import pytest
from built_dataset import noise_frames, write_built
from records import CLASSES, clip_id, encode_frame, make_example

from kinetics_tfds import frame_table
from kinetics_tfds.errors import ConfigError, LoaderError
from kinetics_tfds.loader import ClipSource
from kinetics_tfds.loader.random_access import byte_ranges


def test_a_sequence_of_clips(built):
    source = ClipSource(built, "train")
    assert len(source) == 14
    assert source.ids == [clip_id(clip) for clip in range(14)]
    clip = source[5]
    assert (clip.id, clip.label, clip.num_frames) == (clip_id(5), 0, 30)
    assert clip.timestamps.tolist() == (np.arange(30, dtype=np.float32) / np.float32(25)).tolist()
    assert clip.read([7, 3, 3]) == [encode_frame(5, frame, 60, 80) for frame in (7, 3, 3)]
    assert len(clip.read()) == 30
    assert [part.id for part in source[2:4]] == [clip_id(2), clip_id(3)]
    assert source[-1].id == clip_id(13)
    assert source[clip_id(9)].id == clip_id(9)
    with pytest.raises(LoaderError, match="no clip 'nobody'"):
        source["nobody"]
    with pytest.raises(IndexError):
        source[14]


def test_parts_of_splits_and_classes(built):
    assert ClipSource(built, "train[2:5]+validation").ids == [clip_id(clip) for clip in [2, 3, 4, *range(14, 20)]]
    assert ClipSource(built, "train[2:5]")[1].read([0]) == [encode_frame(3, 0, 48, 64)]
    bowling = ClipSource(built, "train", classes=["bowling", 2])
    assert {CLASSES[clip.label] for clip in bowling} == {"bowling", "clapping"}
    with pytest.raises(ConfigError, match="bowlin"):
        ClipSource(built, "train", classes=["bowlin"])
    with pytest.raises(ConfigError, match="split 'tain'"):
        ClipSource(built, "tain")


@pytest.mark.parametrize("file_format", ["tfrecord", "array_record"])
def test_datasets_of_both_formats(prepared, file_format):
    source = ClipSource(prepared[file_format], "train")
    assert len(source) == 12
    for clip in source:
        images = clip.read()
        assert len(images) == clip.num_frames == 10
        assert all(image.startswith(b"\xff\xd8") and image.endswith(b"\xff\xd9") for image in images)


def test_it_travels_to_other_processes_and_needs_no_tensorflow(built, tmp_path):
    source = ClipSource(built, "train")
    source[3].read([0])
    (tmp_path / "source").write_bytes(pickle.dumps(source))
    code = (
        "import pickle, sys; source = pickle.load(open(sys.argv[1], 'rb')); print(len(source[3].read([0, 1])));"
        "assert 'tensorflow' not in sys.modules and 'tensorflow_datasets' not in sys.modules"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "source"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "2\n"), done.stderr


def test_damage_is_named(built, tmp_path):
    copy = pathlib.Path(shutil.copytree(built, tmp_path / "copy"))
    shard = next(copy.glob("kinetics_test-train*00001-of-*"))
    source = ClipSource(copy, "train")
    rows = source.tables.rows(5)
    data = bytearray(shard.read_bytes())
    data[int(source.index.data[5] + rows["offset"][7]) + 40] ^= 1
    shard.write_bytes(data)
    assert len(source[5].read([6, 8])) == 2
    with pytest.raises(LoaderError, match=rf"00001-of-00004 record 1 \({clip_id(5)}\) has a frame whose checksum"):
        source[5].read([6, 7])
    shard.unlink()
    with pytest.raises(LoaderError, match=r"00001-of-00004 record 1 .* cannot be read: .*No such file"):
        source[5].read([6])
    table = copy / frame_table.file_name(shard.name)
    table.write_bytes(table.read_bytes()[:-200])
    with pytest.raises(LoaderError, match=rf"{table.name} cannot be used"):
        ClipSource(copy, "train")[7].read([0])
    (copy / "manifest.parquet").unlink()
    with pytest.raises(LoaderError, match=r"manifest of .* cannot be read"):
        ClipSource(copy, "train")


def test_tables_of_older_datasets_are_made_once(built, tmp_path, capfd):
    copy = pathlib.Path(shutil.copytree(built, tmp_path / "copy"))
    names = sorted(path.name for path in copy.iterdir() if frame_table.is_frame_table(path.name))
    for name in names:
        (copy / name).unlink()
    assert ClipSource(copy, "train[5:6]")[0].read([2]) == [encode_frame(5, 2, 60, 80)]  # makes no part of a table
    for source in (ClipSource(copy, "train"), ClipSource(copy, "validation")):
        assert [clip.read([1]) for clip in source] == [clip.read([1]) for clip in ClipSource(built, source.split)]
    assert {name: (copy / name).read_bytes() for name in names} == {name: (built / name).read_bytes() for name in names}
    capfd.readouterr()
    ClipSource(copy, "train")[0].read([0])
    assert capfd.readouterr().err == ""


class _Ranges(http.server.SimpleHTTPRequestHandler):
    """A server of files that answers requests for ranges, and counts the bytes."""

    sent = 0
    requests: list[str] = []  # noqa: RUF012

    def do_GET(self):
        path = pathlib.Path(self.translate_path(self.path))
        if not path.exists():
            self.send_error(404)
            return
        data = path.read_bytes()
        wanted = self.headers.get("Range")
        if wanted:
            first, last = wanted.removeprefix("bytes=").split("-")
            start, end = int(first), min(int(last), len(data) - 1)
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{end}/{len(data)}")
            data = data[start : end + 1]
        else:
            self.send_response(200)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        # Before the answer: whoever has it may look at once.
        type(self).sent += len(data)
        type(self).requests.append(f"{path.name} {len(data)}")
        self.wfile.write(data)

    def log_message(self, format, *args):
        pass


@pytest.fixture(scope="module")
def long_clips(tmp_path_factory):
    """A dataset of clips of 300 frames of 340x256, as most of Kinetics is stored."""
    folder = tmp_path_factory.mktemp("long") / "kinetics_test" / "1.0.0"
    frames = noise_frames(20, 256, 340) * 15
    examples = [
        make_example(clip, frames=0)
        | {"video": frames, "timestamps": np.arange(300, dtype=np.float32) / np.float32(30)}
        for clip in range(2)
    ]
    write_built(folder, {"train": examples}, CLASSES, per_shard=2)
    return folder


def test_few_bytes_are_read_on_this_machine(long_clips):
    code = """if True:
        import sys
        from kinetics_tfds.loader import ClipSource

        def read_so_far():
            return int(open("/proc/self/io").read().split()[1])

        source = ClipSource(sys.argv[1], "train")
        source[0].read([0])  # what Python reads of its own files at first
        before = read_so_far()
        cost = read_so_far() - before
        before = read_so_far()
        images = source[1].read(range(100, 164, 2))
        print((read_so_far() - before - cost) / sum(map(len, images)))
    """
    if not pathlib.Path("/proc/self/io").exists():
        pytest.skip("only Linux counts what a process reads")
    done = subprocess.run([sys.executable, "-c", code, long_clips], capture_output=True, text=True, check=True)
    assert 1.0 <= float(done.stdout) <= 1.1


def test_one_request_with_what_lies_between(long_clips):
    handler = type("Handler", (_Ranges,), {"sent": 0, "requests": []})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), lambda *args: handler(*args, directory=str(long_clips)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        source = ClipSource(f"http://127.0.0.1:{server.server_port}", "train")
        source[0].read([0])  # the first clip of a shard looks at the table's header
        handler.sent, handler.requests[:] = 0, []
        images = source[1].read(range(100, 164, 2))
        assert images == ClipSource(long_clips, "train")[1].read(range(100, 164, 2))
        assert len(handler.requests) == 2, handler.requests  # the clip's rows, and its frames
        assert handler.sent / sum(map(len, images)) <= 2.1
    finally:
        server.shutdown()


def test_half_a_million_clips_open_in_moderate_memory(tmp_path):
    """The manifest alone: no record is looked at."""
    import json

    import pyarrow as pa
    import pyarrow.parquet as pq

    count, shards = 500_000, 500
    number = np.arange(count)
    table = pa.table(
        {
            "split": pa.array(["train"]).take(np.zeros(count, np.int64)),
            "state": pa.array(["written"]).take(np.zeros(count, np.int64)),
            "shard": pa.array(number // 1000, pa.int32()),
            "index": pa.array(number % 1000, pa.int32()),
            "bytes": pa.array(np.full(count, 6_000_000)),
            "frames": pa.array(np.full(count, 300, np.int32)),
            "id": [f"{key:011d}_000000_000010" for key in number],
            "label": pa.array(CLASSES).take(number % len(CLASSES)),
        }
    )
    pq.write_table(table, tmp_path / "manifest.parquet")
    info = {"name": "kinetics_test", "splits": [{"name": "train", "shardLengths": ["1000"] * shards}]}
    (tmp_path / "dataset_info.json").write_text(json.dumps(info))
    (tmp_path / "label.labels.txt").write_text("\n".join(CLASSES))
    (tmp_path / "config.json").write_text("{}")
    source = ClipSource(tmp_path, "train")
    assert len(source) == count
    assert source.position(f"{123_456:011d}_000000_000010") == 123_456
    assert source.index.first_row[123_456] == 456 * 300
    assert source.index.data[1001] == 6_000_016 + 12
    arrays = [value for value in vars(source.index).values() if isinstance(value, np.ndarray)]
    assert sum(array.nbytes for array in arrays) < 50e6


def test_ranges_that_end_behind_the_file_are_short(tmp_path):
    (tmp_path / "file").write_bytes(b"abcdef")
    assert byte_ranges.read_ranges(str(tmp_path / "file"), [(0, 2), (4, 9)]) == [b"ab", b"ef"]
