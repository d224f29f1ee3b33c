"""An export is complete, small, the same each time, and never in the way of what lies in a folder already."""

from __future__ import annotations

import json
import os
import pathlib
import signal
import subprocess
import sys

import cv2
import numpy as np
import pytest
from clip_folder import make_clip_folder

from kinetics_tfds.annotations.clip import Clip, Split
from kinetics_tfds.annotations.versions import get_version
from kinetics_tfds.browse import answers
from kinetics_tfds.browse.open_collection import open_collection
from kinetics_tfds.browse.row_collections import VersionRows
from kinetics_tfds.browse.static_site import MARKER, ExportLimits, choose_rows, export_site
from kinetics_tfds.browse.thumbnails import MOST_FRAMES, SHORT_SIDE
from kinetics_tfds.cli.main import main
from kinetics_tfds.errors import BrowseError, UsageError


@pytest.fixture(scope="module")
def collection(prepared):
    return open_collection(str(prepared["array_record"]))


def read_files(folder: pathlib.Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def unpack(data: bytes) -> list[bytes]:
    count = int.from_bytes(data[:4], "little")
    sizes = np.frombuffer(data, "<u4", count, 4)
    ends = 4 + 4 * count + np.cumsum(sizes)
    return [data[end - size : end] for end, size in zip(ends, sizes, strict=True)]


def test_an_export_holds_every_clip(collection, tmp_path):
    done = export_site(collection, tmp_path / "site")
    files = read_files(tmp_path / "site")
    assert (done.clips, done.with_thumbnails, done.rows, done.limit) == (20, 18, 20, "")
    assert done.bytes == sum(map(len, files.values()))
    site = json.loads(files["data/site.json"])
    assert [card["row"] for card in site["clips"]] == list(range(20))
    for card in site["clips"]:
        clip = json.loads(files[f"data/clips/0/{card['row']}.json"])
        expected = answers.describe_clip(collection, card["key"])
        assert {name: clip[name] for name in ("columns", "record", "problem", "youtube")} == {
            name: expected[name] for name in ("columns", "record", "problem", "youtube")
        }
        assert card["has_thumbnails"] == (card["state"] == "written")
        if card["has_thumbnails"]:
            frames = unpack(files[f"data/clips/0/{card['row']}.frames"])
            assert len(frames) == len(clip["thumbnails"]) == MOST_FRAMES
            assert set(clip["thumbnails"]) < set(clip["record"]["timestamps"])
            stored = answers.spread(collection.record(card["row"]).frames, MOST_FRAMES)
            for small, frame in zip(frames, stored, strict=True):
                small, frame = (
                    cv2.imdecode(np.frombuffer(each, np.uint8), cv2.IMREAD_COLOR) for each in (small, frame)
                )
                assert small.shape == frame.shape  # no larger than thumbnails are
                assert np.abs(small.astype(int) - frame).mean() < 12
    everything = b"".join(files.values()).decode("utf-8", "replace")
    assert collection.place not in everything
    assert '<meta http-equiv="Content-Security-Policy" content="default-src \'none\';' in files["index.html"].decode()


def test_the_same_export_has_the_same_bytes_and_replaces_the_one_before(collection, tmp_path):
    export_site(collection, tmp_path / "one")
    export_site(collection, tmp_path / "other", ExportLimits(clips=2))
    assert len(read_files(tmp_path / "other")) < len(read_files(tmp_path / "one"))
    (tmp_path / ".other.exporting" / "new").mkdir(parents=True)  # as a kill leaves it
    (tmp_path / ".other.exporting" / "new" / "half").write_text("")
    export_site(collection, tmp_path / "other")
    assert read_files(tmp_path / "one") == read_files(tmp_path / "other")
    assert sorted(os.listdir(tmp_path)) == ["one", "other"]


def test_clips_are_chosen_evenly_from_all_classes(collection):
    table = collection.table
    labels = [[table.value("label", row) for row in choose_rows(table, most)] for most in (4, 10, 99)]
    classes = set(labels[2])
    assert len(labels[2]) == 20
    for chosen in labels[:2]:
        counts = [chosen.count(label) for label in classes]
        assert max(counts) - min(counts) <= 1 or len(chosen) < len(classes)
    assert {table.value("state", row) for row in choose_rows(table, len(classes))} == {"written"}


def test_what_is_left_out_is_said(prepared, tmp_path, capsys):
    command = ["browse", str(prepared["tfrecord"]), f"--export={tmp_path / 'site'}"]
    assert main([*command, "--export_clips=5"]) == 0
    assert "Left out: 15 clips, evenly from all classes, by --export_clips=5." in capsys.readouterr().out
    full = sum(map(len, read_files(tmp_path / "site").values()))
    limit = (full - 1) / 1e6
    assert main([*command, f"--export_mb={limit}"]) == 0
    assert "by --export_mb" in capsys.readouterr().out
    files = read_files(tmp_path / "site")
    assert 0 < len(json.loads(files["data/site.json"])["clips"]) < 5
    assert sum(map(len, files.values())) <= limit * 1e6
    assert main([*command, "--export_mb=0.001"]) == 1
    assert "--export_mb" in capsys.readouterr().err
    assert read_files(tmp_path / "site") == files  # the one before stays
    assert main([*command, "--export_clips=0"]) == 2
    assert main([command[0], command[1], "--export_clips=5"]) == 2


def test_other_folders_are_not_touched(collection, tmp_path):
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("words")
    with pytest.raises(BrowseError, match="not written by an export"):
        export_site(collection, mine)
    assert read_files(mine) == {"thesis.txt": b"words"}
    (mine / MARKER).write_text("{}")
    with pytest.raises(BrowseError, match=r"thesis\.txt"):
        export_site(collection, mine)
    assert (mine / "thesis.txt").read_text() == "words"
    for wrong in (mine / "thesis.txt", tmp_path / "no" / "where", "gs://bucket/site"):
        with pytest.raises(BrowseError):
            export_site(collection, wrong)
    with pytest.raises(UsageError):
        ExportLimits(megabytes=float("nan"))
    assert os.listdir(tmp_path) == ["mine"]


def test_hostile_words_become_neither_paths_nor_html(tmp_path):
    hostile = "</script><img src=x onerror=alert(1)>/../../x"
    clip = Clip(Split.TRAIN, "../../../x", 0, 10, hostile)
    export_site(VersionRows(get_version("kinetics600"), [clip]), tmp_path / "site")
    files = read_files(tmp_path / "site")
    assert json.loads(files["data/site.json"])["clips"][0]["label"] == hostile
    assert {name for name in files if name.startswith("data")} == {"data/site.json", "data/clips/0/0.json"}
    assert not any(b"onerror" in data for name, data in files.items() if not name.startswith("data"))


def test_files_of_a_store_are_decoded(tmp_path):
    folder = make_clip_folder(tmp_path / "kinetics600" / "clips", {Split.TRAIN: 4}, damaged=1, missing=1)
    collection = open_collection(str(folder.root), version="kinetics600")
    done = export_site(collection, tmp_path / "site")
    assert (done.clips, done.with_thumbnails) == (4, 2)
    files = read_files(tmp_path / "site")
    for card in json.loads(files["data/site.json"])["clips"]:
        clip = json.loads(files[f"data/clips/0/{card['row']}.json"])
        if card["has_thumbnails"]:
            frames = unpack(files[f"data/clips/0/{card['row']}.frames"])
            assert len(frames) == len(clip["thumbnails"]) > 1
            assert min(cv2.imdecode(np.frombuffer(frames[0], np.uint8), cv2.IMREAD_COLOR).shape[:2]) <= SHORT_SIDE
        elif card["state"] == "there":
            assert clip["problem"].startswith("not_media: ")
    assert not any(name.endswith(".mp4") for name in files)


def test_a_kill_leaves_the_export_before_and_the_next_run_cleans_up(prepared, collection, tmp_path):
    site = tmp_path / "site"
    export_site(collection, site, ExportLimits(clips=3))
    before = read_files(site)
    slow = (
        "import sys, time\n"
        "from kinetics_tfds.browse.open_collection import open_collection\n"
        "from kinetics_tfds.browse.static_site import export_site\n"
        "export_site(open_collection(sys.argv[1]), sys.argv[2], on_clip=lambda *_: (print(flush=True), time.sleep(600)))\n"
    )
    command = [sys.executable, "-c", slow, str(prepared["array_record"]), str(site)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        process.stdout.readline()
        with pytest.raises(BrowseError, match="Another export"):
            export_site(collection, site)
        process.send_signal(signal.SIGKILL)
    assert read_files(site) == before
    assert sorted(os.listdir(tmp_path)) == [".site.exporting", "site"]
    export_site(collection, site)
    assert os.listdir(tmp_path) == ["site"]
    assert len(read_files(site)) > len(before)
