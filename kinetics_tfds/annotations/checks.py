"""From a raw row to a Clip, or to what is wrong with it."""

from __future__ import annotations

import collections
import math

from kinetics_tfds.annotations.annotation_set import WarningKind
from kinetics_tfds.annotations.classes import find_class, nearest_class
from kinetics_tfds.annotations.clip import VIDEO_ID, Clip, Split
from kinetics_tfds.annotations.names import parse_split
from kinetics_tfds.annotations.rows import RawRow
from kinetics_tfds.annotations.versions import KineticsVersion

_MAX_HINTS = 50  # finding the nearest class takes milliseconds


class RowError(Exception):
    """Why a row is left out."""

    def __init__(self, kind: WarningKind, detail: str) -> None:
        super().__init__(kind, detail)
        self.kind = kind
        self.detail = detail


class RowChecker:
    """Checks the rows of one list.

    The same few thousand words and times come again and again: each is judged once and shared by all clips, which
    keeps half a million of them small.

    Attributes:
        spellings: how many rows wrote a class in another way than the version does, by what they wrote.
    """

    def __init__(self, version: KineticsVersion, file_split: Split | None) -> None:
        self._labels = _Labels(version)
        self._times = _Times()
        self._splits = _Splits(version, file_split)
        self.spellings: collections.Counter[str] = collections.Counter()

    def clip(self, row: RawRow) -> Clip:
        """Returns the row's clip.

        Raises:
            RowError: something is wrong with the row.
        """
        _, raw_label, youtube_id, start_text, end_text, split_word = row
        if not VIDEO_ID.fullmatch(youtube_id):
            raise RowError(WarningKind.BAD_ID, _describe_bad_id(youtube_id))
        split = self._splits[split_word]
        start, end = self._times[start_text], self._times[end_text]
        if start >= end:
            raise RowError(WarningKind.BAD_TIMES, f"the clip would end at {end:g} s and start at {start:g} s")
        label = self._labels[raw_label]
        if label is not None and label != raw_label:
            self.spellings[raw_label] += 1
        return Clip(split, youtube_id, start, end, label)

    @property
    def unknown_labels(self) -> set[str]:
        """Class names that the version does not have."""
        return set(self._labels.unknown)

    @property
    def known_labels(self) -> set[str]:
        """Class names of the list, as written there, that the version has."""
        return {raw for raw, label in self._labels.items() if label is not None}

    def spelling(self, raw_label: str) -> str | None:
        """Returns the version's spelling of a label seen before."""
        return self._labels[raw_label]


def _describe_bad_id(text: str) -> str:
    """Returns what is wrong with an id; spreadsheets take those with a leading `-` or `=` for formulas."""
    spoilt = text.startswith("#NAME?") or "E+" in text
    hint = "; a spreadsheet program has overwritten it, so take the list as it was downloaded" if spoilt else ""
    return f"{text[:80]!r} is no YouTube id of 11 characters{hint}"


class _Labels(dict[str, str | None]):
    """Text of the label column to the version's own name, None for no label."""

    def __init__(self, version: KineticsVersion) -> None:
        super().__init__()
        self._version = version
        self.unknown: dict[str, str] = {}

    def __missing__(self, raw: str) -> str | None:
        found = find_class(raw.strip(), self._version) if raw.strip() else None
        if found is None and raw.strip():
            if raw not in self.unknown:
                self.unknown[raw] = self._describe(raw)
            raise RowError(WarningKind.UNKNOWN_LABEL, self.unknown[raw])
        # The version's own string, not the row's copy.
        self[raw] = found
        return found

    def _describe(self, raw: str) -> str:
        nearest = nearest_class(raw[:200], self._version) if len(self.unknown) < _MAX_HINTS else None
        return f"{self._version} has no class {raw[:200]!r}" + (f"; the nearest is {nearest!r}" if nearest else "")


class _Times(dict[str, float]):
    """Text of a time column to seconds."""

    def __missing__(self, text: str) -> float:
        try:
            # float() also takes "1_0" and digits of other scripts.
            seconds = float(text) if text.isascii() and "_" not in text else math.nan
        except ValueError:
            seconds = math.nan
        if not 0 <= seconds < math.inf:
            raise RowError(WarningKind.BAD_TIMES, f"{text[:80]!r} is no time in seconds")
        seconds += 0.0  # -0.0 would print otherwise than 0.0
        self[text] = seconds
        return seconds


class _Splits(dict[str, Split]):
    """Text of the split column to the split."""

    def __init__(self, version: KineticsVersion, file_split: Split | None) -> None:
        super().__init__()
        self._version = version
        self._file_split = file_split

    def __missing__(self, word: str) -> Split:
        split = parse_split(word) if word.strip() else self._file_split
        if split is None or split not in self._version.splits:
            what = f"{word[:80]!r} means no split of {self._version}" if word.strip() else "nothing tells the split"
            if split is not None and not word.strip():
                what = f"{self._version} has no split {split}"
            raise RowError(WarningKind.BAD_SPLIT, what)
        of_file = self._file_split
        tests = (Split.TEST, Split.HOLDOUT_TEST)
        if of_file in tests and split in tests:
            # "test" is said of both test splits: the finer word counts, whether file or row says it.
            split = Split.HOLDOUT_TEST if Split.HOLDOUT_TEST in (of_file, split) else Split.TEST
        elif of_file not in (None, split):
            raise RowError(WarningKind.OTHER_SPLIT, f"a row of {split} in a file named for {of_file}")
        self[word] = split
        return split
