from __future__ import annotations

import dataclasses
import errno
import json
import os
import subprocess
import sys

import pytest
from clip_folder import make_clip_folder
from etils import epath
from shard_setup import CONFIG, plan_folder, run_again, set_up
from tensorflow_datasets.core.utils import file_utils

from kinetics_tfds.annotations.clip import Split
from kinetics_tfds.config import KineticsConfig
from kinetics_tfds.errors import ClipsError, ConfigError, PlanMismatchError, WorkerError
from kinetics_tfds.shards import run_folder
from kinetics_tfds.shards.lock import build_run
from kinetics_tfds.shards.report import ClipReport, ClipState, ShardReport
from kinetics_tfds.shards.resume import open_staging
from kinetics_tfds.shards.run_folder import RunFolder
from kinetics_tfds.shards.staging import Staging
from kinetics_tfds.shards.write import shard_file_name


@pytest.fixture
def folder(tmp_path):
    return make_clip_folder(tmp_path / "clips", {Split.TRAIN: 7, Split.TEST: 2})


def finish(setup, number, content=b"shard"):
    """Pretends that a shard was written."""
    shard = setup.staging.read_shard(number)
    path = setup.staging.data_path / shard_file_name(setup.identity, shard)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    clips = [ClipReport(ClipState.WRITTEN, index) for index in range(len(shard.clips))]
    report = ShardReport.of_clips(
        shard,
        clips,
        fingerprint=setup.identity.fingerprint,
        file_name=path.name,
        file_bytes=len(content),
        table_sha256="",
    )
    setup.staging.write_report(report)
    return shard, report


def test_the_plan_survives_the_file(folder, tmp_path):
    setup = set_up(folder, tmp_path / "out")
    shards = [shard for plan in setup.plans.values() for shard in plan.shards()]
    assert list(setup.staging.read_shards()) == shards
    assert [setup.staging.read_shard(number) for number in range(len(shards))] == shards
    assert setup.staging.read_identity() == setup.identity


def test_a_shard_counts_with_its_sidecar_and_full_size_only(folder, tmp_path):
    setup = set_up(folder, tmp_path / "out")
    shard, report = finish(setup, 1)
    assert setup.staging.finished(shard.name) == report
    assert setup.staging.finished(setup.staging.read_shard(0).name) is None
    (setup.staging.data_path / report.file_name).write_bytes(b"shar")
    assert setup.staging.finished(shard.name) is None
    (setup.staging.data_path / report.file_name).unlink()
    assert setup.staging.finished(shard.name) is None


@pytest.mark.parametrize("content", ["", "{", "{}", '{"clips": [["written"]]}', "[]", "null"])
def test_a_torn_sidecar_is_no_sidecar(folder, tmp_path, content):
    setup = set_up(folder, tmp_path / "out")
    shard, _ = finish(setup, 0)
    (setup.staging.path / "reports" / f"{shard.name}.json").write_text(content)
    assert setup.staging.finished(shard.name) is None


def test_an_equal_plan_goes_on(folder, tmp_path):
    setup = set_up(folder, tmp_path / "out")
    shard, report = finish(setup, 0)
    setup.staging.run.ask_to_stop()
    setup.staging.run.write_error(ClipsError("old", "old"))
    again = run_again(setup)
    assert again.staging.path == setup.staging.path
    assert again.staging.finished(shard.name) == report
    assert not again.staging.run.asked_to_stop()
    assert again.staging.run.read_error() is None
    assert [path.name for path in again.staging.data_path.iterdir()] == [report.file_name]


def test_another_plan_says_what_differs(folder, tmp_path):
    setup = set_up(folder, tmp_path / "out")
    finish(setup, 0)
    (folder.root / "train" / f"{folder.clips[0].id}.mp4").unlink()
    other = KineticsConfig(name="tiny", short_side=32, fps=10.0)
    with pytest.raises(PlanMismatchError) as caught:
        set_up(folder, tmp_path / "out", config=other)
    message = str(caught.value)
    assert "fps: 5.0 there, 10.0 here" in message
    assert "train clips: 7 there, 6 here" in message
    assert f"1 more clips there, such as train/{folder.clips[0].id}.mp4" in message
    assert "--overwrite" in caught.value.next_step
    assert setup.staging.path.exists()


def test_other_decoders_are_another_plan(folder, tmp_path):
    setup = set_up(folder, tmp_path / "out")
    finish(setup, 0)
    newer = dataclasses.replace(setup.identity, versions={**setup.identity.versions, "av": "99.0"})
    with pytest.raises(PlanMismatchError, match=r"av: .* there, 99.0 here"):
        open_staging(epath.Path(tmp_path / "out" / "1.0.0"), newer, setup.plans, run="new", overwrite=False)


def test_another_plan_without_a_shard_is_dropped(folder, tmp_path):
    setup = set_up(folder, tmp_path / "out")
    set_up(folder, tmp_path / "out", num_shards=3)
    assert not setup.staging.path.exists()


def test_shards_of_a_discarded_plan_go(folder, tmp_path):
    _, report = finish(set_up(folder, tmp_path / "out"), 0)
    setup = set_up(folder, tmp_path / "out", num_shards=3, overwrite=True)
    assert not (setup.staging.data_path / report.file_name).exists()


def test_overwriting_drops_the_other_plan_and_keeps_its_own(folder, tmp_path):
    other = set_up(folder, tmp_path / "out")
    finish(other, 0)
    setup = set_up(folder, tmp_path / "out", num_shards=3, overwrite=True)
    assert not other.staging.path.exists()
    shard, report = finish(setup, 0)
    assert set_up(folder, tmp_path / "out", num_shards=3, overwrite=True).staging.finished(shard.name) == report


def test_tfds_does_not_take_the_folder_for_a_dataset(folder, tmp_path):
    finish(set_up(folder, tmp_path / "kinetics600" / "tiny"), 0)
    assert list(file_utils.list_datasets_in_data_dir(tmp_path)) == []
    assert list(file_utils.list_dataset_versions(tmp_path / "kinetics600" / "tiny")) == []


def test_a_worker_without_the_plan_says_so(folder, tmp_path):
    _, identity = plan_folder(folder, config=CONFIG)
    with pytest.raises(WorkerError, match="Cannot read the plan"):
        Staging(tmp_path / "nowhere" / "1.0.0", identity.fingerprint).read_identity()
    setup = set_up(folder, tmp_path / "out")
    with pytest.raises(WorkerError, match="another build"):
        Staging(setup.staging.data_path, setup.identity.fingerprint[:12] + "0" * 52).read_identity()


def test_errors_keep_their_class(folder, tmp_path):
    staging = set_up(folder, tmp_path / "out").staging
    staging.run.write_error(ClipsError("first", "do this"))
    staging.run.write_error(WorkerError("second", "do that"))
    error = staging.run.read_error()
    assert type(error) is ClipsError
    assert (error.problem, error.next_step) == ("first", "do this")


def test_a_build_holds_its_dataset_until_its_process_ends(tmp_path):
    program = (
        "import sys\nfrom etils import epath\nfrom kinetics_tfds.shards.lock import build_run\n"
        "with build_run(epath.Path(sys.argv[1])):\n    print('held', flush=True)\n    sys.stdin.read()"
    )
    data_path = epath.Path(tmp_path / "out" / "1.0.0")
    with subprocess.Popen(
        [sys.executable, "-c", program, str(data_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(PlanMismatchError, match=f"Process {holder.pid} on .* already building"):
            hold(data_path)
        holder.kill()  # however it dies, the lock goes with it
    hold(data_path)
    assert [path.name for path in (tmp_path / "out" / ".staging").iterdir()] == ["1.0.0.lock"]


def hold(data_path):
    with build_run(data_path):
        pass


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "out").write_text("a file, not a folder")
    with pytest.raises(ConfigError, match="Cannot write in"):
        hold(epath.Path(tmp_path / "out" / "1.0.0"))


def test_a_disk_without_locks_goes_by_the_heartbeat(tmp_path, monkeypatch):
    monkeypatch.setattr("kinetics_tfds.shards.lock.try_lock", no_locks)
    data_path = epath.Path(tmp_path / "out" / "1.0.0")
    with build_run(data_path) as run:
        with pytest.raises(PlanMismatchError, match=f"Process {os.getpid()} on .* already building"):
            hold(data_path)
        assert not run.asked_to_stop()
        beat = json.loads((run.path / "heartbeat").read_text())
        (run.path / "heartbeat").write_text(json.dumps({**beat, "host": "elsewhere"}))
        with pytest.raises(PlanMismatchError, match="on elsewhere is already building"):
            hold(data_path)
        os.utime(run.path / "heartbeat", times=(0, 0))  # silent for a long time
        hold(data_path)
        assert RunFolder(run.path).asked_to_stop()


def no_locks(path):
    raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))


def test_workers_of_a_killed_run_stop_and_keep_their_open_files(folder, tmp_path, monkeypatch):
    setup = set_up(folder, tmp_path / "out")
    with setup.staging.writing(setup.staging.data_path / "x") as unfinished:
        unfinished.write_text("half")
        again = run_again(setup)
        with build_run(setup.staging.data_path) as run:
            assert RunFolder(setup.staging.run.path).asked_to_stop()
            assert RunFolder(again.staging.run.path).asked_to_stop()
            assert unfinished.exists()
            setup.staging.run.write_error(WorkerError("of the worker that was left", "x"))
            assert run.read_error() is None
            assert RunFolder(setup.staging.run.path).read_error() is not None
            # Long after, the run is over, and what it left goes.
            os.utime(setup.staging.run.path / "heartbeat", times=(0, 0))
            later = Staging(setup.staging.data_path, setup.identity.fingerprint, run.id)
            later.clean()
            assert not unfinished.exists()
            assert not setup.staging.run.path.exists()
            assert again.staging.run.path.exists()
            unfinished.touch()


def test_a_worker_whose_run_falls_silent_stops(folder, tmp_path, monkeypatch):
    setup = set_up(folder, tmp_path / "out")
    clock = [0.0]
    monkeypatch.setattr(run_folder.time, "monotonic", lambda: clock[0])
    worker = RunFolder(setup.staging.run.path)
    assert not worker.asked_to_stop()
    clock[0] += 3600  # suspended: its driver may have been as well
    assert not worker.asked_to_stop()
    for _ in range(200):
        clock[0] += 2
        setup.staging.run.beat()
        assert not worker.asked_to_stop()
    looks = 0
    while not worker.asked_to_stop():
        clock[0] += 2
        looks += 1
    assert 50 < looks < 70  # two minutes
