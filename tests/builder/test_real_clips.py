"""Real clips of several codecs, under several conventions, named after rows of the real Kinetics-600 lists."""

from __future__ import annotations

import collections
import csv
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tensorflow_datasets as tfds

from kinetics_tfds.annotations.versions import get_version
from kinetics_tfds.cli import main as cli
from kinetics_tfds.shards.manifest import read_manifest

# What `jpeg256` stores of each: frames at 25 a second of the first ten seconds, short side 256 or the source's.
EXPECTED = {
    "arm_wrestling.mp4": (250, 256, 427),  # 340x256 pixels that are not square
    "av1_video.mkv": (125, 256, 455),
    "flipping_a_pancake.mkv": (250, 240, 426),
    "h265_video.mp4": (25, 128, 128),
    "kinetics_style_340x256.mp4": (250, 256, 455),  # likewise
    "space_multistream.mp4": (250, 256, 455),  # the second video stream has more pixels: ffmpeg picks it too
    "testsrc2_vp9.webm": (25, 256, 455),
}

# Folders as the ActivityNet crawler, CVDF, torchvision, mmaction2, OpenDataLab, the torrents and FiftyOne leave them.
LAYOUTS = (
    "{label}/{name}",
    "val/{name}",
    "val/{folded}/{name}",
    "videos_val/{underscored}/{name}",
    "videos/vol_03/{name}",
    "val_256/{label}/{name}",
    "a/mirror/validation/{label}/{name}",
)


def _rows(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _place(row, source, root, layout):
    label = row.get("label", "")
    name = f"{row['youtube_id']}_{int(row['time_start']):06d}_{int(row['time_end']):06d}"
    underscored = label.replace(" ", "_")
    folded = "".join(letter for letter in underscored if letter not in "'()")
    path = root / layout.format(
        label=label, underscored=underscored, folded=folded, name=name + source.suffix, split="test"
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, path)
    return name


@pytest.fixture(scope="module")
def laid_out(shared_dir, tmp_path_factory):
    """Returns the folder of clips and, by split, source file and row of each clip id."""
    root = tmp_path_factory.mktemp("clips")
    placed: dict[str, dict] = {"validation": {}, "test": {}}
    for file_name, split in (("kinetics-600_val.csv", "validation"), ("kinetics-600_test.csv", "test")):
        (root / "lists").mkdir(exist_ok=True)
        shutil.copyfile(shared_dir / "annotations" / file_name, root / "lists" / file_name)
        rows = _rows(root / "lists" / file_name)
        for number, source in enumerate(sorted((shared_dir / "media").iterdir())):
            row = rows[number * 97]
            layout = LAYOUTS[number % len(LAYOUTS)] if split == "validation" else "test/{name}"
            placed[split][_place(row, source, root, layout)] = (source.name, row)
    shutil.copyfile(next((shared_dir / "media").glob("*.mp4")), root / "holiday.mp4")
    return root, placed


@pytest.fixture(scope="module")
def prepared(laid_out, tmp_path_factory):
    """Returns the data_dir and what the `tfds` program printed."""
    data_dir = tmp_path_factory.mktemp("data")
    tfds_program = pathlib.Path(sys.executable).with_name("tfds")
    done = subprocess.run(
        [
            tfds_program,
            *["build", "kinetics600", "--imports=kinetics_tfds"],
            "--manual_dir",
            laid_out[0],
            "--data_dir",
            data_dir,
        ],
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return data_dir, done.stdout + done.stderr


def test_every_clip_has_its_row_its_label_and_its_frames(laid_out, prepared):
    builder = tfds.builder_from_directory(prepared[0] / "kinetics600" / "jpeg256" / "1.0.0")
    classes = get_version("kinetics600").class_names
    for split, placed in laid_out[1].items():
        examples = {one["id"].decode(): one for one in tfds.as_numpy(builder.as_dataset(split=split))}
        assert set(examples) == set(placed)
        for name, (source, row) in placed.items():
            example = examples[name]
            assert example["label"] == (classes.index(row["label"]) if "label" in row else -1)
            assert (example["time_start"], example["time_end"]) == (float(row["time_start"]), float(row["time_end"]))
            assert example["video"].shape == (*EXPECTED[source], 3), source
            np.testing.assert_allclose(example["timestamps"], np.arange(EXPECTED[source][0]) / 25, atol=1e-4)


def test_all_other_rows_are_missing(laid_out, prepared):
    manifest = read_manifest(prepared[0] / "kinetics600" / "jpeg256" / "1.0.0").to_pylist()
    states = collections.Counter((row["split"], row["state"]) for row in manifest)
    clips = len(EXPECTED)
    assert states == {
        ("validation", "written"): clips,
        ("validation", "missing"): 30_000 - clips,
        ("test", "written"): clips,
        ("test", "missing"): 72_924 - clips,
    }
    assert "102,924" in prepared[1]  # the table at the end


def test_it_verifies(prepared, capsys):
    assert cli.main(["verify", "kinetics600/jpeg256", f"--data_dir={prepared[0]}"]) == 0
    assert capsys.readouterr().out


def test_slices_and_frames_are_what_ffmpeg_shows(laid_out, prepared, shared_dir):
    """One clip against the ffmpeg program: the frames at 25 a second, within what JPEG loses."""
    ffmpeg = shutil.which("ffmpeg")
    if ffmpeg is None:
        pytest.skip("the ffmpeg program is not installed")
    source = shared_dir / "media" / "flipping_a_pancake.mkv"
    name = next(name for name, (file, _) in laid_out[1]["validation"].items() if file == source.name)
    raw = subprocess.run(
        [
            ffmpeg,
            *["-v", "error", "-i"],
            source,
            *["-t", "2", "-fps_mode", "passthrough", "-pix_fmt", "rgb24", "-f", "rawvideo", "-"],
        ],
        capture_output=True,
        check=True,
    ).stdout
    shown = np.frombuffer(raw, np.uint8).reshape(-1, 240, 426, 3)
    dataset = tfds.load("kinetics600/jpeg256", split="validation", data_dir=prepared[0])
    example = next(one for one in tfds.as_numpy(dataset) if one["id"].decode() == name)
    for index in range(0, 40, 3):
        nearest = round(index / 25 * 30)  # the source has 30 frames a second
        error = np.mean((example["video"][index].astype(float) - shown[nearest]) ** 2)
        assert 10 * np.log10(255**2 / error) > 30, index
    assert len(list(tfds.load("kinetics600/jpeg256", split="test[:50%]", data_dir=prepared[0]))) in (3, 4)
