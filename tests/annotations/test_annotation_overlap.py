"""Overlap between versions and splits, and leaving it out of a build."""

from __future__ import annotations

import json

import annotation_forms as forms
import pytest

from kinetics_tfds.annotations.clip import Clip, Split
from kinetics_tfds.annotations.exclude import excluded_videos
from kinetics_tfds.annotations.overlap import find_overlap, parse_clip_set
from kinetics_tfds.annotations.read import read_annotations
from kinetics_tfds.cli.main import main
from kinetics_tfds.errors import AnnotationError

A = [
    Clip(Split.VALIDATION, "same_clip_1", 10.0, 20.0, "abseiling"),
    Clip(Split.VALIDATION, "renamed_cls", 10.0, 20.0, "passing American football (not in game)"),
    Clip(Split.VALIDATION, "changed_cls", 10.0, 20.0, "yoga"),
    Clip(Split.VALIDATION, "moved_a_bit", 10.0, 20.0, "zumba"),
    Clip(Split.VALIDATION, "other_part1", 10.0, 20.0, "zumba"),
    Clip(Split.VALIDATION, "only_in_400", 10.0, 20.0, "vault"),
]
B = [
    Clip(Split.TRAIN, "same_clip_1", 10.0, 20.0, "abseiling"),
    Clip(Split.TRAIN, "renamed_cls", 10.0, 20.0, "passing american football (not in game)"),
    Clip(Split.TRAIN, "changed_cls", 10.0, 20.0, "zumba"),
    Clip(Split.TRAIN, "moved_a_bit", 12.5, 22.5, "zumba"),
    Clip(Split.TRAIN, "other_part1", 20.0, 30.0, "zumba"),
    Clip(Split.TRAIN, "only_in_600", 10.0, 20.0, "acting in play"),
]


@pytest.fixture
def lists(tmp_path):
    """Both versions' lists under one folder; the file names of one do not tell the version."""
    folder = tmp_path / "lists"
    (folder / "kinetics400").mkdir(parents=True)
    (folder / "kinetics400" / "val.csv").write_text(forms.official(A))
    (folder / "kinetics-600_train.csv").write_text(forms.official(B))
    (folder / "notes.txt").write_text("mine")
    return folder


def test_find_overlap():
    overlap = find_overlap(parse_clip_set("kinetics400/val"), A, parse_clip_set("kinetics600/train"), B)
    assert overlap.shared_videos == ("changed_cls", "moved_a_bit", "other_part1", "renamed_cls", "same_clip_1")
    assert {one.youtube_id for one, _ in overlap.same_clips} == {"same_clip_1", "renamed_cls", "changed_cls"}
    assert {one.youtube_id for one, _ in overlap.same_footage} == {
        "same_clip_1",
        "renamed_cls",
        "changed_cls",
        "moved_a_bit",
    }
    assert [one.youtube_id for one, _ in overlap.relabelled] == ["changed_cls"]


def test_the_command_prints_a_table(lists, capsys):
    assert main(["overlap", "kinetics400/val", "kinetics600/train", "--annotations", str(lists)]) == 0
    out = capsys.readouterr().out
    assert "kinetics400/validation" in out
    assert "5 (83.3%)" in out
    assert "changed_cls_000010_000020  yoga -> zumba" in out


def test_the_command_prints_json_and_writes_ids(lists, tmp_path, capsys):
    ids = tmp_path / "ids.txt"
    command = ["overlap", "kinetics400", "kinetics600", "--annotations", str(lists), "--json", "--ids", str(ids)]
    assert main(command) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["a"] == {"name": "kinetics400", "clips": 6, "videos": 6}
    assert found["same_clips"] == 3
    assert [pair["a"]["label"] for pair in found["relabelled"]] == ["yoga"]
    assert excluded_videos([str(ids)]) == set(found["shared_videos"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["kinetics40/val", "kinetics600"], "Did you mean 'kinetics400'"),
        (["kinetics400/dev", "kinetics600"], "no split 'dev'"),
        (["kinetics400/holdout test", "kinetics600"], "no split 'holdout test'"),
        (["kinetics400/train", "kinetics600"], "no clip of kinetics400/train"),
        (["kinetics700/train", "kinetics600"], "None of 2 annotation files is of kinetics700"),
    ],
)
def test_the_command_says_what_is_missing(lists, capsys, arguments, message):
    assert main(["overlap", *arguments, "--annotations", str(lists)]) == 1
    assert message in capsys.readouterr().err


def test_excluding_sets_and_ids(lists, tmp_path):
    files = [lists / "kinetics400" / "val.csv", lists / "kinetics-600_train.csv"]
    ids = tmp_path / "ids.txt"
    ids.write_text("# by hand\n-starts_-_0\n\nonly_in_600\n")
    assert excluded_videos(["kinetics400/validation"], files) == {clip.youtube_id for clip in A}
    assert excluded_videos(["kinetics400/val", str(ids)], files) == {clip.youtube_id for clip in A} | {
        "-starts_-_0",
        "only_in_600",
    }
    assert excluded_videos([]) == frozenset()
    # Another version's lists beside its own do not disturb a build.
    assert list(read_annotations("kinetics600", files).clips) == B


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "names no clips to exclude"), ("too_short\n", "line 1: 'too_short' is no YouTube id")],
)
def test_what_is_no_set_and_no_list_of_ids(tmp_path, content, message):
    path = tmp_path / "kinetcs400"
    if content:
        path.write_text(content)
    with pytest.raises(AnnotationError, match=message):
        excluded_videos([str(path)])


def test_a_set_without_lists_says_where_they_are():
    with pytest.raises(AnnotationError, match=r"None of 0 annotation files is of kinetics400[^$]*kinetics400.tar.gz"):
        excluded_videos(["kinetics400/validation"], [])
