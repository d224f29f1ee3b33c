"""What a media file's path says: which video, which times, which split, which class.

People keep Kinetics in many layouts (docs/clips.md lists them). They differ in folders and padding, but in all of them
the file's name ends with the video's id, or with the id and the clip's two times. So names are read from the right, and
folders only give hints.
"""

from __future__ import annotations

import dataclasses
import functools
import re

from kinetics_tfds.annotations.clip import VIDEO_ID, Split
from kinetics_tfds.clips.entries import MEDIA_SUFFIXES

# The id is exactly 11 characters, and may itself hold or start with `_` and `-`: `_a-b_12_34-_10_20`.
_NAME = re.compile(
    rf"""
    (?P<id>{VIDEO_ID.pattern})
    (?:_(?P<start>[0-9]{{1,12}}(?:\.[0-9]{{1,9}})?)
       _(?P<end>[0-9]{{1,12}}(?:\.[0-9]{{1,9}})?))?
    """,
    re.VERBOSE,
)

_SPLIT_WORDS = {
    "train": Split.TRAIN,
    "val": Split.VALIDATION,
    "valid": Split.VALIDATION,
    "validate": Split.VALIDATION,
    "validation": Split.VALIDATION,
    "test": Split.TEST,
    "holdout": Split.HOLDOUT_TEST,
}
# Words that only count alone, since classes hold them: "training dog", "battle rope training".
_WHOLE_NAMES = {"training": Split.TRAIN, "testing": Split.TEST, "eval": Split.VALIDATION}
_WORDS = re.compile(r"[a-z]+")


@dataclasses.dataclass(frozen=True, slots=True)
class MediaName:
    """What the path of a media file says.

    Attributes:
        youtube_id: the video's id.
        time_start: start of the clip in the video, in seconds; None where the name holds the id alone.
        time_end: its end, in seconds; None likewise.
        split: the split that a folder above names; None if none does.
        folders: the folders above that name no split, nearest first. One of them may be the class.
    """

    youtube_id: str
    time_start: float | None
    time_end: float | None
    split: Split | None
    folders: tuple[str, ...]


def read_name(path: str) -> MediaName | None:
    """Reads the path of a media file.

    Args:
        path: relative to the listed root, with forward slashes.

    Returns:
        What it says; None where the name is in none of the known layouts, or its times are reversed.

    >>> read_name("val_256/arm_wrestling/_a-b_12_34-_000010_000020.mkv")
    MediaName(youtube_id='_a-b_12_34-', time_start=10.0, time_end=20.0,
              split=<Split.VALIDATION: 'validation'>, folders=('arm_wrestling',))
    >>> read_name("videos_train/_a-b_12_34-.mp4").time_start is None
    True
    >>> read_name("train/holiday.mp4") is None
    True
    """
    folder, _, name = path.rpartition("/")
    match = _NAME.fullmatch(_stem(name))
    if match is None:
        return None
    youtube_id, start, end = match.groups()
    split, folders = _read_folder(folder)
    if start is None:
        return MediaName(youtube_id, None, None, split, folders)
    time_start, time_end = float(start), float(end)
    if time_end <= time_start:
        return None
    return MediaName(youtube_id, time_start, time_end, split, folders)


def read_split(folder: str) -> Split | None:
    """Returns the split that one folder's name says, None if it says none.

    >>> read_split("videos_train"), read_split("val_256"), read_split("holdout_test")
    (<Split.TRAIN: 'train'>, <Split.VALIDATION: 'validation'>, <Split.HOLDOUT_TEST: 'holdout_test'>)
    >>> read_split("training dog") is None
    True
    """
    lowered = folder.lower()
    if lowered in _WHOLE_NAMES:
        return _WHOLE_NAMES[lowered]
    named = [_SPLIT_WORDS[word] for word in _WORDS.findall(lowered) if word in _SPLIT_WORDS]
    if Split.HOLDOUT_TEST in named:
        return Split.HOLDOUT_TEST
    return named[-1] if named else None


def _stem(name: str) -> str:
    """Drops media suffixes; downloaders that merge streams leave two (`x.mp4.mkv`)."""
    lowered = name.lower()
    while lowered.endswith(MEDIA_SUFFIXES):
        lowered = lowered[: lowered.rindex(".")]
    return name[: len(lowered)]


@functools.lru_cache(maxsize=1 << 14)  # a folder's files come one after another in a sorted listing
def _read_folder(folder: str) -> tuple[Split | None, tuple[str, ...]]:
    split = None
    others = []
    for part in reversed(folder.split("/")) if folder else ():
        named = read_split(part)
        if named is None:
            others.append(part)
        elif split is None or (split is Split.TEST and named is Split.HOLDOUT_TEST):
            split = named  # the nearest folder decides, but `holdout/test` is the hold-out
    return split, tuple(others)
