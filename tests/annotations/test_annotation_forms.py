"""Any rows, written in any form and packed in any way, are read as the same clips."""

from __future__ import annotations

import tempfile
from pathlib import Path

import annotation_forms as forms
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinetics_tfds.annotations.clip import Clip, Split
from kinetics_tfds.annotations.read import read_annotations
from kinetics_tfds.annotations.versions import VERSIONS, get_version

_FILE_WORDS = {
    Split.TRAIN: "train",
    Split.VALIDATION: "validate",
    Split.TEST: "test",
    Split.HOLDOUT_TEST: "kinetics600_holdout_test",
}

_ids = st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_", min_size=11, max_size=11)
_starts = st.one_of(st.integers(0, 30_000).map(float), st.integers(0, 10**7).map(lambda ms: ms / 1000))


@st.composite
def clip_lists(draw):
    """Clips of one split; each video once, as a JSON list can hold no more."""
    version = get_version(draw(st.sampled_from(sorted(VERSIONS))))
    split = draw(st.sampled_from(version.splits))
    labelled = st.sampled_from(version.class_names)
    labels = draw(st.sampled_from([labelled, st.none() | labelled, st.none()]))
    rows = draw(
        st.lists(
            st.tuples(_ids, _starts, st.integers(1, 10), labels),
            min_size=1,
            max_size=30,
            unique_by=lambda row: row[0],
        )
    )
    return version, [Clip(split, video, start, start + length, label) for video, start, length, label in rows]


@pytest.mark.parametrize("form", forms.FORMS)
@given(data=clip_lists(), pack=st.sampled_from(forms.PACKINGS))
@settings(max_examples=40, deadline=None)
def test_any_clips_in_any_form_are_read_back(form, data, pack):
    version, clips = data
    write, suffix = forms.FORMS[form]
    with tempfile.TemporaryDirectory() as folder:
        files = pack(Path(folder), {_FILE_WORDS[clips[0].split] + suffix: write(clips)})
        found = read_annotations(version, files)
    assert list(found.clips) == clips
    assert found.warnings == ()
    assert [source.rows for source in found.sources] == [len(clips)]


@given(data=clip_lists())
@settings(max_examples=20, deadline=None)
def test_the_same_rows_in_several_forms_count_once(data):
    version, clips = data
    word = _FILE_WORDS[clips[0].split]
    with tempfile.TemporaryDirectory() as folder:
        files = forms.pack_plain(
            Path(folder),
            {
                f"{word}.csv": forms.official(clips),
                f"{word}.json": forms.json_by_id(clips),
                f"{word}.txt": forms.spaces(clips),
            },
        )
        found = read_annotations(version, files)
        again = read_annotations(version, files[::-1])
    assert list(found.clips) == clips
    assert found.warnings == ()
    assert [(source.clips, source.repeated) for source in found.sources] == [(len(clips), 0)] + [(0, len(clips))] * 2
    assert again == found


@pytest.mark.parametrize("split", Split)
@pytest.mark.parametrize("form", ["official", "tabs", "spaces", "json_by_id"])
def test_one_file_may_hold_several_splits(tmp_path, form, split):
    clips = [Clip(one, f"abcdefgh_{i:02d}", 1.0, 11.0, "yoga") for i, one in enumerate(Split)]
    write, suffix = forms.FORMS[form]
    (path,) = forms.pack_plain(tmp_path, {f"kinetics600{suffix}": write(clips)})
    assert [clip.split for clip in read_annotations("kinetics600", [path]).clips] == list(Split)
    assert read_annotations("kinetics600", [path]).of_split(split) == (clips[list(Split).index(split)],)


def test_a_long_file_keeps_its_columns_beyond_what_was_looked_at(tmp_path):
    clips = [Clip(Split.TRAIN, f"{i:011d}", float(i), float(i + 10), "zumba") for i in range(9_000)]
    for form in ("official", "bare", "spaces", "json_by_id"):
        write, suffix = forms.FORMS[form]
        (path,) = forms.pack_plain(tmp_path, {f"train{suffix}": write(clips)})
        assert list(read_annotations("kinetics400", [path]).clips) == clips


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends_of_every_system(tmp_path, end):
    text = "label,youtube_id,time_start,time_end,split\nyoga,abcdefghijk,1,11,train\n\nzumba,abcdefghijl,2,12,train"
    path = tmp_path / "train.csv"
    path.write_bytes(text.replace("\n", end).encode())
    assert [clip.label for clip in read_annotations("kinetics600", [path]).clips] == ["yoga", "zumba"]


def test_the_holdout_list_may_call_its_rows_test(tmp_path):
    path = tmp_path / "kinetics600_holdout_test.csv"
    path.write_text("youtube_id,time_start,time_end,split\nabcdefghijk,1,11,test\n")
    assert read_annotations("kinetics600", [path]).clips[0].split is Split.HOLDOUT_TEST
