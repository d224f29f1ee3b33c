"""`kinetics diff` between everything that holds or lists clips."""

from __future__ import annotations

import json
import shutil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinetics_tfds.annotations.clip import Clip, Split
from kinetics_tfds.cli.main import main
from kinetics_tfds.clip_sets.clip_set import FILE_HASH, RECORD_DIGEST, ClipSet
from kinetics_tfds.clip_sets.difference import find_difference

KEYS = [f"abcdefghij{number}" for number in range(6)]


def write_list(path, rows):
    lines = [f"{row.label},{row.youtube_id},{row.time_start:g},{row.time_end:g},{row.split}\n" for row in rows]
    path.write_text("".join(["label,youtube_id,time_start,time_end,split\n", *lines]))


def clip(video, label="archery", split=Split.TRAIN):
    return Clip(split, video, 0.0, 10.0, label)


def diff(capsys, *argv):
    assert main(["diff", *map(str, argv), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


clip_sets = st.dictionaries(st.sampled_from(KEYS), st.tuples(st.sampled_from(["a", "b", None]), st.integers(0, 2))).map(
    lambda rows: ClipSet(
        "x",
        "store",
        {clip(video).key: clip(video, label) for video, (label, _) in rows.items()},
        {clip(video).key: str(content) for video, (_, content) in rows.items()},
        FILE_HASH,
    )
)


@given(clip_sets, clip_sets)
def test_every_clip_is_accounted_for_once(a, b):
    found = find_difference(a, b)
    assert {*found.both, *found.only_a} == set(a.clips.values())
    assert len(found.both) + len(found.only_b) == len(b.clips)
    for key in a.clips.keys() & b.clips.keys():
        one, two = a.clips[key].label, b.clips[key].label
        assert (key in {pair[0].key for pair in found.other_labels}) == (one is not None and two not in (None, one))
        assert (key in {each.key for each in found.other_content}) == (a.hashes[key] != b.hashes[key])
    assert find_difference(a, a).is_empty
    back = find_difference(b, a)
    assert (back.only_a, back.only_b, back.is_empty) == (found.only_b, found.only_a, found.is_empty)


def test_content_of_different_kinds_is_not_compared():
    row = clip(KEYS[0])
    a = ClipSet("a", "store", {row.key: row}, {row.key: "1"}, FILE_HASH)
    b = ClipSet("b", "dataset", {row.key: row}, {row.key: "2"}, RECORD_DIGEST)
    assert find_difference(a, b).other_content is None
    assert find_difference(a, b).is_empty


def test_a_dataset_its_copy_and_its_manifest(prepared, tmp_path, capsys):
    folder = prepared["tfrecord"]
    same = diff(capsys, folder, folder / "manifest.parquet")
    assert same["both"] == 18
    assert (same["only_a"], same["only_b"], same["other_content"]) == ([], [], [])
    other = diff(capsys, folder, prepared["array_record"])
    assert other["other_content"] == []
    root = folder.parents[2]
    named = diff(capsys, f"kinetics600/{folder.parent.name}", folder, f"--data_dir={root}")
    assert named["both"] == 18


def test_lists_and_what_is_covered(tmp_path, capsys):
    old = [clip(video, split=Split.VALIDATION) for video in KEYS]
    new = [*old[1:4], clip(KEYS[4], "abseiling", Split.VALIDATION)]
    for name, rows in (("old", old), ("new", new)):
        (tmp_path / name).mkdir()
        write_list(tmp_path / name / "kinetics600_val.csv", rows)
    found = diff(capsys, tmp_path / "new", tmp_path / "old/kinetics600_val.csv")
    assert found["coverage"] == {"validation": {"both": 4, "b": 6}}
    assert found["only_b"] == [old[0].key, old[5].key]
    assert found["other_labels"] == [{"key": old[4].key, "a": "abseiling", "b": "archery"}]
    assert main(["diff", str(tmp_path / "new"), "kinetics600/val", f"--annotations={tmp_path / 'old'}"]) == 0
    out = capsys.readouterr().out
    assert "A has 66.7% of B's validation: 4 of 6" in out
    assert "only in B: 2" in out
    assert out.endswith("not the same clips\n")


def test_a_store_and_its_snapshot(prepared, tmp_path, capsys):
    clips = prepared["tfrecord"].parents[3] / "clips"
    snapshot = tmp_path / "mine.csv"
    assert main(["snapshot", "kinetics600", f"--store={clips}", f"--out={snapshot}"]) == 0
    capsys.readouterr()
    found = diff(capsys, clips, snapshot, "--kinetics_version=kinetics600")
    assert found["a"]["kind"] == "store"
    assert found["both"] == found["a"]["clips"] > 0
    assert found["other_content"] == []
    copy = tmp_path / "copy"
    shutil.copytree(clips, copy)
    media = sorted(copy.rglob("*.mp4"))
    media[0].write_bytes(media[1].read_bytes())
    found = diff(capsys, copy, snapshot, "--kinetics_version=kinetics600")
    assert len(found["other_content"]) == 1


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["nowhere", "nowhere"], "is no file, folder, dataset or version"),
        (["kinetics600/validation", "x"], "Add --annotations=FOLDER"),
        (["kinetics600/jpeg25", "x"], "No dataset kinetics600/jpeg25 is prepared"),
    ],
)
def test_what_is_no_set_of_clips(argv, message, tmp_path, capsys):
    assert main(["diff", *argv, f"--data_dir={tmp_path}"]) == 1
    assert message in capsys.readouterr().err


def test_lists_that_do_not_tell_their_version(tmp_path, capsys):
    write_list(tmp_path / "val.csv", [clip(KEYS[0], split=Split.VALIDATION)])
    assert main(["diff", str(tmp_path / "val.csv"), str(tmp_path / "val.csv")]) == 1
    assert "--kinetics_version=kinetics400|" in capsys.readouterr().err
