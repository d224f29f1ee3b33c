from __future__ import annotations

import io
import time

import pytest
from clip_folder import make_clip_folder
from shard_setup import set_up

from kinetics_tfds.annotations.clip import Split
from kinetics_tfds.planning.plan import ShardPlan
from kinetics_tfds.shards import progress as progress_module
from kinetics_tfds.shards.progress import LIVE, BuildProgress, progress_line
from kinetics_tfds.shards.report import ClipReport, ClipState, ShardReport

GOOD = ClipReport(ClipState.WRITTEN, 0)
BAD = ClipReport(ClipState.FAILED, reason="corrupt")


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def staging(tmp_path, monkeypatch):
    monkeypatch.setattr(progress_module, "_LOOK_SECONDS", 0.02)
    monkeypatch.setattr(progress_module, "_TTY_SECONDS", 0.02)
    monkeypatch.setattr(progress_module, "_LINE_SECONDS", 0.02)
    return set_up(make_clip_folder(tmp_path / "clips", {Split.TRAIN: 2}), tmp_path / "out").staging


def finish(staging, index, clips):
    staging.data_path.mkdir(exist_ok=True)
    (staging.data_path / "x").touch()
    staging.write_report(report(staging, index, clips))


def report(staging, index, clips):
    shard = ShardPlan(Split.TRAIN, index, 9, ())
    return ShardReport.of_clips(
        shard, clips, fingerprint=staging.fingerprint, file_name="x", file_bytes=0, table_sha256=""
    )


def wait_for(condition):
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_clips_in_hand_and_finished_shards_are_counted_once(staging):
    out = io.StringIO()
    with BuildProgress(staging, 100, {}, max_failure_rate=0.5, stream=out):
        LIVE.add("train-00000-of-00009", GOOD)
        LIVE.add("train-00000-of-00009", BAD)
        wait_for(lambda: "2 of 100 clips (2.0 %), 1 failed" in out.getvalue())
        finish(staging, 0, [GOOD, BAD, GOOD])
        wait_for(lambda: "3 of 100 clips (3.0 %), 1 failed" in out.getvalue())
    assert out.getvalue().endswith("\n")
    assert "\r" not in out.getvalue()


def test_a_terminal_gets_one_line(staging):
    out = Terminal()
    with BuildProgress(
        staging, 10, {"train-00008-of-00009": report(staging, 8, [GOOD] * 4)}, max_failure_rate=0.5, stream=out
    ):
        wait_for(lambda: out.getvalue().count("\r") > 2)
    assert out.getvalue().count("\n") == 1
    assert "4 of 10 clips" in out.getvalue()


def test_too_many_failures_stop_the_workers(staging):
    with BuildProgress(staging, 100_000, {}, max_failure_rate=0.05, stream=io.StringIO()) as progress:
        finish(staging, 0, [BAD] * 99)
        time.sleep(0.2)
        assert not staging.run.asked_to_stop()
        finish(staging, 1, [GOOD])
        wait_for(staging.run.asked_to_stop)
    assert progress.stopped


def test_time_left():
    assert progress_line(0, 10, 0, 0.0) == "kinetics: 0 of 10 clips (0.0 %), 0 failed, 0.0 clips/s"
    assert progress_line(5, 10, 0, 0.5).endswith("0.5 clips/s, 10 s left")
    assert progress_line(0, 500_000, 0, 5.0).endswith("1 d 03 h left")
    assert progress_line(10, 10, 1, 5.0).endswith("10 of 10 clips (100.0 %), 1 failed, 5.0 clips/s")
