"""The real lists of Kinetics-600, row for row."""

from __future__ import annotations

import collections
import csv

import pytest

from kinetics_tfds.annotations.annotation_set import AnnotationSet
from kinetics_tfds.annotations.clip import Clip, Split
from kinetics_tfds.annotations.exclude import excluded_videos
from kinetics_tfds.annotations.overlap import find_overlap, parse_clip_set
from kinetics_tfds.annotations.read import read_annotations
from kinetics_tfds.errors import AnnotationError


@pytest.fixture(scope="module")
def lists(shared_dir):
    return sorted((shared_dir / "annotations").glob("*.csv"))


@pytest.fixture(scope="module")
def kinetics600(lists) -> AnnotationSet:
    return read_annotations("kinetics600", lists)


def test_every_row_is_a_clip(kinetics600, lists):
    rows = []
    for path in lists:
        with path.open(newline="") as file:
            rows += list(csv.DictReader(file))
    words = {"val": Split.VALIDATION, "test": Split.TEST}
    assert list(kinetics600.clips) == [
        Clip(words[r["split"]], r["youtube_id"], float(r["time_start"]), float(r["time_end"]), r.get("label"))
        for r in rows
    ]
    assert kinetics600.split_counts() == {Split.VALIDATION: 30_000, Split.TEST: 72_924}
    assert kinetics600.warnings == ()


def test_all_classes_and_durations(kinetics600):
    validation = kinetics600.of_split(Split.VALIDATION)
    assert {clip.label for clip in validation} == set(kinetics600.version.class_names)
    assert {clip.label for clip in kinetics600.of_split(Split.TEST)} == {None}
    # No row of either list is of another length; one of zero seconds would be left out as bad_times.
    assert {clip.duration for clip in kinetics600.clips} == {10.0}


def test_six_videos_have_two_clips_of_two_classes(kinetics600):
    by_video = collections.defaultdict(list)
    for clip in kinetics600.of_split(Split.VALIDATION):
        by_video[clip.youtube_id].append(clip)
    doubled = {video: clips for video, clips in by_video.items() if len(clips) > 1}
    assert len(doubled) == 6
    assert all(len({clip.label for clip in clips}) == 2 for clips in doubled.values())
    assert {clip.label for clip in doubled["SN5awGHfw9M"]} == {"kicking soccer ball", "passing soccer ball"}


def test_validation_and_test_share_28_videos_and_no_clip(kinetics600):
    a, b = parse_clip_set("kinetics600/val"), parse_clip_set("kinetics600/test")
    overlap = find_overlap(a, a.choose(kinetics600), b, b.choose(kinetics600))
    assert len(overlap.shared_videos) == 28
    assert len(overlap.same_clips) == 0
    assert len(overlap.same_footage) == 12
    assert overlap.relabelled == ()


def test_a_build_of_test_without_the_videos_of_validation(kinetics600, lists):
    videos = excluded_videos(["kinetics600/validation"], lists)
    assert len(videos) == 29_994
    assert sum(clip.youtube_id in videos for clip in kinetics600.of_split(Split.TEST)) == 28


@pytest.mark.parametrize("version", ["kinetics400", "kinetics700", "kinetics700_2020"])
def test_the_lists_are_not_taken_for_another_version(lists, tmp_path, version):
    with pytest.raises(AnnotationError, match="of kinetics600, not read"):
        read_annotations(version, lists)
    unnamed = tmp_path / "val.csv"
    unnamed.write_bytes(lists[1].read_bytes())
    with pytest.raises(AnnotationError, match=f"is a list of kinetics600, not of {version}"):
        read_annotations(version, [unnamed])
