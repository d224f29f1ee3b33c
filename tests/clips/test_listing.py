"""Listing real folders: odd entries, links, rights, and remote trees through fsspec."""

from __future__ import annotations

import os
import uuid

import fsspec
import pytest

from kinetics_tfds.clips.listing import list_folder
from kinetics_tfds.errors import ClipsError


def touch(root, *paths):
    for path in paths:
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch()


CLIP = "abcdefghijk_000010_000020"


def test_any_depth_and_kinds(tmp_path):
    touch(tmp_path, f"a/b/c/{CLIP}.mp4", f"{CLIP}.MKV", "lists/kinetics_train.csv", "readme")
    listing = list_folder(tmp_path)
    assert listing.media == (f"a/b/c/{CLIP}.mp4", f"{CLIP}.MKV")
    assert listing.others == ("lists/kinetics_train.csv", "readme")
    assert listing.root == str(tmp_path)
    assert not listing.skipped
    assert not listing.unreadable


def test_every_ending_of_media_counts_and_others_are_counted(tmp_path):
    media = [f"{CLIP}{ending}" for ending in (".3GP", ".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpg", ".webm")]
    touch(tmp_path, *media, "a.flv", "b.FLV", "c.wmv", "readme", "kinetics_train.csv")
    listing = list_folder(tmp_path)
    assert listing.media == tuple(media)
    assert listing.ignored_endings == {".flv": 2, ".wmv": 1, "no ending": 1}


def test_what_is_skipped_is_counted(tmp_path):
    touch(
        tmp_path,
        f"{CLIP}.mp4",
        f"._{CLIP}.mp4",
        f".{CLIP}.mp4",
        f"{CLIP}.mp4.part",
        f"{CLIP}.ytdl",
        f"{CLIP}.mp4.tmp",
        f".cache/{CLIP}.mp4",
        f"__MACOSX/{CLIP}.mp4",
        f"@eaDir/{CLIP}.mp4/thumb.mp4",
    )
    os.mkfifo(tmp_path / "pipe.mp4")
    listing = list_folder(tmp_path)
    assert listing.media == (f"{CLIP}.mp4",)
    assert listing.others == ()
    assert listing.skipped == {"apple_double": 1, "hidden": 2, "temporary": 3, "foreign_folder": 2, "not_a_file": 1}


def test_name_that_is_not_utf8(tmp_path):
    touch(tmp_path, f"{CLIP}.mp4")
    with open(os.fsencode(tmp_path) + b"/caf\xe9.mp4", "wb"):
        pass
    listing = list_folder(tmp_path)
    assert listing.media == (f"{CLIP}.mp4",)
    assert listing.skipped == {"not_utf8": 1}


def test_loops_of_links_end_and_real_paths_win(tmp_path):
    touch(tmp_path, f"z/{CLIP}.mp4")
    (tmp_path / "a_link").symlink_to(tmp_path / "z")
    (tmp_path / "z" / "up").symlink_to(tmp_path)
    (tmp_path / "self").symlink_to(tmp_path / "self")
    listing = list_folder(tmp_path)
    assert listing.media == (f"z/{CLIP}.mp4",)
    assert listing.skipped == {"linked_twice": 2}


def test_linked_folders_and_files_are_followed(tmp_path):
    touch(tmp_path, f"elsewhere/val/{CLIP}.mp4", "elsewhere/one.mp4")
    clips = tmp_path / "clips"
    clips.mkdir()
    (clips / "linked").symlink_to(tmp_path / "elsewhere" / "val")
    (clips / "one.mp4").symlink_to(tmp_path / "elsewhere" / "one.mp4")
    (clips / "gone.mp4").symlink_to(tmp_path / "nowhere")
    assert list_folder(clips).media == ("gone.mp4", f"linked/{CLIP}.mp4", "one.mp4")


def test_a_root_that_is_a_link(tmp_path):
    touch(tmp_path, f"real/{CLIP}.mp4")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert list_folder(tmp_path / "link").media == (f"{CLIP}.mp4",)


def test_folder_that_cannot_be_listed_is_reported(tmp_path, monkeypatch):
    # Rights do not hold the superuser back; a path longer than the system takes holds everyone back.
    touch(tmp_path, f"{CLIP}.mp4")
    monkeypatch.chdir(tmp_path)
    for _ in range(20):
        os.mkdir("d" * 250)
        os.chdir("d" * 250)
    listing = list_folder(tmp_path)
    assert listing.media == (f"{CLIP}.mp4",)
    assert len(listing.unreadable) == 1
    assert listing.unreadable[0].endswith("d: File name too long")


@pytest.mark.parametrize("make", [None, "file", "empty", "only_hidden"])
def test_nothing_to_list(tmp_path, make):
    root = tmp_path / "clips"
    if make == "file":
        root.touch()
    elif make is not None:
        root.mkdir()
        if make == "only_hidden":
            touch(root, f"._{CLIP}.mp4")
    with pytest.raises(ClipsError) as caught:
        list_folder(root)
    assert str(root) in caught.value.problem
    assert caught.value.next_step
    if make == "only_hidden":
        assert "1 apple_double" in caught.value.problem


def test_no_file_is_asked_about(tmp_path, monkeypatch):
    touch(tmp_path, *(f"{letter}/{letter}{number:010d}.mp4" for letter in "abc" for number in range(50)))
    asked = []
    plain_stat = os.stat
    monkeypatch.setattr(
        os, "stat", lambda path, *args, **kwargs: asked.append(path) or plain_stat(path, *args, **kwargs)
    )
    assert len(list_folder(tmp_path).media) == 150
    assert len(asked) == 4  # the folders


@pytest.fixture
def memory_root():
    root = f"memory://{uuid.uuid4().hex}/clips"
    yield root
    fsspec.filesystem("memory").rm(root, recursive=True)


def test_remote_listing_equals_the_local_one(tmp_path, memory_root):
    paths = [
        f"train/arm wrestling/{CLIP}.mp4",
        f"train/._{CLIP}.mp4",
        "lists/train.csv",
        f".git/{CLIP}.mp4",
        f".git/sub/{CLIP}.mp4",
    ]
    touch(tmp_path, *paths)
    file_system = fsspec.filesystem("memory")
    for path in paths:
        file_system.pipe_file(f"{memory_root}/{path}", b"")
    local, remote = list_folder(tmp_path), list_folder(memory_root)
    assert (remote.media, remote.others, remote.skipped) == (local.media, local.others, local.skipped)
    assert remote.root == memory_root


def test_remote_root_that_is_not_there():
    with pytest.raises(ClipsError, match="does not exist or is empty"):
        list_folder(f"memory://{uuid.uuid4().hex}")


def test_unknown_scheme():
    with pytest.raises(ClipsError) as caught:
        list_folder("nosuch://bucket/clips")
    assert "nosuch://bucket/clips" in caught.value.problem
