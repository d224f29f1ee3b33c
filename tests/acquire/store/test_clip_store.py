from __future__ import annotations

import os
import pathlib
import signal
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinetics_tfds.acquire.store.clip_store import ClipStore, clip_path, file_digest, folder_name, open_store
from kinetics_tfds.annotations.clip import Clip, Split
from kinetics_tfds.clips.layouts import read_name
from kinetics_tfds.errors import AcquireError


@pytest.mark.parametrize("root", ["local", "memory://bucket"])
def test_a_published_file_appears_whole_and_leaves_scratch(tmp_path, root):
    store = open_store(tmp_path if root == "local" else f"{root}/{tmp_path.name}")
    assert store.listing().media == ()
    with store.scratch("run") as folder:
        made = folder / "x.mp4"
        made.write_bytes(b"clip")
        store.publish(made, "train/archery/abc_DEF-123_000001_000011.mp4")
        assert not made.exists()
    assert not folder.exists()
    assert store.listing().media == ("train/archery/abc_DEF-123_000001_000011.mp4",)


@given(st.text())
def test_no_label_leaves_its_folder(label):
    name = folder_name(label)
    assert name not in ("", ".", "..")
    assert "/" not in name
    assert "\0" not in name
    assert not name.startswith(".")
    assert len(name.encode()) <= 200


def test_the_layout_is_one_that_listing_reads():
    clip = Clip(Split.HOLDOUT_TEST, "-_abc_DEF-1", 3, 13, "shaking hands")
    name = read_name(clip_path(clip))
    assert name is not None
    assert (name.split, name.youtube_id, name.time_start, name.time_end) == (clip.split, clip.youtube_id, 3, 13)
    assert name.folders == ("shaking hands",)


@pytest.mark.parametrize("bad", ["../../etc/x", "abc", "abc_DEF 123", "abc_DEF-12\n"])
def test_only_video_ids_become_names(bad):
    with pytest.raises(AcquireError, match="no valid video id"):
        clip_path(Clip(Split.TRAIN, bad, 0, 10, "archery"))


HOLD = """
import os, signal, sys
from kinetics_tfds.acquire.store.clip_store import open_store
with open_store(sys.argv[1]).scratch("before") as folder:
    (folder / "half.mp4").write_bytes(b"x" * 1000)
    print(folder, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("root", ["local", "memory://bucket"])
def test_scratch_of_a_killed_run_is_removed_and_of_this_one_kept(tmp_path, root):
    root = str(tmp_path) if root == "local" else f"{root}/{tmp_path.name}"
    done = subprocess.run([sys.executable, "-c", HOLD, root], capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    killed = pathlib.Path(done.stdout.strip())
    assert (killed / "half.mp4").exists()
    with open_store(root).scratch("now") as mine:
        (mine / "x").write_bytes(b"x")
        with open_store(root).scratch("now"):  # another process of this run
            assert not killed.exists()
            assert (mine / "x").exists()
    assert list(mine.parent.iterdir()) == []


def test_a_nearly_full_disk_stops_with_the_way_on(tmp_path):
    store = ClipStore(str(tmp_path))
    store.check_space(1)
    with pytest.raises(AcquireError, match="min_free_gb"):
        store.check_space(1 << 60)


def test_a_store_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(AcquireError, match="cannot be written"):
        open_store(tmp_path / "file" / "store")


def test_hidden_files_are_replaced_whole(tmp_path):
    store = open_store(tmp_path)
    store.write_hidden("runs/1/plan.json", b"one\ntwo\n")
    store.write_hidden("runs/1/plan.json", b"three\n")
    assert list(store.read_lines("runs/1/plan.json")) == [b"three\n"]
    assert store.hidden_sizes("runs/1") == {"runs/1/plan.json": 6}
    store.remove_hidden("runs/1")
    assert store.hidden_sizes("runs/1") == {}


def test_publishing_across_file_systems(tmp_path):
    other = pathlib.Path("/dev/shm")
    if not other.is_dir() or other.stat().st_dev == tmp_path.stat().st_dev:
        other = tmp_path  # one file system only: the plain rename is what happens
    folder = other / f"kinetics-test-{os.getpid()}"
    folder.mkdir()
    try:
        (tmp_path / "train").symlink_to(folder)
        store = ClipStore(str(tmp_path))
        with store.scratch("run") as work:
            (work / "x").write_bytes(b"clip")
            store.publish(work / "x", "train/abc_DEF-123_000001_000011.mp4")
        assert (folder / "abc_DEF-123_000001_000011.mp4").read_bytes() == b"clip"
        assert [p.name for p in folder.iterdir()] == ["abc_DEF-123_000001_000011.mp4"]
    finally:
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()


def test_file_digest(tmp_path):
    (tmp_path / "x").write_bytes(b"abc")
    assert file_digest(tmp_path / "x") == ("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", 3)
