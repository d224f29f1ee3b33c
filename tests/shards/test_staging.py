from __future__ import annotations

import dataclasses
import subprocess
import sys

import pytest
from clip_folder import make_clip_folder
from etils import epath
from shard_setup import CONFIG, plan_folder, set_up
from tensorflow_datasets.core.utils import file_utils

from kinetics_tfds.annotations.clip import Split
from kinetics_tfds.config import KineticsConfig
from kinetics_tfds.errors import ClipsError, ConfigError, PlanMismatchError, WorkerError
from kinetics_tfds.shards.lock import build_lock
from kinetics_tfds.shards.report import ClipReport, ClipState, ShardReport
from kinetics_tfds.shards.resume import open_staging
from kinetics_tfds.shards.staging import Staging


@pytest.fixture
def folder(tmp_path):
    return make_clip_folder(tmp_path / "clips", {Split.TRAIN: 7, Split.TEST: 2})


def finish(setup, number, content=b"shard"):
    """Pretends that a shard was written."""
    shard = setup.staging.read_shard(number)
    path = setup.staging.shards / f"{shard.name}.bin"
    path.write_bytes(content)
    clips = [ClipReport(ClipState.WRITTEN, index) for index in range(len(shard.clips))]
    report = ShardReport.of_clips(
        shard, clips, fingerprint=setup.identity.fingerprint, file_name=path.name, file_bytes=len(content)
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
    (setup.staging.shards / report.file_name).write_bytes(b"shar")
    assert setup.staging.finished(shard.name) is None
    (setup.staging.shards / report.file_name).unlink()
    assert setup.staging.finished(shard.name) is None


@pytest.mark.parametrize("content", ["", "{", "{}", '{"clips": [["written"]]}', "[]", "null"])
def test_a_torn_sidecar_is_no_sidecar(folder, tmp_path, content):
    setup = set_up(folder, tmp_path / "out")
    shard, _ = finish(setup, 0)
    (setup.staging.path / "reports" / f"{shard.name}.json").write_text(content)
    assert setup.staging.finished(shard.name) is None


def test_an_equal_plan_goes_on_and_forgets_what_a_dead_run_left(folder, tmp_path):
    setup = set_up(folder, tmp_path / "out")
    shard, report = finish(setup, 0)
    setup.staging.temporary("x").write_bytes(b"half")
    setup.staging.ask_to_stop()
    setup.staging.write_error(ClipsError("old", "old"))
    again = set_up(folder, tmp_path / "out")
    assert again.staging.path == setup.staging.path
    again.staging.clean()
    assert again.staging.finished(shard.name) == report
    assert not again.staging.asked_to_stop()
    assert again.staging.read_error() is None
    assert [path.name for path in again.staging.shards.iterdir()] == [report.file_name]


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
        open_staging(epath.Path(tmp_path / "out" / "1.0.0"), newer, setup.plans, overwrite=False)


def test_another_plan_without_a_shard_is_dropped(folder, tmp_path):
    setup = set_up(folder, tmp_path / "out")
    set_up(folder, tmp_path / "out", num_shards=3)
    assert not setup.staging.path.exists()


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
        Staging(tmp_path / "nowhere", identity.fingerprint).read_identity()
    setup = set_up(folder, tmp_path / "out")
    with pytest.raises(WorkerError, match="another build"):
        Staging(setup.staging.path, "0" * 64).read_identity()


def test_errors_keep_their_class(folder, tmp_path):
    staging = set_up(folder, tmp_path / "out").staging
    staging.write_error(ClipsError("first", "do this"))
    staging.write_error(WorkerError("second", "do that"))
    error = staging.read_error()
    assert type(error) is ClipsError
    assert (error.problem, error.next_step) == ("first", "do this")


def test_the_lock_is_for_one_process(tmp_path):
    path = tmp_path / "out" / "1.0.0.lock"
    program = (
        "import sys, pathlib\nfrom etils import epath\nfrom kinetics_tfds.shards.lock import build_lock\n"
        "with build_lock(epath.Path(sys.argv[1])):\n    print('held', flush=True)\n    sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout.readline() == "held\n"
        with (
            pytest.raises(PlanMismatchError, match=f"Process {holder.pid} on .* already building"),
            build_lock(epath.Path(path)),
        ):
            raise AssertionError("two builds hold the lock")
        holder.kill()  # however it dies, the lock goes with it
    with build_lock(epath.Path(path)):
        pass


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "out").write_text("a file, not a folder")
    with pytest.raises(ConfigError, match="Cannot write in"), build_lock(epath.Path(tmp_path / "out" / "x.lock")):
        raise AssertionError("locked")
