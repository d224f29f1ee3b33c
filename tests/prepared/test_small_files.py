"""Every byte of the files around the shards is vouched for."""

from __future__ import annotations

import hashlib
import json
import pathlib
import random
import shutil
import subprocess

import pytest
import tensorflow_datasets as tfds

from kinetics_tfds.errors import VerifyError
from kinetics_tfds.frame_table import is_frame_table
from kinetics_tfds.prepared.verify import Verification, summarise, verify_shard
from kinetics_tfds.prepared.verify_folder import verify_folder
from kinetics_tfds.shards.checksums import read_checksums
from kinetics_tfds.shards.manifest import read_manifest


@pytest.fixture
def folder(prepared, tmp_path) -> pathlib.Path:
    """A copy of a prepared dataset to damage."""
    copy = tmp_path / "1.0.0"
    shutil.copytree(prepared["tfrecord"], copy)
    return copy


def _verify(folder: pathlib.Path) -> Verification:
    """What `verify_dataset` does, in this process."""
    check = verify_folder(folder)
    shards = check.prepared.shards() if check.prepared else ()
    return summarise(folder, check, [verify_shard(shard, "kinetics600") for shard in shards], 0.0)


def _small_files(folder: pathlib.Path) -> list[pathlib.Path]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return [path for path in files if is_frame_table(path.name) or "-of-" not in path.name]


def _change(path: pathlib.Path, rng: random.Random) -> None:
    data = bytearray(path.read_bytes())
    data[rng.randrange(len(data))] ^= rng.randrange(1, 256)
    path.write_bytes(data)


def test_every_small_file_has_a_checksum_that_other_tools_read(folder):
    files = {str(path.relative_to(folder)) for path in _small_files(folder)}
    assert files >= {"config.json", "dataset_info.json", "features.json", "label.labels.txt", "manifest.parquet"}
    checksums = read_checksums(folder)
    assert checksums is not None
    assert {*checksums, "SHA256SUMS"} == files
    assert checksums["config.json"] == hashlib.sha256((folder / "config.json").read_bytes()).hexdigest()
    if shutil.which("sha256sum"):
        subprocess.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=folder, check=True, capture_output=True)


def _check_changes(folder: pathlib.Path, changes_per_file: int) -> int:
    """Changes one byte after the other; each is told by the name of its file, and nothing else is blamed."""
    rng = random.Random(0)
    changed = 0
    for path in _small_files(folder):
        data = path.read_bytes()
        for _ in range(changes_per_file):
            _change(path, rng)
            found = _verify(folder)
            assert [problem.file for problem in found.problems] == [str(path.relative_to(folder))], found.problems
            path.write_bytes(data)
            changed += 1
    assert _verify(folder).ok
    return changed


def test_a_changed_byte_of_any_small_file_is_named(folder):
    assert _check_changes(folder, 2) >= 12


@pytest.mark.slow
def test_2000_changed_bytes_of_small_files_are_named(folder):
    each = -(-2000 // len(_small_files(folder)))
    assert _check_changes(folder, each) >= 2000


def test_a_missing_small_file_is_named(folder):
    for path in _small_files(folder):
        data = path.read_bytes()
        path.unlink()
        if path.name == "config.json":
            assert "config.json: missing" in str(_verify(folder).problems[0])
        else:
            assert [problem.file for problem in _verify(folder).problems] == [path.name]
        path.write_bytes(data)


def test_shards_are_checked_without_the_manifest(folder):
    (folder / "manifest.parquet").write_bytes(b"")
    shard = next(folder.glob("*-of-*"))
    data = bytearray(shard.read_bytes())
    data[500] ^= 1
    shard.write_bytes(data)
    found = _verify(folder)
    assert {problem.file for problem in found.problems} == {"manifest.parquet", shard.name}
    assert any("by themselves" in note for note in found.notes)
    with pytest.raises(VerifyError, match="changed since the build"):
        read_manifest(folder)


def _make_old(folder: pathlib.Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    del config["checksums"]
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "SHA256SUMS").unlink()


def test_a_dataset_without_checksums_verifies_and_says_so(folder):
    _make_old(folder)
    found = _verify(folder)
    assert found.ok
    assert ["SHA256SUMS" in note for note in found.notes] == [True]


def _check_no_traceback(folder: pathlib.Path, changes_per_file: int) -> None:
    """Without checksums not every change can be found, but none may end the check with another error."""
    _make_old(folder)
    rng = random.Random(1)
    for path in _small_files(folder):
        data = path.read_bytes()
        for number in range(changes_per_file):
            if number % 4 == 3:
                path.write_bytes(data[: rng.randrange(len(data))])
            else:
                _change(path, rng)
            try:
                named = [problem.file for problem in _verify(folder).problems]
            except VerifyError as error:
                named = [path.name] if path.name in error.problem else []
            assert named or path.name != "config.json"
            path.write_bytes(data)


def test_damage_to_an_older_dataset_is_no_traceback(folder):
    _check_no_traceback(folder, 8)


@pytest.mark.slow
def test_much_damage_to_an_older_dataset_is_no_traceback(folder):
    _check_no_traceback(folder, 300)


def test_a_new_description_gets_a_new_checksum(folder, tmp_path):
    """TFDS writes `dataset_info.json` again when it is asked to update it."""
    root = tmp_path / "data"
    there = root / "kinetics600" / "tiny" / "1.0.0"
    shutil.copytree(folder, there)
    info = json.loads((there / "dataset_info.json").read_text())
    (there / "dataset_info.json").write_text(json.dumps({**info, "description": "older words"}))
    from kinetics_tfds.config import KineticsConfig

    builder = tfds.builder(
        "kinetics600", config=KineticsConfig(name="tiny", short_side=32, fps=5, max_failure_rate=0.2), data_dir=root
    )
    builder.download_and_prepare(
        download_config=tfds.download.DownloadConfig(download_mode=tfds.GenerateMode.UPDATE_DATASET_INFO)
    )
    assert _verify(there).ok
