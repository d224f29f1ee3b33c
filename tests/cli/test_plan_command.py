"""`kinetics plan` as users and scripts run it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest
from media import make_video

ROWS = [
    ("abseiling", "abcdefghij0", 0, 2, "train"),
    ("abseiling", "abcdefghij1", 5, 7, "train"),
    ("archery", "abcdefghij2", 0, 2, "train"),
    ("archery", "abcdefghij3", 0, 2, "val"),
    ("archery", "abcdefghij4", 0, 2, "val"),
]


def kinetics(*arguments, cwd):
    return subprocess.run(
        [sys.executable, "-m", "kinetics_tfds.cli.main", *map(str, arguments)],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """Three clips that decode, one that does not, two strangers, and the lists."""
    root = tmp_path_factory.mktemp("clips")
    for split in ("train", "val"):
        lines = ["label,youtube_id,time_start,time_end,split"]
        lines += [",".join(map(str, row)) for row in ROWS if row[-1] == split]
        lines += ["archery,#NAME?,0,2,train"] if split == "train" else []
        (root / f"kinetics600_{split}.csv").write_text("\n".join(lines) + "\n", encoding="utf-16")
    (root / "kinetics.csv").write_text("label,youtube_id,time_start,time_end,split\n")
    video = root / "video.mp4"
    make_video(video, seconds=2)
    for path in (
        "train/abseiling/abcdefghij0_000000_000002.mp4",
        "train/archery/abcdefghij1_000005_000007.mp4",  # another class's folder
        "val_256/archery/abcdefghij3_000000_000002.mp4",
        "videos_val/abcdefghij3.mp4",
        "val_256/abcdefghij4_000001_000003.mp4",  # a second late
        "else\x1b[2Jwhere/strangerABC_000000_000002.mp4",
    ):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(video, root / path)
    video.unlink()
    (root / "train/archery/abcdefghij2_000000_000002.mp4").write_bytes(b"<html>")
    (root / "train/._abcdefghij2_000000_000002.mp4").write_bytes(b"")
    return root


@pytest.fixture(scope="module")
def as_json(clips, tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    done = kinetics("plan", "kinetics600", f"--manual_dir={clips}", f"--data_dir={folder}", "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert os.listdir(folder) in ([], ["downloads"])
    return report


def test_every_row_is_counted(as_json):
    assert as_json["dataset"] == "kinetics600/jpeg256"
    assert as_json["annotations"]["rows"] == len(ROWS)
    assert as_json["splits"] == {
        "train": {"rows": 3, "found": 3, "missing": 0, "ambiguous": 0, "excluded": 0, "to_decode": 3, "shards": 1},
        "validation": {"rows": 2, "found": 1, "missing": 1, "ambiguous": 1, "excluded": 0, "to_decode": 1, "shards": 1},
    }
    assert as_json["media_files"] == 7
    stranger, misnamed = as_json["unclaimed"]["examples"]
    assert stranger == "else\x1b[2Jwhere/strangerABC_000000_000002.mp4: no missing row is of this video"
    late = "val_256/abcdefghij4_000001_000003.mp4: off by 1 s from abcdefghij4_000000_000002 (validation, archery)"
    assert misnamed == late
    assert as_json["ignored_lists"]["count"] == 1
    assert as_json["ignored_lists"]["examples"][0].startswith("kinetics.csv: its name tells neither split nor version")
    assert as_json["annotations"]["odd_rows"] == {"bad_id": 1}
    assert "line 5: bad_id: '#NAME?'" in as_json["annotations"]["odd_row_examples"][0]
    assert "a spreadsheet program has overwritten it" in as_json["annotations"]["odd_row_examples"][0]
    assert as_json["ambiguous"]["count"] == 1
    assert "videos_val/abcdefghij3.mp4" in as_json["ambiguous"]["examples"][0]
    assert as_json["label_conflicts"]["count"] == 1
    assert as_json["skipped"] == {"apple_double": 1}


def test_cost_is_measured(as_json, clips):
    assert as_json["sample_decode"]["clips"] == 4
    assert as_json["sample_decode"]["failed"] == {"not_media": 1}
    assert "abcdefghij2" in as_json["sample_decode"]["examples"][0]
    assert as_json["sample_decode"]["clips_per_second"] > 0
    # 4 clips, of which one fails as it did in the sample.
    assert as_json["predicted"]["bytes"] == pytest.approx(3 * as_json["sample_decode"]["bytes_per_clip"], rel=0.01)
    assert as_json["predicted"]["shards"] == 2
    assert as_json["disk"]["enough"] is True
    assert as_json["predicted"]["failure_rate"] == 0.25
    assert as_json["predicted"]["failures_allowed"] == 9
    assert as_json["predicted"]["would_stop"] is False


def test_text_for_people_and_a_config_of_ones_own(clips, tmp_path):
    config = '{"name": "mini", "classes": ["archery"], "short_side": 64}'
    done = kinetics(
        "plan", "kinetics600", f"--manual_dir={clips}", f"--data_dir={tmp_path}", "--config", config, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert "kinetics600/mini" in done.stdout
    train = next(line.split() for line in done.stdout.splitlines() if line.startswith("train"))
    assert train == ["train", "3", "3", "0", "0", "2", "1", "1"]
    assert "Predicted: 0.00 GB in 2 shards" in done.stdout
    assert "(enough)" in done.stdout
    assert "This build would end well: 50.0% fail, and up to 9 clips may" in done.stdout
    assert "else\\x1b[2Jwhere/strangerABC" in done.stdout, "a folder's name must not clear the terminal"


def test_the_verdict_of_a_build_that_would_stop(clips, tmp_path):
    wanted = ("plan", "kinetics600", f"--manual_dir={clips}", f"--data_dir={tmp_path}", "--max_failure_rate=0")
    done = kinetics(*wanted, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "THIS BUILD WOULD STOP: 1 of 4 sampled clips fail (25.0%), and max_failure_rate is 0.0%." in done.stdout
    assert "pass --max_failure_rate=0.38" in done.stdout


def test_nothing_found_is_shown_and_fails(clips, tmp_path):
    folder = tmp_path / "clips"
    folder.mkdir()
    shutil.copy(clips / "kinetics600_train.csv", folder)
    (folder / "holiday.mp4").touch()
    done = kinetics("plan", "kinetics600", f"--manual_dir={folder}", f"--data_dir={tmp_path}", "--json", cwd=tmp_path)
    assert done.returncode == 1
    report = json.loads(done.stdout)
    assert report["splits"]["train"]["missing"] == 3
    assert report["unclaimed"]["examples"] == ["holiday.mp4: its name holds no YouTube id"]
    assert "None of the 3 annotation rows has its clip" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["plan"], 2, "DATASET"),
        (["plan", "kinetics600", "--jsn"], 2, "--jsn"),
        (["plan", "kinetics600", "--config", '{"name"'], 1, "Cannot read the settings"),
        (["plan", "kinetics60"], 1, "Did you mean 'kinetics600'"),
        (["plan", "kinetics600", "--config", "jpeg265"], 1, "jpeg256"),
        (["plan", "kinetics600/jpeg256", "--config", "jpeg256"], 1, "Two configs"),
        (["plan", "kinetics600", "--config", '{"name": "x", "fsp": 5}'], 1, "Did you mean 'fps'"),
    ],
)
def test_wrong_usage(arguments, code, message, tmp_path):
    done = kinetics(*arguments, cwd=tmp_path)
    assert done.returncode == code
    assert message in done.stderr
    assert "Traceback" not in done.stderr
