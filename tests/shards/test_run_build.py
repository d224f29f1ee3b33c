from __future__ import annotations

import json
import os
import threading

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from clip_folder import make_clip_folder
from shard_setup import inodes, run_again, set_up, shard_bytes

from kinetics_tfds import frame_table
from kinetics_tfds.annotations.clip import Split
from kinetics_tfds.errors import ConfigError, TooManyFailuresError, WorkerError
from kinetics_tfds.shards import run, transform
from kinetics_tfds.shards.run import run_build
from kinetics_tfds.shards.transform import BuildOptions


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_clip_folder(tmp_path_factory.mktemp("clips"), {Split.TRAIN: 12, Split.TEST: 3}, damaged=2)


def build(setup, **kwargs):
    setup = run_again(setup)
    return run_build(setup.staging, setup.job, setup.plans, **{"max_failure_rate": 0.5, **kwargs})


def no_threads_left():
    return not [thread for thread in threading.enumerate() if thread.name.startswith(("write-shard", "kinetics-"))]


@pytest.fixture(scope="module")
def built(folder, tmp_path_factory):
    setup = set_up(folder, tmp_path_factory.mktemp("out"), num_shards=4)
    return setup, build(setup)


def test_beam_writes_every_shard(built):
    setup, result = built
    summary = result.summary
    assert (summary.planned, summary.tried, summary.failed) == (15, 15, 2)
    assert summary.splits[Split.TRAIN].written == 10
    assert len(summary.splits[Split.TRAIN].shard_lengths) == 4
    assert len(shard_bytes(setup.staging)) == 14  # with the tables of frames
    assert no_threads_left()
    assert not transform._Shared._known


@pytest.mark.parametrize("how", ["rewritten", "moved here with its old time", "removed"])
def test_media_replaced_before_a_resume_is_noticed(tmp_path, capsys, how):
    folder = make_clip_folder(tmp_path / "clips", {Split.TRAIN: 12})
    setup = set_up(folder, tmp_path / "out", num_shards=4)
    build(setup)
    for clip in folder.clips:
        folder.path(clip).chmod(0o600)  # is no other content
    before = shard_bytes(setup.staging)
    shard = next(iter(setup.plans.values())).clips[0:3]
    path, other = (folder.root / planned.media.path for planned in (shard[0], shard[2]))
    if how == "removed":
        path.unlink()
    else:
        content = other.read_bytes()
        path.with_suffix(".new").write_bytes(content)
        if how == "moved here with its old time":
            os.utime(path.with_suffix(".new"), (1, 1))
        path.with_suffix(".new").rename(path)
    capsys.readouterr()
    reports = build(setup, max_failure_rate=1.0).reports
    said = capsys.readouterr().err
    assert f"1 files have changed since their shards were written, such as {shard[0].media.path}; shards that" in said
    assert "going on: 3 of 4 shards were done already" in said
    changed = {name for name, content in shard_bytes(setup.staging).items() if before[name] != content}
    assert {name for name in changed if name.endswith("of-00004")} == {reports["train-00000-of-00004"].file_name}


def test_counters(folder, tmp_path, monkeypatch):
    results = []
    plain = beam.Pipeline.run
    monkeypatch.setattr(beam.Pipeline, "run", lambda *args, **kw: results.append(plain(*args, **kw)) or results[-1])
    build(set_up(folder, tmp_path / "out", num_shards=4))
    metrics = results[0].metrics().query()
    counters = {each.key.metric.name: each.committed for each in metrics["counters"]}
    assert counters["shards"] == 7
    assert counters["clips"] == 13
    assert counters["frames"] == 130
    assert sum(count for name, count in counters.items() if name.startswith("failed_")) == 2
    spread = {each.key.metric.name: each.committed for each in metrics["distributions"]}
    assert spread["frames_per_clip"].count == spread["decode_ms_per_clip"].count == 13
    assert spread["bytes_per_clip"].sum == counters["bytes"]


def test_going_on_writes_only_what_is_missing(folder, built, tmp_path, capsys):
    setup = set_up(folder, tmp_path / "out", num_shards=4)
    build(setup)
    lost = setup.staging.read_shard(2).name
    setup.staging.forget(lost)
    before = inodes(setup.staging)
    capsys.readouterr()
    assert build(setup).summary.tried == 15
    assert "going on: 6 of 7 shards were done already" in capsys.readouterr().err
    after = inodes(setup.staging)
    again = setup.staging.finished(lost).file_name
    assert {name for name in before if before[name] != after[name]} == {again, frame_table.file_name(again)}
    assert shard_bytes(setup.staging) == shard_bytes(built[0].staging)


def test_too_many_failures_and_a_higher_limit(folder, tmp_path, capsys):
    setup = set_up(folder, tmp_path / "out", num_shards=4)
    with pytest.raises(TooManyFailuresError) as caught:
        build(setup, max_failure_rate=0.0)
    message = str(caught.value)
    assert "2 of the 15 clips tried so far failed (13.3 %, max_failure_rate is 0 %)" in message
    assert "train failed: " in message
    assert folder.damaged[0].id in message
    before = inodes(setup.staging)
    assert build(setup, options=PipelineOptions(["--max_failure_rate=0.2"]), max_failure_rate=0.0).summary.failed == 2
    assert before == inodes(setup.staging)


def test_failed_clips_can_be_tried_again(tmp_path):
    folder = make_clip_folder(tmp_path / "clips", {Split.TRAIN: 6}, damaged=1)
    setup = set_up(folder, tmp_path / "out", num_shards=3)
    assert build(setup).summary.failed == 1
    before = inodes(setup.staging)
    assert build(setup, options=PipelineOptions(["--retry_failed"])).summary.failed == 1
    again = {name for name, inode in inodes(setup.staging).items() if before[name] != inode}
    assert len([name for name in again if name.endswith("-of-00003")]) == 1, "one shard holds the clip that failed"
    folder.path(folder.damaged[0]).write_bytes(folder.path(folder.clips[3]).read_bytes())
    assert build(setup).summary.failed == 0, "its file was put right"


def test_a_hopeless_folder_stops_early(tmp_path, monkeypatch):
    folder = make_clip_folder(tmp_path / "clips", {Split.TRAIN: 1200}, damaged=1200)
    setup = set_up(folder, tmp_path / "out", num_shards=100)
    monkeypatch.setattr("kinetics_tfds.shards.progress._LOOK_SECONDS", 0.02)
    with pytest.raises(TooManyFailuresError, match=r"clips tried so far failed \(100\.0 %"):
        build(setup, max_failure_rate=0.05)
    assert 100 <= sum(1 for _ in setup.staging.report_names()) * 12 < 1200
    assert no_threads_left()


def test_a_workers_error_arrives_as_it_is(folder, tmp_path, monkeypatch, capsys):
    setup = set_up(folder, tmp_path / "out")
    path = setup.staging.path / "plan.json"
    plan = json.loads(path.read_text())
    plan["covers"]["dataset"] = "kinetics400"
    path.write_text(json.dumps(plan))
    with pytest.raises(WorkerError, match="of another build"):
        build(setup)
    assert "Traceback" not in capsys.readouterr().err
    assert no_threads_left()


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), ZeroDivisionError("a bug")])
def test_any_other_error_is_one_message(folder, tmp_path, monkeypatch, error, capsys):
    setup = set_up(folder, tmp_path / "out")

    def fail(temporary, target):
        if ".tfrecord-" in target.name:
            raise error
        temporary.replace(target)

    monkeypatch.setattr("kinetics_tfds.file_systems._rename", fail)
    with pytest.raises(WorkerError, match=error.args[-1]) as caught:
        build(setup)
    is_bug = isinstance(error, ZeroDivisionError)
    assert (caught.value.__cause__ is not None) == is_bug  # its traceback says where
    assert ("Make room there" in caught.value.next_step) != is_bug
    assert not setup.staging.data_path.exists()
    assert list((setup.staging.path / "writing").iterdir()) == []
    assert no_threads_left()


@pytest.mark.parametrize("value", ["0", "-1", "many"])
def test_decode_workers_must_make_sense(folder, tmp_path, monkeypatch, value):
    setup = set_up(folder, tmp_path / "out")
    monkeypatch.setenv(run.WORKERS_VARIABLE, value)
    with pytest.raises(ConfigError, match="decode workers"):
        build(setup)


def test_decode_workers_from_options_and_environment(folder, tmp_path, monkeypatch):
    job = set_up(folder, tmp_path / "out", workers=None).job
    assert run._with_workers(job, None).decode_workers is None
    monkeypatch.setenv(run.WORKERS_VARIABLE, "3")
    assert run._with_workers(job, None).decode_workers == 3
    assert run._with_workers(job, 2).decode_workers == 2
    assert PipelineOptions(["--decode_workers=5"]).view_as(BuildOptions).decode_workers == 5


def test_the_graph_is_small_and_names_no_clip(folder, tmp_path):

    setup = set_up(folder, tmp_path / "out")
    pipeline = beam.Pipeline(runner="FnApiRunner", options=PipelineOptions([]))
    _ = pipeline | transform.WriteShards(setup.job, list(range(4096)))
    graph = pipeline.to_runner_api().SerializeToString()
    assert len(graph) < 200_000
    assert folder.clips[0].youtube_id.encode() not in graph
