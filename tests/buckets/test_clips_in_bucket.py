"""Clips in any bucket, of which a build on a local disk is made; what a bucket does to them on the way."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys

import pytest
import tensorflow_datasets as tfds
from clip_folder import make_clip_folder

from kinetics_tfds.annotations.clip import Split
from kinetics_tfds.config import KineticsConfig
from kinetics_tfds.errors import ConfigError, StorageError

CONFIG = KineticsConfig(name="tiny", short_side=32, fps=5.0, max_failure_rate=0.5)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_clip_folder(tmp_path_factory.mktemp("clips"), {Split.TRAIN: 4, Split.TEST: 1}, damaged=1)


@pytest.fixture(scope="module")
def gcs_clips(gcs, folder):
    gcs.put_folder(folder.root, "some/clips")
    return gcs


@pytest.fixture(scope="module")
def s3_clips(s3, folder):
    for path in folder.root.rglob("*"):
        if path.is_file():
            key = f"some/clips/{path.relative_to(folder.root).as_posix()}"
            s3.put_object(Bucket="bucket", Key=key, Body=path.read_bytes())
    return s3


def build(data_dir, clips):
    builder = tfds.builder("kinetics600", data_dir=data_dir, config=CONFIG)
    builder.download_and_prepare(download_config=tfds.download.DownloadConfig(manual_dir=clips, num_shards=1))
    return {path.name: path.read_bytes() for path in pathlib.Path(builder.data_path).iterdir()}


@pytest.fixture(scope="module")
def local(folder, tmp_path_factory):
    return build(tmp_path_factory.mktemp("data"), folder.root)


@pytest.mark.parametrize("scheme", ["gs", "s3"])
def test_the_bytes_are_those_of_local_clips(scheme, gcs_clips, s3_clips, local, tmp_path):
    assert build(tmp_path, f"{scheme}://bucket/some/clips") == local


def test_a_plan_of_clips_in_a_bucket(s3_clips, tmp_path):
    command = [sys.executable, "-m", "kinetics_tfds.cli.main", "plan", "kinetics600", "--json"]
    ran = subprocess.run(
        [*command, "--manual_dir=s3://bucket/some/clips", f"--data_dir={tmp_path}"],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["splits"]["train"]["found"] == 4


def test_an_error_that_passes_costs_no_clip(gcs_clips, local, tmp_path, monkeypatch):
    monkeypatch.setattr("gcsfs.retry.DEFAULT_RETRY_CONFIG", {"timeout": 0.0})  # or the driver would try again itself
    with gcs_clips.failing(503, match=r"GET .*%2Ftrain%2F", times=3):
        assert build(tmp_path, "gs://bucket/some/clips") == local
    with gcs_clips.failing(0, match=r"GET .*%2Ftrain%2F", times=2):
        assert build(tmp_path / "reset", "gs://bucket/some/clips") == local


def test_clips_that_may_not_be_read_stop_the_build_and_name_the_right(gcs_clips, local, tmp_path):
    with (
        gcs_clips.failing(403, match=r"GET .*%2Ftrain%2F", times=1000),
        pytest.raises(StorageError, match=r"Cannot read gs://bucket/some/clips/train/.*\.mp4") as caught,
    ):
        build(tmp_path, "gs://bucket/some/clips")
    assert "storage.objects.get" in caught.value.next_step
    assert build(tmp_path, "gs://bucket/some/clips") == local


@pytest.mark.parametrize("data_dir", ["s3://bucket/data", "abfs://container/data", "hdfs://name/data"])
def test_a_place_that_tensorflow_cannot_read(data_dir):
    with pytest.raises(ConfigError, match="TensorFlow has no file system for") as caught:
        tfds.builder("kinetics600", data_dir=data_dir, config=CONFIG)
    assert "gs://" in caught.value.next_step
