"""The folder source: any layout, on a disk or in a bucket."""

from __future__ import annotations

import pathlib
import uuid

import fsspec
import pytest
from acquire.source_run import make_clips, media, run

from kinetics_tfds.acquire.outcome import Reason
from kinetics_tfds.acquire.sources.folder import Folder
from kinetics_tfds.annotations.clip import Clip, Split
from kinetics_tfds.clips.media import Span
from kinetics_tfds.errors import AcquireError, ConfigError


def write(root: pathlib.Path, path: str, content: bytes) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_bytes(content)


def test_mixed_layouts(tmp_path):
    clips = make_clips(4)
    write(tmp_path, f"clips/train_256/archery/{clips[0].id}.mkv", media(0))
    write(tmp_path, f"clips/videos_train/{clips[1].youtube_id}.mp4", media(1))
    write(tmp_path, f"clips/{clips[2].youtube_id}_99_109.mp4", media(2))  # another clip of that video
    results, units = run(Folder(path=tmp_path / "clips"), clips, tmp_path)
    assert len(units) == 2
    assert (results[clips[0]].content, results[clips[0]].span) == (media(0), Span.TRIMMED)
    assert (results[clips[1]].content, results[clips[1]].span) == (media(1), Span.UNKNOWN)
    assert results[clips[2]].reason is Reason.NOT_IN_SOURCE
    assert results[clips[3]].reason is Reason.NOT_IN_SOURCE
    assert (tmp_path / f"clips/videos_train/{clips[1].youtube_id}.mp4").exists()


def test_several_clips_of_one_whole_video(tmp_path):
    clips = [Clip(Split.TRAIN, "abcdefghijk", start, start + 10, "archery") for start in (0, 30)]
    write(tmp_path, "clips/abcdefghijk.webm", media())
    results, units = run(Folder(path=tmp_path / "clips"), clips, tmp_path)
    assert len(units) == 1
    assert {results[clip].span for clip in clips} == {Span.WHOLE}


def test_a_bucket(tmp_path):
    root = f"memory://{uuid.uuid4().hex}"
    clips = make_clips(2)
    fsspec.filesystem("memory").pipe_file(f"{root}/val/{clips[0].id}.mp4", media())
    results, _ = run(Folder(url=root), clips, tmp_path)
    assert results[clips[0]].content == media()
    assert results[clips[0]].origin == f"{root}/val/{clips[0].id}.mp4"
    assert results[clips[1]].reason is Reason.NOT_IN_SOURCE


def test_a_file_that_went_away(tmp_path):
    (clip,) = make_clips(1)
    (tmp_path / "clips").mkdir()
    (tmp_path / f"clips/{clip.id}.mp4").symlink_to(tmp_path / "nowhere")
    results, _ = run(Folder(path=tmp_path / "clips"), [clip], tmp_path)
    assert results[clip].reason is Reason.GONE


def test_no_folder(tmp_path):
    with pytest.raises(AcquireError, match="no folder"):
        run(Folder(path=tmp_path / "clips"), make_clips(1), tmp_path)
    for options in ({}, {"path": tmp_path, "url": "gs://x"}, {"url": "x"}):
        with pytest.raises(ConfigError):
            Folder(**options)
