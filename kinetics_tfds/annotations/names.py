"""What the name of an annotation file tells: whether it is one, of which version, of which split."""

from __future__ import annotations

import posixpath
import re

from kinetics_tfds.annotations.clip import Split

LIST_SUFFIXES = (".csv", ".json", ".txt")
ARCHIVE_SUFFIXES = (".zip", ".tar.gz", ".tgz", ".tar")

_SPLIT_WORDS = {
    "train": Split.TRAIN,
    "training": Split.TRAIN,
    "val": Split.VALIDATION,
    "valid": Split.VALIDATION,
    "validate": Split.VALIDATION,
    "validation": Split.VALIDATION,
    "test": Split.TEST,
    "testing": Split.TEST,
    "holdout": Split.HOLDOUT_TEST,
    "heldout": Split.HOLDOUT_TEST,
    "holdouttest": Split.HOLDOUT_TEST,
    "heldouttest": Split.HOLDOUT_TEST,
    "testholdout": Split.HOLDOUT_TEST,
}

# The only words in the names of official and mirrored lists; a .txt, .json or archive with another word is something
# else: class names, indices of tars, loader lists of one project or another, the clips themselves.
_LIST_WORDS = {*_SPLIT_WORDS, "kinetics", "k", "annotation", "annotations", "delta", "held", "out", "full", "complete"}
_LIST_NUMBERS = {"400", "600", "700", "2020"}

# A .csv may carry a user's words (`tiny_train.csv`), but not these.
_OTHER_CONTENT = {
    *("label", "labels", "class", "classes", "map", "category", "categories"),
    *("path", "paths", "url", "urls", "video", "videos", "frames", "rawframes"),
    *("manifest", "ledger", "log", "report", "coverage", "stats", "missing", "failed", "failures", "error", "errors"),
    *("result", "results", "prediction", "predictions"),
}

_VERSION = re.compile(r"(?<![a-z])(?:kinetics|k)[-_ ]?(400|600|700)(?:[-_ ]?(2020))?(?!\d)")
_BARE_VERSION = re.compile(r"(400|600|700)(?:[-_](2020))?")


def parse_split(word: str) -> Split | None:
    """Returns the split that a word of the lists means, or None.

    >>> parse_split("validate"), parse_split("holdout test"), parse_split("dev")
    (<Split.VALIDATION: 'validation'>, <Split.HOLDOUT_TEST: 'holdout_test'>, None)
    """
    return _SPLIT_WORDS.get(re.sub(r"[^a-z]", "", word.lower()))


def is_annotation_file(name: str) -> bool:
    """Returns whether a file is named like a list of annotation rows, of any version or of none.

    Args:
        name: a file's name or its path with forward slashes.

    >>> [is_annotation_file(name) for name in ("a/kinetics-600_val.csv", "k600_val_path.txt", "abseiling.tar.gz")]
    [True, False, False]
    """
    base = posixpath.basename(name).lower()
    stem, suffix = _split_suffix(base)
    if base.startswith(".") or suffix is None:
        return False
    words, numbers = _words(stem), set(re.findall(r"\d+", stem))
    names_split = bool(words & _SPLIT_WORDS.keys())
    names_version = _VERSION.search(stem) is not None
    if suffix == ".csv":
        return (names_split or names_version) and not words & _OTHER_CONTENT
    # `(1)` is what browsers add to a second download.
    if words - _LIST_WORDS or any(number not in _LIST_NUMBERS and len(number) > 1 for number in numbers):
        return False
    if suffix in ARCHIVE_SUFFIXES:
        return "annotations" in words or ("kinetics" in words and (names_split or names_version))
    return names_split or (suffix == ".json" and names_version)


def explain_ignored_list(name: str) -> str | None:
    """Returns why a file is not read as a list of annotation rows although it may be one; None for all others.

    Args:
        name: a file's name or its path with forward slashes.

    >>> explain_ignored_list("lists/kinetics.csv")
    "lists/kinetics.csv: its name tells neither split nor version; lists are named like 'kinetics600_train.csv'"
    >>> explain_ignored_list("kinetics600_val.csv") is None
    True
    """
    base = posixpath.basename(name).lower()
    stem, suffix = _split_suffix(base)
    if base.startswith(".") or suffix is None or is_annotation_file(name):
        return None
    words = _words(stem)
    if suffix == ".csv":
        other = sorted(words & _OTHER_CONTENT)
        why = (
            f"{other[0]!r} in its name stands for other content"
            if other
            else "its name tells neither split nor version"
        )
    elif words & {"kinetics", *_SPLIT_WORDS}:
        why = "its name is not that of an official or mirrored list"
    else:
        return None
    return f"{name}: {why}; lists are named like 'kinetics600_train{suffix}'"


def split_of(name: str) -> Split | None:
    """Returns the split that a file's name tells, None where it tells none or several.

    >>> split_of("kinetics600_holdout_test.csv"), split_of("train_val.csv")
    (<Split.HOLDOUT_TEST: 'holdout_test'>, None)
    """
    stem, _ = _split_suffix(posixpath.basename(name).lower())
    words = _words(stem)
    if words & {"holdout", "heldout"} or {"held", "out"} <= words:
        return Split.HOLDOUT_TEST
    splits = {_SPLIT_WORDS[word] for word in words & _SPLIT_WORDS.keys()}
    return splits.pop() if len(splits) == 1 else None


def version_of(name: str) -> str | None:
    """Returns the version that a file's or folder's own name tells, or None.

    >>> version_of("kinetics-600_val.csv"), version_of("K700_2020"), version_of("val.csv")
    ('kinetics600', 'kinetics700_2020', None)
    """
    lower = name.lower()
    match = _VERSION.search(lower) or _BARE_VERSION.fullmatch(lower)
    return f"kinetics{'_'.join(filter(None, match.groups()))}" if match else None


def version_of_folders(path: str) -> str | None:
    """Returns the version that the nearest folder above a file tells, or None."""
    for folder in reversed(path.replace("\\", "/").split("/")[:-1]):
        if version := version_of(folder):
            return version
    return None


def _split_suffix(base: str) -> tuple[str, str | None]:
    for suffix in LIST_SUFFIXES + ARCHIVE_SUFFIXES:
        if base.endswith(suffix):
            return base.removesuffix(suffix), suffix
    return base, None


def _words(stem: str) -> set[str]:
    return set(re.findall(r"[a-z]+", stem))
