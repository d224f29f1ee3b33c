"""Makes the embedded sample: clips in layouts people use, and annotation files in the official form.

A build of the sample starts from these files and runs exactly the code that real clips run through.
"""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import io
import os
import pathlib
import string
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from kinetics_tfds.annotations.clip import Clip, Split
from kinetics_tfds.annotations.versions import KineticsVersion, get_version
from kinetics_tfds.errors import ConfigError
from kinetics_tfds.file_systems import is_local
from kinetics_tfds.sample.render import write_video
from kinetics_tfds.sample.scene import CLASS_MOTIONS, draw_frames

# Part of every seed: raise it when the pictures change, and old files stop matching the rows.
_REVISION = 1
_SECONDS = 10
_UNLABELLED_CLIPS = 2  # of test, and of holdout test
_ID_CHARACTERS = string.ascii_letters + string.digits + "-_"
_SIZES = ((160, 120), (214, 120), (240, 180), (320, 240))

# What the official files are called, and the word for the split in their rows.
_FILES: dict[Split, tuple[str, str]] = {
    Split.TRAIN: ("train.csv", "train"),
    Split.VALIDATION: ("validate.csv", "validate"),
    Split.TEST: ("test.csv", "test"),
    Split.HOLDOUT_TEST: ("kinetics600_holdout_test.csv", "holdout_test"),
}


@dataclasses.dataclass(frozen=True)
class SampleInfo:
    """What `make_sample` left on disk.

    Attributes:
        folder: the folder to give as `manual_dir`.
        version: the version whose rows and class names it uses.
        annotation_files: the CSV files beneath `folder`.
        class_names: the classes its clips are of, sorted.
        clips: the clips whose files exist.
        missing: the rows that have no file, on purpose.
    """

    folder: pathlib.Path
    version: str
    annotation_files: tuple[pathlib.Path, ...]
    class_names: tuple[str, ...]
    clips: tuple[Clip, ...]
    missing: tuple[Clip, ...]


@dataclasses.dataclass(frozen=True)
class _Planned:
    clip: Clip
    motion: str
    path: pathlib.Path
    seed: int


def make_sample(
    folder: str | os.PathLike[str], version_name: str, clips_per_class: int = 3, workers: int | None = None
) -> SampleInfo:
    """Makes the sample, or what is missing of it; complete files are kept as they are.

    The same arguments give the same files, byte for byte with the same PyAV build. A quarter of a class's clips (at
    least one) are of the validation split, the others of the train split; two clips of the test split, and for
    Kinetics-600 two of the holdout test split, have no label.

    Args:
        folder: where `annotations/`, `train/`, `val/`, … go; made when missing.
        version_name: `kinetics400`, `kinetics600`, `kinetics700` or `kinetics700_2020`.
        clips_per_class: labelled clips of each of the 8 classes, 2 or more. A larger sample holds other clips than
            a smaller one: give each its own folder.
        workers: clips encoded at a time; by default one a core.

    Returns:
        What is there now.

    Raises:
        AnnotationError: an unknown version.
        ConfigError: too few clips per class, or a folder that is not local.
    """
    version = get_version(version_name)
    if not is_local(folder):
        raise ConfigError(
            f"The sample's clips are made on a local disk, and {os.fspath(folder)} is not one.",
            "Add --download_dir=FOLDER with a local folder.",
        )
    if clips_per_class < 2:
        raise ConfigError(f"clips_per_class is {clips_per_class}.", "Use 2 or more: one to train on, one to validate.")
    folder = pathlib.Path(folder)
    planned, missing = _plan(folder, version, clips_per_class)
    for parent in {item.path.parent for item in planned}:
        parent.mkdir(parents=True, exist_ok=True)
        _sweep(parent)
    annotation_files = _write_annotations(folder, version_name, [item.clip for item in planned] + missing)
    # Threads are enough: drawing and encoding release Python's lock.
    with ThreadPoolExecutor(workers or os.cpu_count()) as pool:
        list(pool.map(_render, [item for item in planned if not item.path.exists()]))
    return SampleInfo(
        folder=folder,
        version=version_name,
        annotation_files=tuple(annotation_files),
        class_names=tuple(sorted(CLASS_MOTIONS)),
        clips=tuple(item.clip for item in planned),
        missing=tuple(missing),
    )


def _plan(folder: pathlib.Path, version: KineticsVersion, clips_per_class: int) -> tuple[list[_Planned], list[Clip]]:
    rng = np.random.default_rng(_seed(version.name, clips_per_class))
    validation = max(1, clips_per_class // 4)
    wanted: list[tuple[Split, str]] = []
    for index in range(clips_per_class):
        split = Split.VALIDATION if index >= clips_per_class - validation else Split.TRAIN
        wanted += [(split, label) for label in CLASS_MOTIONS]
    for split in version.splits[2:]:  # the test splits, which the official lists give no labels
        wanted += [(split, label) for label in list(CLASS_MOTIONS)[:_UNLABELLED_CLIPS]]
    planned = []
    for number, (split, label) in enumerate(wanted):
        clip = _clip(rng, number, split, label)
        # Every seventh clip is VP9 in WebM.
        path = folder / _place(clip) / f"{clip.id}{'.webm' if number % 7 == 3 else '.mp4'}"
        planned.append(_Planned(clip, CLASS_MOTIONS[label], path, _seed(clip.id)))
    # Videos vanish from YouTube: rows without a file are what every user has.
    missing = [_clip(rng, 1000, Split.TRAIN, "abseiling"), _clip(rng, 1001, Split.TEST, "yawning")]
    return planned, missing


def _clip(rng: np.random.Generator, number: int, split: Split, label: str) -> Clip:
    youtube_id = "".join(_ID_CHARACTERS[index] for index in rng.integers(len(_ID_CHARACTERS), size=11))
    # Ids that broke other tools: a leading dash, and underscores where file names have theirs.
    if number % 8 == 1:
        youtube_id = "-" + youtube_id[1:]
    elif number % 8 == 2:
        youtube_id = youtube_id[:4] + "_" + youtube_id[5:10] + "_"
    start = int(rng.integers(0, 300))
    listed = label if split in (Split.TRAIN, Split.VALIDATION) else None
    return Clip(split, youtube_id, start, start + _SECONDS, listed)


def _place(clip: Clip) -> str:
    """Two layouts, mixed: train clips lie in a folder of their class, all others directly in that of their split."""
    if clip.split == Split.TRAIN:
        return f"train/{clip.label}"
    return "val" if clip.split == Split.VALIDATION else str(clip.split)


def _write_annotations(folder: pathlib.Path, version_name: str, clips: list[Clip]) -> list[pathlib.Path]:
    target = folder / "annotations" / version_name
    target.mkdir(parents=True, exist_ok=True)
    paths = []
    for split, (file_name, word) in _FILES.items():
        rows = [clip for clip in clips if clip.split == split]
        if not rows:
            continue
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        labels = rows[0].label is not None
        writer.writerow(["label"] * labels + ["youtube_id", "time_start", "time_end", "split"])
        for clip in sorted(rows, key=lambda clip: (clip.label or "", clip)):
            times = [clip.youtube_id, int(clip.time_start), int(clip.time_end), word]
            writer.writerow([clip.label, *times] if labels else times)
        paths.append(target / file_name)
        _write_text(paths[-1], text.getvalue())
    return paths


def _write_text(path: pathlib.Path, text: str) -> None:
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    partial.write_text(text, encoding="utf-8")
    os.replace(partial, path)


def _sweep(folder: pathlib.Path) -> None:
    """Removes what killed runs left half written; the files of a run that is still going stay."""
    for partial in folder.glob(".*.partial"):
        try:
            os.kill(int(partial.name.split(".")[-2]), 0)
        except ProcessLookupError:
            partial.unlink(missing_ok=True)
        except (ValueError, OSError):
            continue  # not one of ours, or another user's process


def _render(item: _Planned) -> None:
    rng = np.random.default_rng(item.seed)
    webm = item.path.suffix == ".webm"
    width, height = _SIZES[0] if webm else _SIZES[rng.integers(len(_SIZES))]
    fps = (25, 30)[rng.integers(2)]
    frames = draw_frames(item.motion, rng, width, height, fps, _SECONDS * fps)
    write_video(item.path, frames, fps, codec="libvpx-vp9" if webm else "libx264")


def _seed(*words: object) -> int:
    text = "\n".join(str(word) for word in (_REVISION, *words))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
