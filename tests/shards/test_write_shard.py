from __future__ import annotations

import dataclasses

import pytest
from clip_folder import make_clip_folder
from etils import epath
from shard_setup import inodes, set_up, shard_bytes
from tensorflow_datasets.core import file_adapters

from kinetics_tfds import frame_table
from kinetics_tfds.annotations.clip import Split
from kinetics_tfds.config import KineticsConfig
from kinetics_tfds.decode.types import FailureReason
from kinetics_tfds.errors import ConfigError, WorkerError
from kinetics_tfds.features import make_features
from kinetics_tfds.shards import write
from kinetics_tfds.shards.records import hash_record
from kinetics_tfds.shards.report import ClipState
from kinetics_tfds.shards.staging import Staging
from kinetics_tfds.shards.write import ShardWriter, StoppedError


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_clip_folder(tmp_path_factory.mktemp("clips"), {Split.TRAIN: 9, Split.TEST: 2}, damaged=2, missing=1)


def write_all(setup):
    writer = ShardWriter(setup.job)
    with writer.open_pool() as pool:
        return [writer.write(number, pool) for number in range(sum(p.num_shards for p in setup.plans.values()))]


def read_records(path):
    adapter = file_adapters.ADAPTER_FOR_FORMAT[file_adapters.FileFormat.TFRECORD]
    return [record.numpy() for record in adapter.make_tf_data(path)]


def test_records_reports_and_plan_agree(folder, tmp_path):
    setup = set_up(folder, tmp_path / "out")
    outcomes = write_all(setup)
    features = make_features([f"class {number}" for number in range(600)])
    damaged = {clip.id for clip in folder.damaged}
    for shard, outcome in zip(setup.staging.read_shards(), outcomes, strict=True):
        report = outcome.report
        records = read_records(setup.staging.data_path / report.file_name)
        assert report == setup.staging.finished(shard.name)
        assert len(records) == report.written == len(outcome.decode_ms)
        written = 0
        for planned, came in zip(shard.clips, report.read_clips(), strict=True):
            if planned.clip.id in damaged:
                assert (came.state, came.index, came.digest) == (ClipState.FAILED, None, "")
                assert came.reason in list(FailureReason)
                assert came.detail
                continue
            record = records[written]
            assert (came.state, came.index, came.bytes) == (ClipState.WRITTEN, written, len(record))
            assert came.digest == hash_record(record)
            example = features.deserialize_example_np(record, decoders=None)
            assert example["id"].decode() == planned.clip.id
            assert len(example["video"]) == came.frames == 10
            written += 1
    assert sum(outcome.report.failures.total() for outcome in outcomes) == 2


def test_worker_counts_and_resuming_leave_the_bytes_alone(folder, tmp_path):
    one = set_up(folder, tmp_path / "one", workers=1)
    write_all(one)
    two = set_up(folder, tmp_path / "two", workers=2)
    write_all(two)
    assert shard_bytes(one.staging) == shard_bytes(two.staging)
    name = two.staging.read_shard(1).name
    two.staging.forget(name)
    before = inodes(two.staging)
    write_all(two)
    assert shard_bytes(one.staging) == shard_bytes(two.staging)
    after = inodes(two.staging)
    again = two.staging.finished(name).file_name
    assert {name for name in before if before[name] != after[name]} == {again, frame_table.file_name(again)}


def test_array_record(folder, tmp_path):
    setups = [set_up(folder, tmp_path / name, file_format="array_record") for name in ("one", "two")]
    outcomes = [write_all(setup) for setup in setups]
    assert shard_bytes(setups[0].staging) == shard_bytes(setups[1].staging)
    adapter = file_adapters.ADAPTER_FOR_FORMAT[file_adapters.FileFormat.ARRAY_RECORD]
    for outcome in outcomes[0]:
        assert adapter.num_examples(setups[0].staging.data_path / outcome.report.file_name) == outcome.report.written


def test_audio_is_stored(folder, tmp_path):
    config = KineticsConfig(name="loud", short_side=32, fps=5.0, audio_rate=8000)
    setup = set_up(folder, tmp_path / "out", config=config)
    outcome = write_all(setup)[-1]
    record = read_records(setup.staging.data_path / outcome.report.file_name)[0]
    features = make_features([f"class {number}" for number in range(600)], 8000)
    assert len(features.deserialize_example_np(record, decoders=None)["audio"]) == 2 * 8000


def test_asked_to_stop(folder, tmp_path):
    setup = set_up(folder, tmp_path / "out")
    writer = ShardWriter(setup.job)
    writer_clips = []
    writer._on_clip = lambda name, report: (writer_clips.append(report), writer.staging.run.ask_to_stop())
    with writer.open_pool() as pool:
        with pytest.raises(StoppedError, match="while writing"):
            writer.write(0, pool)
        with pytest.raises(StoppedError, match="before writing"):
            writer.write(1, pool)
    assert len(writer_clips) == 1
    assert not setup.staging.data_path.exists()


def test_other_versions_are_refused(folder, tmp_path):
    setup = set_up(folder, tmp_path / "out")
    older = dataclasses.replace(setup.identity, versions={**setup.identity.versions, "av": "17.0.0"})
    staging = Staging(setup.staging.data_path, older.fingerprint)
    staging.write_plan(older, setup.plans)
    with pytest.raises(WorkerError, match=r"av: 17\.0\.0 there, .* here"):
        ShardWriter(dataclasses.replace(setup.job, fingerprint=older.fingerprint))


def test_formats_that_cannot_be_streamed():
    for name in write.FILE_FORMATS:
        write.check_file_format(name, epath.Path("DATA"))
        assert file_adapters.FileFormat.from_value(name)
    with pytest.raises(ConfigError, match="parquet"):
        write.check_file_format("parquet", epath.Path("DATA"))
    write.check_file_format("tfrecord", epath.Path("gs://bucket/data"))
    with pytest.raises(ConfigError, match="from disks only"):
        write.check_file_format("array_record", epath.Path("gs://bucket/data"))


def test_a_shard_without_a_record_can_be_read(folder, tmp_path):
    clips = make_clip_folder(tmp_path / "clips", {Split.TRAIN: 2}, damaged=2)
    for file_format in ("tfrecord", "array_record"):
        setup = set_up(clips, tmp_path / file_format, num_shards=1, file_format=file_format)
        (outcome,) = write_all(setup)
        adapter = file_adapters.ADAPTER_FOR_FORMAT[file_adapters.FileFormat.from_value(file_format)]
        assert adapter.num_examples(setup.staging.data_path / outcome.report.file_name) == 0
