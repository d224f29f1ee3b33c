"""Builds with clips and data in a bucket, through TensorFlow's own file system and the real `tfds` program."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import signal
import subprocess
import time

import pytest
import tensorflow_datasets as tfds
from clip_folder import make_clip_folder
from tfds_program import program

from kinetics_tfds.annotations.clip import Split
from kinetics_tfds.config import KineticsConfig
from kinetics_tfds.errors import ClipsError, PlanMismatchError, StorageError
from kinetics_tfds.prepared.verify import verify_dataset
from kinetics_tfds.shards.lock import build_run
from kinetics_tfds.shards.run_folder import RunFolder

CONFIG = KineticsConfig(name="tiny", short_side=32, fps=5.0, max_failure_rate=0.5)
SETTINGS = '{"name": "tiny", "short_side": 32, "fps": 5.0, "max_failure_rate": 0.5}'


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_clip_folder(tmp_path_factory.mktemp("clips"), {Split.TRAIN: 6, Split.TEST: 2}, damaged=1)


@pytest.fixture(scope="module")
def local(folder, tmp_path_factory):
    """The files of a local build, by name."""
    builder = build(tmp_path_factory.mktemp("data"), folder.root)
    return {path.name: path.read_bytes() for path in pathlib.Path(builder.data_path).iterdir()}


@pytest.fixture(scope="module")
def bucket(gcs, folder):
    gcs.put_folder(folder.root, "clips")
    return gcs


def build(data_dir, clips, **download):
    builder = tfds.builder("kinetics600", data_dir=data_dir, config=CONFIG)
    builder.download_and_prepare(
        download_config=tfds.download.DownloadConfig(manual_dir=clips, **{"num_shards": 3, **download})
    )
    return builder


def dataset(bucket, data_dir):
    prefix = f"{data_dir}/kinetics600/tiny/1.0.0/"
    return {name.removeprefix(prefix): content for name, content in bucket.objects(prefix).items()}


def command(data_dir):
    flags = ["build", "kinetics600", "--imports=kinetics_tfds", f"--config={SETTINGS}", "--num_shards=3"]
    return program(*flags, "--manual_dir=gs://bucket/clips", f"--data_dir=gs://bucket/{data_dir}")


def test_the_program_builds_what_a_local_disk_would_hold(bucket, local, tmp_path):
    ran = subprocess.run(command("first"), cwd=tmp_path, capture_output=True, text=True, timeout=280)
    assert ran.returncode == 0, ran.stderr[-3000:]
    assert dataset(bucket, "first") == local
    assert [name for name in bucket.objects("first/") if ".staging" in name] == []
    verification = verify_dataset("gs://bucket/first/kinetics600/tiny/1.0.0", workers=1)
    assert verification.problems == ()
    assert verification.records == 7
    examples = list(tfds.as_numpy(tfds.load("kinetics600/tiny:1.0.0", split="train", data_dir="gs://bucket/first")))
    assert len(examples) == 5
    assert examples[0]["video"].shape[0] == 10


@pytest.mark.slow
def test_the_beam_job_builds_the_same(bucket, local, folder, repo, tmp_path):
    from beam_pipelines.build import main

    flags = [
        "--dataset=kinetics600",
        f"--config={SETTINGS}",
        "--num_shards=3",
        f"--runners_file={repo}/configs/runners/local.yaml",
    ]
    assert main([*flags, "--manual_dir=gs://bucket/clips", "--data_dir=gs://bucket/job"]) == 0
    assert dataset(bucket, "job") == local
    assert main([*flags, f"--manual_dir={folder.root}", f"--data_dir={tmp_path}"]) == 0
    data_path = tmp_path / "kinetics600" / "tiny" / "1.0.0"
    assert {path.name: path.read_bytes() for path in data_path.iterdir()} == local


@pytest.mark.slow
def test_a_killed_build_goes_on(bucket, local, tmp_path):
    """Killed as soon as one shard is finished; no shard is written twice."""
    shard = "second/kinetics600/tiny/1.0.0/kinetics600-"
    with subprocess.Popen(
        command("second"),
        cwd=tmp_path,
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        env=os.environ | {"KINETICS_DECODE_WORKERS": "1"},
    ) as process:
        while not bucket.generations("second/kinetics600/tiny/.staging/1.0.0-") or not any(
            "/reports/" in name for name in bucket.generations("second/")
        ):
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    reports = [name for name in bucket.generations("second/") if "/reports/" in name]
    finished = {
        name: generation for name, generation in bucket.generations(shard).items() if _has_report(name, reports)
    }
    assert finished
    ran = subprocess.run(command("second"), cwd=tmp_path, capture_output=True, text=True, timeout=280)
    assert ran.returncode == 0, ran.stderr[-3000:]
    assert "going on: " in ran.stderr
    assert finished.items() <= bucket.generations(shard).items()
    assert dataset(bucket, "second") == local


def _has_report(shard: str, reports: list[str]) -> bool:
    split, index = shard.rpartition("kinetics600-")[2].split(".tfrecord-")
    return any(report.endswith(f"/{split}-{index}.json") for report in reports)


def _interrupted(*args, **kwargs):
    raise KeyboardInterrupt


@pytest.fixture(scope="module")
def staged(bucket):
    """The objects of a build whose shards are all finished, and nothing else is done."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("kinetics_tfds.shards.commit.write_config", _interrupted)
        with pytest.raises(KeyboardInterrupt):
            build("gs://bucket/staged", "gs://bucket/clips")
    objects = bucket.objects("staged/")
    bucket.remove("staged/")
    return {name.removeprefix("staged/"): content for name, content in objects.items()}


def restore(bucket, staged, data_dir):
    for name, content in staged.items():
        bucket.put(f"{data_dir}/{name}", content)
    return bucket.generations(f"{data_dir}/kinetics600/tiny/1.0.0/")


def _decoded_again(*args, **kwargs):
    pytest.fail("a finished shard is to be written again")


def finish(data_dir):
    """Runs the command again; nothing is left to decode."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("kinetics_tfds.shards.run._run_pipeline", _decoded_again)
        return build(f"gs://bucket/{data_dir}", "gs://bucket/clips")


@pytest.fixture(scope="module")
def requests_of_a_finish(bucket, staged):
    restore(bucket, staged, "counted")
    with bucket.noting() as requests:
        finish("counted")
    return len(requests)


def check_error_at(number, status, bucket, staged, local):
    data_dir = f"at-{status}-{number}"
    shards = restore(bucket, staged, data_dir)
    assert len(shards) == 10  # three and two, and a table of frames of each
    with bucket.failing(status, at=number):
        # The finish may get by without what is refused: the clean-up after the commit does not fail a build.
        with contextlib.suppress(Exception) if status == 403 else contextlib.nullcontext():
            finish(data_dir)
        assert len(bucket.requests()) >= number
    finish(data_dir)
    assert dataset(bucket, data_dir) == local
    assert shards.items() <= bucket.generations(f"{data_dir}/").items(), "a finished shard was written again"
    bucket.remove(f"{data_dir}/")


@pytest.mark.parametrize("share", [0.4, 0.8])
def test_an_error_in_the_finish_loses_nothing(share, bucket, staged, local, requests_of_a_finish):
    check_error_at(round(share * requests_of_a_finish), 403, bucket, staged, local)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_an_error_at_any_request_of_the_finish_loses_nothing(bucket, staged, local, requests_of_a_finish):
    assert requests_of_a_finish > 40
    for number in range(1, requests_of_a_finish + 1):
        check_error_at(number, 403, bucket, staged, local)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("status", [0, 503])
def test_an_error_that_passes_is_not_even_seen(status, bucket, staged, local, requests_of_a_finish):
    for number in range(1, requests_of_a_finish + 1, 5):
        check_error_at(number, status, bucket, staged, local)


def test_errors_that_pass_at_a_workers_start_stop_nothing(bucket, local):
    with bucket.failing(503, match=r"GET .*plan\.(json|parquet)", times=2):
        build("gs://bucket/setup", "gs://bucket/clips")
    assert dataset(bucket, "setup") == local


def test_a_bucket_that_may_not_be_written_names_the_right(bucket):
    with (
        bucket.failing(403, match=r"POST /upload/.*tfrecord", times=1000),
        pytest.raises(
            StorageError, match=r"Cannot write gs://bucket/refused/kinetics600/tiny/1.0.0/.*tfrecord"
        ) as caught,
    ):
        build("gs://bucket/refused", "gs://bucket/clips")
    assert "storage.objects.create" in caught.value.next_step


def test_two_builds_in_one_bucket(bucket, local):
    builder = tfds.builder("kinetics600", data_dir="gs://bucket/twice", config=CONFIG)
    with build_run(builder.data_path) as run:
        # A run of another machine: this one cannot see whether its process lives.
        beat = json.loads((run.path / "heartbeat").read_text())
        (run.path / "heartbeat").write_text(json.dumps({**beat, "host": "elsewhere"}))
        with pytest.raises(PlanMismatchError, match=f"Process {os.getpid()} on elsewhere is already building"):
            build("gs://bucket/twice", "gs://bucket/clips")
        assert not RunFolder(run.path).asked_to_stop()
    build("gs://bucket/twice", "gs://bucket/clips")
    assert dataset(bucket, "twice") == local
    assert [name for name in bucket.generations("twice/") if ".staging" in name] == []


@pytest.mark.slow
def test_overwriting_keeps_the_dataset_until_the_new_one_is_planned(bucket, local, tmp_path):
    build("gs://bucket/again", "gs://bucket/clips")
    overwrite = tfds.download.GenerateMode.REUSE_CACHE_IF_EXISTS
    with pytest.raises(ClipsError):
        build("gs://bucket/again", tmp_path, download_mode=overwrite)
    assert dataset(bucket, "again") == local
    build("gs://bucket/again", "gs://bucket/clips", num_shards=2, download_mode=overwrite)
    names = dataset(bucket, "again")
    assert "kinetics600-train.tfrecord-00001-of-00002" in names
    assert "kinetics600-train.tfrecord-00001-of-00003" not in names
    assert verify_dataset("gs://bucket/again/kinetics600/tiny/1.0.0", workers=1).problems == ()
