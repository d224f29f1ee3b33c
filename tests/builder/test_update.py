"""An update gives the bytes of a build from nothing and decodes only what has changed; pruning copies the rest."""

from __future__ import annotations

import json
import os
import pathlib
import shutil

import pytest
import tensorflow_datasets as tfds
from apache_beam.options.pipeline_options import PipelineOptions
from clip_folder import ClipFolder, make_clip_folder

import kinetics_tfds  # noqa: F401  registers the datasets
from kinetics_tfds.annotations.clip import Split
from kinetics_tfds.cli.main import main as kinetics
from kinetics_tfds.config import KineticsConfig
from kinetics_tfds.decode.pool import DecodePool
from kinetics_tfds.prepared.verify import verify_dataset
from kinetics_tfds.shards.manifest import read_manifest

CONFIG = KineticsConfig(name="tiny", short_side=32, fps=5, max_failure_rate=0.5)
SHARDS = 3


def build(folder: ClipFolder, data_dir: pathlib.Path, *options: str, version: str | None = None, **settings):
    """Builds or updates, and returns the builder."""
    builder = tfds.builder_cls("kinetics600")(config=CONFIG, data_dir=data_dir, version=version, **settings)
    builder.download_and_prepare(
        download_config=tfds.download.DownloadConfig(
            manual_dir=folder.root, num_shards=SHARDS, beam_options=PipelineOptions(list(options))
        )
    )
    return builder


def contents(path) -> dict[str, bytes]:
    return {str(each.relative_to(path)): each.read_bytes() for each in sorted(pathlib.Path(path).rglob("*"))}


@pytest.fixture
def decoded(monkeypatch) -> list[str]:
    """Ids of the clips that are decoded from here on."""
    keys = []
    submit = DecodePool._submit

    def noting(pool, request):
        keys.append(request.key)
        return submit(pool, request)

    monkeypatch.setattr(DecodePool, "_submit", noting)
    return keys


@pytest.fixture
def folder(tmp_path):
    return make_clip_folder(tmp_path / "clips", {Split.TRAIN: 14, Split.TEST: 6}, damaged=1, missing=3)


@pytest.mark.parametrize("file_format", ["tfrecord", pytest.param("array_record", marks=pytest.mark.slow)])
def test_an_update_is_the_build_from_nothing(folder, tmp_path, decoded, file_format):
    first = build(folder, tmp_path / "data", file_format=file_format)
    came, replaced, went = folder.missing[0], folder.clips[5], folder.clips[7]
    shutil.copyfile(folder.path(folder.clips[3]), folder.path(came))
    shutil.copyfile(folder.path(folder.clips[4]), folder.path(replaced))
    folder.path(went).unlink()
    decoded.clear()
    second = build(folder, tmp_path / "data", "--update", file_format=file_format)
    assert sorted(decoded) == sorted([came.id, replaced.id])
    assert [str(first.version), str(second.version)] == ["1.0.0", "1.1.0"]
    fresh = build(folder, tmp_path / "fresh", version="1.1.0", file_format=file_format)
    assert contents(second.data_path) == contents(fresh.data_path)
    assert verify_dataset(second.data_path, workers=1).ok
    assert verify_dataset(first.data_path, workers=1).ok
    # Splits that have not changed are the same files.
    shards = [path.name for path in pathlib.Path(first.data_path).glob("kinetics600-test.*")]
    assert len(shards) == SHARDS
    assert all(os.path.samefile(first.data_path / name, second.data_path / name) for name in shards)


def test_failed_clips_of_a_finished_dataset_are_tried_again(folder, tmp_path, decoded):
    first = build(folder, tmp_path / "data")
    failed = folder.damaged[0]
    assert read_manifest(first.data_path, ["state"])["state"].to_pylist().count("failed") == 1
    shutil.copyfile(folder.path(folder.clips[3]), folder.path(failed))
    decoded.clear()
    second = build(folder, tmp_path / "data", "--retry_failed")
    assert decoded == [failed.id]
    assert str(second.version) == "1.1.0"
    assert "failed" not in read_manifest(second.data_path, ["state"])["state"].to_pylist()
    assert str(build(folder, tmp_path / "data", "--retry_failed").version) == "1.1.0", "nothing has failed"


def test_nothing_new_makes_no_version_and_replace_keeps_the_newest(folder, tmp_path, decoded, capsys):
    first = build(folder, tmp_path / "data")
    same = build(folder, tmp_path / "data", "--update")
    assert str(same.version) == "1.0.0"
    assert "no new version is made" in capsys.readouterr().out
    shutil.copyfile(folder.path(folder.clips[3]), folder.path(folder.missing[0]))
    decoded.clear()
    second = build(folder, tmp_path / "data", "--update", "--replace")
    assert decoded == [folder.missing[0].id]
    assert not first.data_path.exists()
    assert str(tfds.builder("kinetics600", config=CONFIG, data_dir=tmp_path / "data").version) == "1.1.0"
    assert second.info.splits["train"].num_examples == first.info.splits["train"].num_examples + 1
    assert len(list(tfds.load("kinetics600/tiny:1.1.0", split="train", data_dir=tmp_path / "data"))) == 11


def test_a_damaged_record_is_decoded_again(folder, tmp_path, decoded):
    first = build(folder, tmp_path / "data")
    shard = sorted(pathlib.Path(first.data_path).glob("kinetics600-train.*"))[0]
    data = bytearray(shard.read_bytes())
    data[500] ^= 1
    shard.write_bytes(data)
    shutil.copyfile(folder.path(folder.clips[3]), folder.path(folder.missing[0]))
    decoded.clear()
    second = build(folder, tmp_path / "data", "--update")
    assert len(decoded) == 2
    assert verify_dataset(second.data_path, workers=1).ok


def test_other_decoder_versions_keep_nothing(folder, tmp_path, decoded, monkeypatch, capsys):
    build(folder, tmp_path / "data")
    decoded.clear()
    from kinetics_tfds.decode import revision

    newer = {**revision.versions(), "av": "99.0"}
    for module in ("kinetics_tfds.decode.revision", "kinetics_tfds.shards.write"):
        monkeypatch.setattr(f"{module}.versions", lambda: newer)
    build(folder, tmp_path / "data", "--update")
    assert len(decoded) == 17
    assert "every record differs: av:" in capsys.readouterr().err


def test_a_removed_video_stays_out(folder, tmp_path, decoded, capsys):
    first = build(folder, tmp_path / "data")
    gone = folder.clips[4]
    ids = tmp_path / "ids.txt"
    ids.write_text(f"{gone.youtube_id}\n")
    decoded.clear()
    prune = ["prune", "kinetics600/tiny", f"--data_dir={tmp_path / 'data'}", f"--ids={ids}", "--reason=asked"]
    assert kinetics([*prune, "--dry_run"]) == 0
    assert kinetics(prune) == 0
    pruned = first.data_path.parent / "1.1.0"
    assert decoded == []
    assert verify_dataset(pruned, workers=1).ok
    rows = read_manifest(pruned).to_pylist()
    row = next(row for row in rows if row["youtube_id"] == gone.youtube_id)
    assert (row["state"], row["reason"]) == ("excluded", "removed")
    [removal] = json.loads((pruned / "removed.json").read_text())
    assert removal == {
        "version": "1.1.0",
        "reason": "asked",
        "videos": 1,
        "clips": {"train": 1},
        "ids": [gone.youtube_id],
    }
    assert kinetics([*prune, "--replace"]) == 0  # as after a stop between the two
    assert not first.data_path.exists()
    shutil.copyfile(folder.path(folder.clips[3]), folder.path(folder.missing[0]))
    updated = build(folder, tmp_path / "data", "--update")
    assert decoded == [folder.missing[0].id]
    written = {row["id"] for row in read_manifest(updated.data_path).to_pylist() if row["state"] == "written"}
    assert gone.id not in written
    assert (updated.data_path / "removed.json").read_text() == (pruned / "removed.json").read_text()


def test_pruning_without_a_trace(folder, tmp_path):
    first = build(folder, tmp_path / "data")
    ids = tmp_path / "ids.txt"
    ids.write_text(f"{folder.clips[4].youtube_id}\n")
    assert kinetics(["prune", str(first.data_path), f"--ids={ids}", "--forget_ids", "--replace"]) == 0
    pruned = first.data_path.parent / "1.1.0"
    assert not any(folder.clips[4].youtube_id.encode() in data for data in contents(pruned).values())
    assert "ids" not in json.loads((pruned / "removed.json").read_text())[0]
    assert not first.data_path.exists()


def test_what_a_newer_list_lacks(folder, tmp_path, capsys):
    first = build(folder, tmp_path / "data")
    lists = folder.root / "annotations" / "kinetics600_train.csv"
    newer = tmp_path / "kinetics600_train.csv"
    gone = folder.clips[4]
    newer.write_text("".join(line for line in lists.read_text().splitlines(True) if gone.youtube_id not in line))
    ids = tmp_path / "gone.txt"
    assert kinetics(["gone", str(first.data_path), str(newer), f"--ids={ids}"]) == 0
    assert ids.read_text() == f"{gone.youtube_id}\n"
    assert "1 of 16 clips are gone: train 1" in capsys.readouterr().out
    assert kinetics(["prune", str(first.data_path), f"--not_in={newer}"]) == 0
    assert verify_dataset(first.data_path.parent / "1.1.0", workers=1).records == 15
