from __future__ import annotations

import os

import fsspec
import pytest
from clip_folder import make_clip_folder

from kinetics_tfds.annotations.clip import Split
from kinetics_tfds.annotations.versions import get_version
from kinetics_tfds.clips.inputs import read_inputs
from kinetics_tfds.decode import DecodeFailure, DecodePool, DecodeSettings, FailureReason
from kinetics_tfds.planning.plan import Selection, Sharding, plan_splits
from kinetics_tfds.shards.decoding import decode_clips
from kinetics_tfds.shards.sample_decode import decode_sample

SETTINGS = DecodeSettings(short_side=32, fps=5.0)


@pytest.fixture
def remote(tmp_path):
    """A folder of 40 clips in fsspec's memory file system, which has no local paths."""
    folder = make_clip_folder(tmp_path / "clips", {Split.TRAIN: 40})
    memory = fsspec.filesystem("memory")
    memory.put(f"{folder.root}/", "/bucket/clips/", recursive=True)
    yield folder
    memory.rm("/bucket", recursive=True)


def split_plan(root: str):
    inputs = read_inputs(root, get_version("kinetics600"))
    plans = plan_splits(
        inputs.annotations.clips,
        inputs.matches.found,
        selection=Selection(),
        sharding=Sharding(num_shards=1),
        settings=SETTINGS,
    )
    return plans[Split.TRAIN]


def first_shard(root: str):
    (shard,) = split_plan(root).shards()
    return shard


@pytest.fixture(scope="module")
def pool():
    with DecodePool(SETTINGS, workers=2) as pool:
        yield pool


def test_remote_clips_give_the_frames_of_local_ones(remote, pool, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    clips = first_shard("memory://bucket/clips").clips
    here = list(decode_clips(str(remote.root), clips, pool))
    most = 0
    frames = []
    for outcome in decode_clips("memory://bucket/clips", clips, pool):
        frames.append(outcome.frames)
        (folder,) = tmp_path.glob("kinetics-media-*")
        most = max(most, len(os.listdir(folder)))
    assert frames == [outcome.frames for outcome in here]
    assert len(frames) == 40
    assert most < 40, "copies are removed when they are decoded"
    assert not list(tmp_path.glob("kinetics-media-*"))


def test_a_file_that_went_away_is_that_clips_failure(remote, pool):
    clips = first_shard("memory://bucket/clips").clips
    fsspec.filesystem("memory").rm(f"/bucket/clips/{clips[3].media.path}")
    requested = []
    outcomes = list(decode_clips("memory://bucket/clips", clips, pool, lambda: requested.append(True)))
    failures = {number: outcome for number, outcome in enumerate(outcomes) if isinstance(outcome, DecodeFailure)}
    assert list(failures) == [3]
    assert failures[3].reason is FailureReason.UNREADABLE
    assert f"cannot copy {clips[3].media.path}: FileNotFoundError" in failures[3].detail
    assert requested == [True]


def test_decoding_that_is_given_up_leaves_no_copy(remote, pool, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    outcomes = decode_clips("memory://bucket/clips", first_shard("memory://bucket/clips").clips, pool)
    next(outcomes)
    outcomes.close()
    assert not list(tmp_path.glob("kinetics-media-*"))


def test_a_sample_of_remote_clips_tells_what_cannot_be_copied(remote):
    root = "memory://bucket/clips"
    plan = split_plan(root)
    fsspec.filesystem("memory").rm(f"/bucket/clips/{plan.clips[0].media.path}")
    sample = decode_sample({Split.TRAIN: plan}, root, SETTINGS, workers=1)
    assert sample.clips == 33
    assert sample.failed == {"unreadable": 1}
    assert "cannot copy" in sample.examples[0]
    assert sample.predict_bytes(33) == round(32 * sample.bytes_per_clip)
