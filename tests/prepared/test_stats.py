"""Statistics agree with what the dataset was made from."""

from __future__ import annotations

import json
import subprocess
import sys

import cv2
import numpy as np
import pytest

from kinetics_tfds.jpeg import jpeg_size
from kinetics_tfds.prepared.dataset import open_prepared
from kinetics_tfds.prepared.stats import RecordStats, describe_classes, read_record_stats, read_split_stats


def test_counts_come_from_the_manifest(prepared):
    splits = read_split_stats(open_prepared(prepared["tfrecord"]))
    assert set(splits) == {"train", "test"}
    assert splits["test"].clips == 6
    assert dict(splits["test"].classes) == {None: 6}
    assert splits["train"].states["failed"] == sum(splits["train"].failures.values()) == 1
    assert splits["train"].states["missing"] == 1
    assert sum(splits["train"].classes.values()) == splits["train"].clips
    assert splits["train"].frames == 10 * splits["train"].clips


def test_sizes_and_rates_come_from_the_records(prepared):
    for folder in prepared.values():
        data = open_prepared(folder)
        everything = read_record_stats(data.shards())
        assert everything.records == 18
        assert everything.frames == 180
        assert everything.seconds == pytest.approx(36)
        assert set(everything.fps) == {5.0}
        assert everything.durations == {2: 18}
        assert everything.brightness.total() == 18
        assert RecordStats.from_json(json.loads(json.dumps(everything.to_json()))) == everything
        assert set(everything.original_fps) <= {10, 11, 12}
        assert set(everything.original_sizes) <= {"64x48", "80x48", "96x48"}
        assert {size.split("x")[1] for size in everything.sizes} == {"32"}
        assert read_record_stats(data.shards(), records_per_shard=1).records == len(list(data.shard_numbers()))


@pytest.mark.parametrize("progressive", [False, True])
def test_sizes_of_jpeg_images(progressive):
    options = [cv2.IMWRITE_JPEG_PROGRESSIVE, int(progressive), cv2.IMWRITE_JPEG_RST_INTERVAL, 4]
    image = cv2.imencode(".jpg", np.zeros((50, 70, 3), np.uint8), options)[1].tobytes()
    comment = b"\xff\xfe\x01\x02" + bytes(256)
    assert jpeg_size(image) == jpeg_size(image[:2] + comment + image[2:]) == (70, 50)
    assert jpeg_size(b"\xff\xd8") == jpeg_size(b"") == jpeg_size(b"GIF89a") == (0, 0)


def test_classes_in_a_line():
    assert describe_classes({"a": 3, "b": 1, None: 9}) == "2 classes, 2 clips each in the median, from 1 (b) to 3 (a)"
    assert describe_classes({None: 9}) == "no labels"


def test_the_command(prepared, tmp_path):
    command = [sys.executable, "-m", "kinetics_tfds.cli.main", "stats", str(prepared["tfrecord"])]
    picture = tmp_path / "stats.png"
    done = subprocess.run([*command, "--classes", f"--png={picture}"], capture_output=True, text=True, timeout=120)
    assert min(cv2.imread(str(picture)).shape[:2]) > 1000
    assert (done.returncode, done.stderr) == (0, "")
    assert "zumba" in done.stdout
    assert "stored sizes: " in done.stdout
    done = subprocess.run([*command, "--json", "--all"], capture_output=True, text=True, timeout=120)
    found = json.loads(done.stdout)
    assert found["records"]["records"] == 18
    assert found["splits"]["test"]["states"] == {"written": 6}
