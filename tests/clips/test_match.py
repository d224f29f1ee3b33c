"""Matching rows to files: each rule, each report, and half a million of them."""

from __future__ import annotations

import random
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinetics_tfds.annotations.clip import Clip, Split
from kinetics_tfds.annotations.versions import get_version
from kinetics_tfds.clips.listing import Listing, list_folder
from kinetics_tfds.clips.match import RULES, Ambiguity, LabelConflict, match_clips
from kinetics_tfds.clips.media import MediaFile, Span

K600 = get_version("kinetics600")
ID = "_b-defg_12-"
A = Clip(Split.VALIDATION, ID, 7, 17, "arm wrestling")
B = Clip(Split.VALIDATION, ID, 30, 40, "archery")  # another clip of the same video
IN_TEST = Clip(Split.TEST, ID, 30, 40)
OTHER = Clip(Split.TRAIN, "otherother1", 0, 10, "abseiling")


def match(clips, *paths):
    return match_clips(clips, Listing("root", tuple(sorted(paths)), ()), K600)


def path_of(matches, clip):
    return matches.found[clip].path


def test_exact_times_match_and_others_do_not():
    matches = match(
        [A, B, OTHER], f"x/{ID}_000007_000017.mp4", f"x/{ID}_000100_000110.mp4", "x/strangerABC_000001_000002.mp4"
    )
    assert matches.found == {A: MediaFile(f"x/{ID}_000007_000017.mp4", Span.TRIMMED)}
    assert matches.missing == (B, OTHER)
    assert matches.unclaimed == (f"x/{ID}_000100_000110.mp4", "x/strangerABC_000001_000002.mp4")
    assert matches.ambiguous == ()


@pytest.mark.parametrize("name", ["7_17", "07_0017", "7.0_17.0", "0000000007_17"])
def test_padding_does_not_matter(name):
    assert path_of(match([A], f"{ID}_{name}.webm"), A) == f"{ID}_{name}.webm"


@pytest.mark.parametrize("name", ["8_18", "7_18", "7.5_17.5", "000007_000016"])
def test_other_times_are_another_clip(name):
    matches = match([A], f"{ID}_{name}.mp4")
    assert matches.missing == (A,)
    assert matches.unclaimed == (f"{ID}_{name}.mp4",)


@pytest.mark.parametrize(
    ("start", "end", "name"),
    [
        (7.25, 17.25, "000007_000017"),
        (7.75, 17.75, "000008_000018"),
        (7.75, 17.75, "7_17"),
        (7.75, 17.75, "7.75_17.75"),
    ],
)
def test_rows_with_fractions_match_their_seconds(start, end, name):
    clip = Clip(Split.TRAIN, ID, start, end, "archery")
    assert path_of(match([clip], f"{ID}_{name}.mp4"), clip) == f"{ID}_{name}.mp4"


def test_id_alone_is_of_unknown_span():
    assert match([A], f"videos_val/{ID}.mp4").found == {A: MediaFile(f"videos_val/{ID}.mp4", Span.UNKNOWN)}


def test_two_clips_share_a_whole_video():
    matches = match([A, B], f"{ID}.mp4")
    assert matches.found == {A: MediaFile(f"{ID}.mp4", Span.WHOLE), B: MediaFile(f"{ID}.mp4", Span.WHOLE)}


def test_one_clip_in_two_splits_shares_a_file():
    twin = Clip(Split.VALIDATION, ID, 30, 40, "archery")
    matches = match([twin, IN_TEST], f"{ID}.mp4")
    assert {file.span for file in matches.found.values()} == {Span.UNKNOWN}  # the same times: trimmed serves both
    matches = match([twin, IN_TEST], f"test/{ID}_30_40.mp4", f"val/{ID}_30_40.mp4")
    assert path_of(matches, twin) == f"val/{ID}_30_40.mp4"
    assert path_of(matches, IN_TEST) == f"test/{ID}_30_40.mp4"


def test_a_trimmed_file_leaves_the_whole_one_to_the_other_clip():
    matches = match([A, B], f"{ID}.mp4", f"{ID}_7_17.mp4")
    assert matches.found == {A: MediaFile(f"{ID}_7_17.mp4", Span.TRIMMED), B: MediaFile(f"{ID}.mp4", Span.UNKNOWN)}


def test_class_folder_tells_two_clips_of_a_video_apart():
    matches = match([A, B], f"val/archery/{ID}.mp4", f"val/arm_wrestling/{ID}.mp4")
    assert path_of(matches, A) == f"val/arm_wrestling/{ID}.mp4"
    assert path_of(matches, B) == f"val/archery/{ID}.mp4"
    assert matches.ambiguous == ()
    matches = match([A, B], f"val/archery/{ID}.mp4")
    assert matches.missing == (A,)  # that file may be trimmed, and then it is not this clip


def test_split_folder_tells_two_clips_of_a_video_apart():
    matches = match([A, IN_TEST], f"videos_test/{ID}.mp4")
    assert list(matches.found) == [IN_TEST]
    assert matches.missing == (A,)
    matches = match([A], f"videos_test/{ID}.mp4")  # no row of that split: the lists moved it
    assert path_of(matches, A) == f"videos_test/{ID}.mp4"


@pytest.mark.parametrize(
    ("better", "worse", "rule"),
    [
        (f"test/{ID}_7_17.avi", f"val/arm_wrestling/{ID}.mp4", 0),
        (f"val/z/{ID}_7_17.avi", f"a/{ID}_7_17.mp4", 1),
        (f"a/{ID}_7_17.avi", f"train/{ID}_7_17.mp4", 1),
        (f"val/arm wrestling/{ID}_7_17.avi", f"val/{ID}_7_17.mp4", 2),
        (f"val/{ID}_7_17.avi", f"val/archery/{ID}_7_17.mp4", 2),
        (f"val/{ID}_7_17.mp4", f"val/{ID}_7_17.mkv", 3),
        (f"val/{ID}_7_17.mov", f"val/{ID}_7_17.avi", 3),
        (f"val/a/{ID}_7_17.mp4", f"val/b/{ID}_7_17.mp4", 4),
        (f"val/{ID}_0007_17.mp4", f"val/{ID}_7_17.mp4", 4),
    ],
)
def test_rules_in_order(better, worse, rule):
    for paths in ((better, worse), (worse, better)):
        matches = match([A], *paths)
        assert path_of(matches, A) == better
        assert matches.ambiguous == (Ambiguity(A, better, (worse,), RULES[rule]),)
        assert matches.unclaimed == ()


def test_class_folder_that_disagrees_is_reported():
    matches = match([A], f"val/Archery/{ID}_7_17.mp4")
    assert path_of(matches, A) == f"val/Archery/{ID}_7_17.mp4"
    assert matches.label_conflicts == (LabelConflict(A, f"val/Archery/{ID}_7_17.mp4", "archery"),)
    assert not match([A], f"val/my archive/{ID}_7_17.mp4").label_conflicts
    assert not match([IN_TEST], f"archery/{ID}_30_40.mp4").label_conflicts  # a row without a label cannot disagree


def test_class_folders_as_people_write_them():
    label = "passing American football (in game)"
    assert label in K600.class_names
    clip = Clip(Split.TRAIN, ID, 0, 10, label)
    plain = f"other/{ID}_0_10.mp4"
    for folder in (label, label.replace(" ", "_"), "passing_American_football_in_game", label.lower()):
        assert path_of(match([clip], plain, f"zz/{folder}/{ID}_0_10.mp4"), clip) == f"zz/{folder}/{ID}_0_10.mp4"


@given(st.permutations(range(6)), st.permutations(range(3)))
def test_order_does_not_matter(file_order, clip_order):
    paths = [
        f"{ID}.mp4",
        f"val/{ID}_7_17.mkv",
        f"val/{ID}_7_17.mp4",
        f"test/{ID}.webm",
        "otherother1.avi",
        "stranger.mp4",
    ]
    clips = [A, B, OTHER]
    usual = match_clips(clips, Listing("r", tuple(sorted(paths)), ()), K600)
    shuffled = match_clips([clips[i] for i in clip_order], Listing("r", tuple(paths[i] for i in file_order), ()), K600)
    assert shuffled.found == usual.found
    assert shuffled.ambiguous == usual.ambiguous
    assert shuffled.unclaimed == usual.unclaimed


def test_every_row_and_file_is_accounted_for(shared_dir):
    """The real K600 lists, half of whose clips lie in mixed layouts."""
    from kinetics_tfds.annotations.read import read_annotations

    lists = [shared_dir / "annotations" / name for name in ("kinetics-600_val.csv", "kinetics-600_test.csv")]
    clips = read_annotations(K600, lists).clips
    rng = random.Random(0)
    made = {}
    for clip in clips[::2]:
        folder = (
            "test" if clip.label is None else rng.choice(["videos_val", "val_256"]) + "/" + clip.label.replace(" ", "_")
        )
        made[clip] = f"{folder}/{clip.id}.{rng.choice(['mp4', 'mkv', 'webm'])}"
    listing = Listing("root", tuple(sorted({*made.values(), "strangers.mp4"})), ())
    matches = match_clips(clips, listing, K600)
    assert {clip: file.path for clip, file in matches.found.items() if clip in made} == made
    assert len(matches.found) + len(matches.missing) == len(clips)
    assert matches.unclaimed == ("strangers.mp4",)
    assert not matches.label_conflicts
    extra = set(matches.found) - set(made)
    assert all(any(file == matches.found[clip].path for file in made.values()) for clip in extra)


HALF_A_MILLION = """
import random, resource
from kinetics_tfds.annotations.clip import Clip, Split
from kinetics_tfds.annotations.versions import get_version
from kinetics_tfds.clips.listing import Listing
from kinetics_tfds.clips.match import match_clips

rng = random.Random(0)
version = get_version("kinetics600")
letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"
clips = [
    Clip(Split.TRAIN, "".join(rng.choices(letters, k=11)), start, start + 10, rng.choice(version.class_names))
    for start in rng.choices(range(600), k=500_000)
]
listing = Listing("root", tuple(sorted(f"train/{clip.label}/{clip.id}.mp4" for clip in clips)), ())
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
matches = match_clips(clips, listing, version)
assert len(matches.found) == len(clips)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.slow
def test_half_a_million_files_fit_in_memory():
    """In a process of its own, whose peak memory is then the matching's: about 10 s and 250 MB on one core."""
    done = subprocess.run(
        [sys.executable, "-c", HALF_A_MILLION], capture_output=True, text=True, check=True, timeout=200
    )
    assert float(done.stdout) < 450_000  # kilobytes


def test_ten_thousand_real_files(tmp_path):
    clips = [Clip(Split.TRAIN, f"id_{number:08d}", 0, 10, K600.class_names[number % 600]) for number in range(10_000)]
    for clip in clips:
        folder = tmp_path / "train" / f"{clip.label}".replace(" ", "_")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{clip.id}.mp4").touch()
    matches = match_clips(clips, list_folder(tmp_path), K600)
    assert len(matches.found) == 10_000
