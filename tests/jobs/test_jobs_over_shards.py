"""The Beam forms of verify, stats and export find and write what the plain functions do."""

from __future__ import annotations

import json
import shutil

import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from shard_work import answer_for_another, break_on_test

from beam_pipelines import export, stats, verify
from kinetics_tfds.cli.main import main as kinetics
from kinetics_tfds.errors import ConfigError, WorkerError
from kinetics_tfds.jobs.over_shards import run_over_shards
from kinetics_tfds.prepared.dataset import open_prepared


@pytest.fixture
def damaged(prepared, tmp_path):
    """A copy with one flipped byte."""
    folder = tmp_path / "1.0.0"
    shutil.copytree(prepared["tfrecord"], folder)
    shard = sorted(folder.glob("kinetics600-train.*"))[1]
    data = bytearray(shard.read_bytes())
    data[-100] ^= 1
    shard.write_bytes(data)
    return folder


def test_verify_finds_what_the_command_finds(damaged, capsys):
    assert kinetics(["verify", str(damaged), "--json"]) == 1
    plain = json.loads(capsys.readouterr().out)
    assert verify.main([f"--dataset={damaged}", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["problems"]
    assert {**found, "seconds": 0} == {**plain, "seconds": 0}


def test_verify_of_an_intact_dataset(prepared, capsys):
    folder = prepared["array_record"]
    assert verify.main([f"--dataset=kinetics600/{folder.parent.name}", f"--data_dir={folder.parents[2]}"]) == 0
    assert "all is well" in capsys.readouterr().out
    assert verify.main(["--dataset=kinetics600/none", f"--data_dir={folder.parents[2]}"]) == 1
    assert "Next: " in capsys.readouterr().err


def test_stats_are_those_of_the_command(prepared, capsys):
    folder = prepared["tfrecord"]
    assert kinetics(["stats", str(folder), "--all", "--json"]) == 0
    plain = capsys.readouterr().out
    assert stats.main([f"--dataset={folder}", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(plain)
    assert stats.main([f"--dataset={folder}"]) == 0
    assert "of 18 records read" in capsys.readouterr().out


def test_export_goes_on_where_it_stopped(prepared, tmp_path, capsys):
    command = [f"--dataset={prepared['tfrecord']}", "--format=sequence_examples", "--split=train"]
    command += [f"--output_dir={tmp_path}", "--num_shards=4"]
    assert export.main(command) == 0
    files = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert {f"kinetics600_train-{index:05d}-of-00004" for index in range(4)} < set(files)
    assert "12 clips in 4 shards written" in capsys.readouterr().out
    (tmp_path / "kinetics600_train-00002-of-00004").unlink()
    assert export.main(command) == 0
    assert "1 shards written, 3 shards were there already" in capsys.readouterr().out
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == files
    assert export.main(command) == 0
    assert export.main([*command[:-1], "--num_shards=2"]) == 1
    assert "another num_shards" in capsys.readouterr().err


def test_an_error_of_a_worker_is_told_in_its_words(prepared, tmp_path):
    dataset = open_prepared(prepared["tfrecord"])
    with pytest.raises(WorkerError, match="no test today"):
        run_over_shards(dataset, break_on_test, PipelineOptions([]), str(tmp_path), [("train", 0), ("test", 0)])
    assert list(tmp_path.iterdir()) == []


def test_results_of_another_run_are_not_read(prepared, damaged, tmp_path, capsys):
    """Process ids and folders of results are the same in every container."""
    results = tmp_path / "results"
    for folder, code in ((prepared["tfrecord"], 0), (damaged, 1), (prepared["tfrecord"], 0)):
        assert verify.main([f"--dataset={folder}", f"--results_dir={results}", "--json"]) == code
        assert json.loads(capsys.readouterr().out)["shards"] == 6
        assert list(results.iterdir()) == []


def test_a_shard_without_a_result_is_an_error(prepared, tmp_path):
    dataset = open_prepared(prepared["tfrecord"])
    with pytest.raises(WorkerError, match=r"1 of 6 shards left no result .*train shard 1 first"):
        run_over_shards(dataset, answer_for_another, PipelineOptions([]), str(tmp_path))


def test_a_cluster_needs_a_place_for_results(prepared):
    dataset = open_prepared(prepared["tfrecord"])
    with pytest.raises(ConfigError, match="--results_dir"):
        run_over_shards(dataset, break_on_test, PipelineOptions(["--runner=DataflowRunner"]))
