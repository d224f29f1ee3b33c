"""Reading names: every layout people keep, rendered from known clips and read back."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinetics_tfds.annotations.clip import Split
from kinetics_tfds.clips.layouts import read_name, read_split

ID_LETTERS = string.ascii_letters + string.digits + "_-"
ids = st.text(ID_LETTERS, min_size=11, max_size=11)
labels = st.sampled_from(
    [
        "abseiling",
        "playing American football (in game)",
        "massaging person's head",
        "training dog",
        "tying knot (not on a tie)",
    ]
)
suffixes = st.sampled_from([".mp4", ".mkv", ".webm", ".avi", ".mov", ".MP4", ".WebM", ".mp4.mkv", ".mp4.webm"])

SPLIT_FOLDERS = {
    Split.TRAIN: ["train", "videos_train", "train_256", "k700_train_012", "Train", "training", "train_videos"],
    Split.VALIDATION: ["val", "validate", "validation", "videos_val", "val_256", "k600_val", "VALIDATE"],
    Split.TEST: ["test", "videos_test", "test_256", "k400_test_007"],
    Split.HOLDOUT_TEST: ["holdout", "holdout_test", "videos_holdout_test", "kinetics600_holdout_test"],
}


def underscored(label: str) -> str:
    return label.replace(" ", "_")


def torchvision(label: str) -> str:
    return underscored(label).translate(str.maketrans("", "", "'()"))


split_folders = st.sampled_from([(split, name) for split, names in SPLIT_FOLDERS.items() for name in names])


@st.composite
def renderings(draw):
    """A clip's path under some layout, and what it must be read back as."""
    youtube_id = draw(ids)
    start = draw(st.integers(0, 99999))
    end = start + draw(st.integers(1, 600))
    kind = draw(st.sampled_from(["padded", "plain", "wide", "float", "bare"]))
    name = {
        "padded": f"{youtube_id}_{start:06d}_{end:06d}",
        "plain": f"{youtube_id}_{start}_{end}",
        "wide": f"{youtube_id}_{start:010d}_{end:08d}",
        "float": f"{youtube_id}_{float(start)}_{end + 0.5}",
        "bare": youtube_id,
    }[kind]
    times = {"float": (start, end + 0.5), "bare": (None, None)}.get(kind, (start, end))
    split, split_folder = draw(split_folders)
    label = draw(labels)
    written = draw(st.sampled_from([str, underscored, torchvision, str.lower]))(label)
    layout = draw(
        st.sampled_from(
            [
                "{l}/{n}",
                "{s}/{n}",
                "{s}/{l}/{n}",
                "videos/vol_07/{n}",
                "{n}",
                "a/b/{s}/c/{l}/{l}/{n}",
                "{s}/_unlabeled/{n}",
            ]
        )
    )
    path = layout.format(l=written, s=split_folder, n=name) + draw(suffixes)
    return path, youtube_id, times, split if "{s}" in layout else None, written if "{l}" in layout else None


@given(renderings())
def test_any_clip_under_any_layout_is_read_back(rendered):
    path, youtube_id, times, split, label = rendered
    name = read_name(path)
    assert name is not None
    assert name.youtube_id == youtube_id
    assert (name.time_start, name.time_end) == times
    assert name.split is split
    assert label is None or label in name.folders


@pytest.mark.parametrize(
    "path",
    [
        "holiday.mp4",
        "train/abcdefghijkl.mp4",  # twelve characters
        "abcdefghij.mp4",  # ten
        "abcdefghijk_10.mp4",  # one time
        "abcdefghijk_20_10.mp4",  # reversed
        "abcdefghijk_10_10.mp4",  # empty
        "abcdefghijk_-10_20.mp4",
        "abcdefghijk_1e3_2e3.mp4",
        "abcdefghijk_nan_inf.mp4",
        "abcdefghijk_10_20.txt",
        "abcdefghijk.f137.mp4",  # a stream before it was merged
        "abcdefg hij_10_20.mp4",
        "abcdefghij\u00e9_10_20.mp4",
        "abcdefghijk_\u0661\u0662_\u0663\u0664.mp4",  # digits, but not ASCII ones
        ".mp4",
        "",
    ],
)
def test_other_names_are_not_clips(path):
    assert read_name(path) is None


@given(st.text())
def test_no_name_breaks_the_reader(path):
    read_name(path)


@pytest.mark.parametrize(
    ("path", "split"),
    [
        ("train/x/abcdefghijk.mp4", Split.TRAIN),
        ("train/val/abcdefghijk.mp4", Split.VALIDATION),  # the nearest
        ("holdout/test/abcdefghijk.mp4", Split.HOLDOUT_TEST),
        ("test/holdout/abcdefghijk.mp4", Split.HOLDOUT_TEST),
        ("training_dog/abcdefghijk.mp4", None),
        ("latest/abcdefghijk.mp4", None),
        ("constrain/abcdefghijk.mp4", None),
    ],
)
def test_split_of_nested_folders(path, split):
    name = read_name(path)
    assert name is not None
    assert name.split is split


@pytest.mark.parametrize("version", ["k400", "k600", "k700"])
def test_no_class_is_taken_for_a_split(shared_dir, version):
    names = (shared_dir / "annotations" / f"label_map_{version}.txt").read_text().splitlines()
    for name in names:
        for written in (name, underscored(name), torchvision(name)):
            assert read_split(written) is None, name
