"""`kinetics inspect`, on this machine and on Beam."""

from __future__ import annotations

import json
import shutil

import pytest

from beam_pipelines import inspect as inspect_job
from kinetics_tfds.annotations.exclude import read_id_list
from kinetics_tfds.cli.main import main
from kinetics_tfds.inspection.report import FILE_NAME, read_inspection


@pytest.fixture
def dataset(prepared, tmp_path):
    """A copy: clips are made from three videos, so that nearly all have near-duplicates."""
    return shutil.copytree(prepared["tfrecord"], tmp_path / "1.0.0")


def test_leaks_head_the_report_and_flags_are_kept_beside_the_shards(dataset, tmp_path, capsys):
    ids = tmp_path / "ids.txt"
    assert main(["inspect", str(dataset), f"--ids={ids}", "--flags=near_duplicate,static"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("LEAKAGE: ")
    assert "18 clips inspected, 18 flagged" in out
    assert "tiny: 18" in out
    table = read_inspection(dataset).to_pylist()
    assert len(table) == 18
    assert all({"near_duplicate", "tiny"} <= set(row["flags"]) for row in table)
    keys = {f"{row['split']}/{row['id']}": row["duplicate_of"] for row in table}
    assert all(key in keys[other] for key, others in keys.items() for other in others)
    assert read_id_list(ids) == {row["id"][:11] for row in table}
    assert main(["verify", str(dataset)]) == 0, "an inspection is no damage to the dataset"


def test_beam_finds_the_same(dataset, capsys):
    assert main(["inspect", str(dataset), "--json"]) == 0
    here = json.loads(capsys.readouterr().out)
    written = (dataset / FILE_NAME).read_bytes()
    (dataset / FILE_NAME).unlink()
    assert inspect_job.main([f"--dataset={dataset}", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == here
    assert (dataset / FILE_NAME).read_bytes() == written


def test_an_unknown_flag_is_wrong_usage(dataset, capsys):
    assert main(["inspect", str(dataset), "--flags=blurry"]) == 2
    assert "Flags: static, black, frozen_ending" in capsys.readouterr().err
