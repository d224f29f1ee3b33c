"""Makes small folders of clips with their lists, for tests of whole builds."""

from __future__ import annotations

import csv
import dataclasses
import functools
import hashlib
import pathlib
import shutil
import tempfile
from collections.abc import Mapping

from media import make_video

from kinetics_tfds.annotations.clip import Clip, Split

LABELS = ("abseiling", "passing American football (in game)", "welding", "zumba")
SECONDS = 2
_VARIANTS = 3
_HEADER = ("label", "youtube_id", "time_start", "time_end", "split")
_WORDS = {Split.TRAIN: "train", Split.VALIDATION: "validate", Split.TEST: "test", Split.HOLDOUT_TEST: "holdout test"}


@dataclasses.dataclass(frozen=True)
class ClipFolder:
    """A folder of clips.

    Attributes:
        root: the folder.
        clips: its rows, those without a file among them.
        damaged: the clips whose file does not decode.
        missing: the clips that have no file.
    """

    root: pathlib.Path
    clips: tuple[Clip, ...]
    damaged: tuple[Clip, ...]
    missing: tuple[Clip, ...]

    def path(self, clip: Clip) -> pathlib.Path:
        """Where a clip's file lies."""
        return self.root / str(clip.split) / f"{clip.id}.mp4"


@functools.cache
def _rendered() -> tuple[pathlib.Path, ...]:
    folder = pathlib.Path(tempfile.mkdtemp(prefix="kinetics-test-clips-"))
    return tuple(
        make_video(folder / f"{number}.mp4", seconds=SECONDS, fps=10 + number, width=64 + 16 * number, height=48)
        for number in range(_VARIANTS)
    )


def make_clip_folder(
    root: pathlib.Path, counts: Mapping[Split, int], *, damaged: int = 0, missing: int = 0
) -> ClipFolder:
    """Writes lists and clips of two seconds each.

    Args:
        root: the folder; made when it is not there.
        counts: rows by split; the test split's have no label.
        damaged: how many clips of the first split are noise.
        missing: how many clips at the end of the first split have no file.
    """
    clips = [_clip(split, number) for split, count in counts.items() for number in range(count)]
    first = [clip for clip in clips if clip.split is next(iter(counts))]
    folder = ClipFolder(root, tuple(clips), tuple(first[:damaged]), tuple(first[len(first) - missing :]))
    for number, clip in enumerate(clips):
        path = folder.path(clip)
        path.parent.mkdir(parents=True, exist_ok=True)
        if clip in folder.damaged:
            path.write_bytes(b"\x00\x01\x02\x03" * 500)
        elif clip not in folder.missing:
            shutil.copyfile(_rendered()[number % _VARIANTS], path)
    for split in counts:
        _write_list(root / "annotations" / f"kinetics600_{split}.csv", [c for c in clips if c.split is split])
    return folder


def _clip(split: Split, number: int) -> Clip:
    digest = hashlib.sha256(f"{split}{number}".encode()).hexdigest()
    label = None if split is Split.TEST else LABELS[number % len(LABELS)]
    return Clip(split, f"-{digest[:8]}_{number % 10}", 10.0 + number, 10.0 + number + SECONDS, label)


def _write_list(path: pathlib.Path, clips: list[Clip]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    labelled = bool(clips) and clips[0].label is not None
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(_HEADER if labelled else _HEADER[1:])
        for clip in clips:
            row = [clip.youtube_id, round(clip.time_start), round(clip.time_end), _WORDS[clip.split]]
            writer.writerow([clip.label, *row] if labelled else row)
