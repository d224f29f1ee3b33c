"""The embedded sample: real-format lists, whole clips, the same every time, and finished after a kill."""

from __future__ import annotations

import csv
import pathlib
import signal
import subprocess
import sys
import time
from collections import Counter

import av
import cv2
import numpy as np
import pytest

from kinetics_tfds.annotations.clip import Split
from kinetics_tfds.errors import KineticsError
from kinetics_tfds.sample import make_sample
from kinetics_tfds.sample.scene import CLASS_MOTIONS, MOTIONS, draw_frames

VERSIONS = ("kinetics400", "kinetics600", "kinetics700", "kinetics700_2020")


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    return make_sample(tmp_path_factory.mktemp("sample"), "kinetics600")


def _files(folder: pathlib.Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_it_has_all_splits_and_classes(sample):
    assert Counter(clip.split for clip in sample.clips) == {
        Split.TRAIN: 16,
        Split.VALIDATION: 8,
        Split.TEST: 2,
        Split.HOLDOUT_TEST: 2,
    }
    assert len(sample.class_names) == 8
    for split in (Split.TRAIN, Split.VALIDATION):
        assert {clip.label for clip in sample.clips if clip.split == split} == set(sample.class_names)
    assert all(clip.label is None for clip in sample.clips if clip.split in (Split.TEST, Split.HOLDOUT_TEST))


def test_the_lists_name_every_clip_and_some_that_are_missing(sample):
    listed = []
    for path in sample.annotation_files:
        with path.open(newline="") as file:
            listed += list(csv.DictReader(file))
    assert len(listed) == len(sample.clips) + len(sample.missing)
    assert sample.missing
    assert {row["youtube_id"] for row in listed} == {clip.youtube_id for clip in (*sample.clips, *sample.missing)}
    assert {row["split"] for row in listed} == {"train", "validate", "test", "holdout_test"}
    assert all(int(row["time_end"]) - int(row["time_start"]) == 10 for row in listed)
    ids = [row["youtube_id"] for row in listed]
    assert all(len(video_id) == 11 for video_id in ids)
    assert any(video_id.startswith("-") for video_id in ids)
    assert any("_" in video_id for video_id in ids)


def test_every_clip_plays_ten_seconds(sample):
    codecs = Counter()
    media = [path for path in sample.folder.rglob("*") if path.suffix in (".mp4", ".webm")]
    assert {path.stem for path in media} == {clip.id for clip in sample.clips}
    for path in media:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            codecs[stream.codec_context.name] += 1
            fps = stream.average_rate
            assert sum(packet.size > 0 for packet in container.demux(stream)) == 10 * fps
    assert codecs["h264"] >= 20
    assert codecs["vp9"] >= 3


@pytest.mark.parametrize("version", VERSIONS)
def test_its_classes_exist_in_the_version(shared_dir, version):
    names = (shared_dir / "annotations" / f"label_map_k{version[8:11]}.txt").read_text().splitlines()
    assert set(CLASS_MOTIONS) <= set(names)
    assert set(CLASS_MOTIONS.values()) == set(MOTIONS)


def test_only_kinetics_600_has_a_holdout_test_split(tmp_path):
    info = make_sample(tmp_path, "kinetics400", clips_per_class=2)
    assert {clip.split for clip in info.clips} == {Split.TRAIN, Split.VALIDATION, Split.TEST}


def test_complete_files_are_kept_and_missing_ones_made_again(sample, tmp_path):
    before = _files(sample.folder)
    times = {path: path.stat().st_mtime_ns for path in sample.folder.rglob("*")}
    assert make_sample(sample.folder, "kinetics600") == sample
    assert {path: path.stat().st_mtime_ns for path in sample.folder.rglob("*")} == times
    for path in [*sorted(sample.folder.rglob("*.mp4"))[::6], sample.annotation_files[1]]:
        path.unlink()
    make_sample(sample.folder, "kinetics600", workers=1)
    assert _files(sample.folder) == before


def test_a_killed_run_leaves_only_whole_files(sample, tmp_path):
    script = f"from kinetics_tfds.sample import make_sample; make_sample({str(tmp_path)!r}, 'kinetics600')"
    process = subprocess.Popen([sys.executable, "-c", script])
    deadline = time.monotonic() + 60
    while not list(tmp_path.rglob("*.mp4")) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    expected = _files(sample.folder)
    half = {name: data for name, data in _files(tmp_path).items() if not name.endswith(".partial")}
    assert half
    assert half.items() <= expected.items()
    make_sample(tmp_path, "kinetics600")
    assert _files(tmp_path) == expected


@pytest.mark.parametrize(
    ("arguments", "problem"), [(("kinetics500",), "kinetics500"), (("kinetics600", 1), "clips_per_class")]
)
def test_wrong_arguments_are_named(tmp_path, arguments, problem):
    with pytest.raises(KineticsError, match=problem):
        make_sample(tmp_path, *arguments)
    assert not list(tmp_path.iterdir())


def test_motions_move_as_their_names_say():
    """Dense optical flow of the drawn frames, shape by shape, against each motion's name."""
    signs = {}
    for motion in ("down", "up"):
        total = 0.0
        for seed in range(4):
            images = list(draw_frames(motion, np.random.default_rng(seed), 160, 120, 30, 30))
            grey = [cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in images]
            for first, second in zip(grey[::5], grey[1::5], strict=True):
                flow = cv2.calcOpticalFlowFarneback(first, second, None, 0.5, 3, 15, 3, 5, 1.2, 0)
                total += float(flow[..., 1].sum())
        signs[motion] = total
    assert signs["down"] > 0 > signs["up"]


def test_a_single_frame_does_not_tell_the_class():
    """The same seed draws the same background, shapes and places for every motion."""
    frames = {motion: next(draw_frames(motion, np.random.default_rng(7), 160, 120, 30, 1)) for motion in MOTIONS}
    reference = frames["down"].astype(int)
    for image in frames.values():
        # Only the moving shapes, less than a third of the picture, may differ.
        assert (np.abs(image - reference).max(axis=2) > 8).mean() < 0.34
