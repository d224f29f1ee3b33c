from __future__ import annotations

import os
import pathlib

import fsspec
import pytest
from clip_folder import make_clip_folder

from kinetics_tfds.annotations.clip import Split
from kinetics_tfds.annotations.versions import get_version
from kinetics_tfds.decode.types import DecodeSettings
from kinetics_tfds.planning.inputs import read_inputs
from kinetics_tfds.planning.media import MediaSource
from kinetics_tfds.planning.plan import Selection, Sharding, plan_splits


@pytest.fixture
def remote(tmp_path):
    """A folder of 40 clips in fsspec's memory file system, which has no local paths."""
    folder = make_clip_folder(tmp_path / "clips", {Split.TRAIN: 40})
    memory = fsspec.filesystem("memory")
    memory.put(f"{folder.root}/", "/bucket/clips/", recursive=True)
    yield folder
    memory.rm("/bucket", recursive=True)


def first_shard(root: str):
    inputs = read_inputs(root, get_version("kinetics600"))
    plans = plan_splits(
        inputs.annotations.clips,
        inputs.matches.found,
        selection=Selection(),
        sharding=Sharding(num_shards=1),
        settings=DecodeSettings(),
    )
    (shard,) = plans[Split.TRAIN].shards()
    return shard


def test_local_files_are_used_where_they_lie(tmp_path):
    folder = make_clip_folder(tmp_path / "clips", {Split.TRAIN: 3})
    shard = first_shard(str(folder.root))
    source = MediaSource(str(folder.root))
    for request in source.requests(shard):
        source.release(request)
        assert source.problem(request) is None
        assert pathlib.Path(request.path).parent == folder.root / "train"
        assert pathlib.Path(request.path).exists()


def test_remote_files_come_here_a_few_ahead_and_go(remote, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    shard = first_shard("memory://bucket/clips")
    source = MediaSource("memory://bucket/clips")
    seen, most = 0, 0
    for planned, request in zip(shard.clips, source.requests(shard), strict=True):
        original = remote.root / planned.media.path
        assert pathlib.Path(request.path).read_bytes() == original.read_bytes()
        assert source.problem(request) is None
        most = max(most, len(os.listdir(os.path.dirname(request.path))))
        source.release(request)
        assert not os.path.exists(request.path)
        seen += 1
    assert seen == 40
    assert most <= 20
    source.finish(shard)
    assert not list(tmp_path.glob("kinetics-media-*"))


def test_a_file_that_went_away_is_that_clips_problem(remote):
    shard = first_shard("memory://bucket/clips")
    fsspec.filesystem("memory").rm(f"/bucket/clips/{shard.clips[3].media.path}")
    source = MediaSource("memory://bucket/clips")
    problems = [source.problem(request) for request in source.requests(shard)]
    assert [number for number, problem in enumerate(problems) if problem] == [3]
    assert shard.clips[3].media.path in problems[3]
    source.finish(shard)


def test_a_walk_that_is_given_up_leaves_nothing(remote, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    shard = first_shard("memory://bucket/clips")
    source = MediaSource("memory://bucket/clips")
    requests = source.requests(shard)
    next(requests)
    requests.close()
    source.finish(shard)
    assert not list(tmp_path.glob("kinetics-media-*"))
