"""The versions of Kinetics: their class lists, splits and where their official lists are."""

from __future__ import annotations

import dataclasses
import difflib
import functools
import importlib.resources
from collections.abc import Mapping

from kinetics_tfds.annotations.clip import Split
from kinetics_tfds.errors import AnnotationError

_OFFICIAL = "https://storage.googleapis.com/deepmind-media/Datasets"
_THREE_SPLITS = (Split.TRAIN, Split.VALIDATION, Split.TEST)


@dataclasses.dataclass(frozen=True)
class KineticsVersion:
    """One version of Kinetics.

    Attributes:
        name: also the TFDS dataset's name and the folder's in this package.
        title: for people.
        splits: those the version was published with; not every list has them all.
        annotation_urls: the official lists, for users who bring none. They shrink as videos go.
        published: rows of train, validation and test in lists that others built from, by the list's name.

    >>> version = get_version("kinetics600")
    >>> len(version.class_names), version.class_names[0], version.class_index["zumba"]
    (600, 'abseiling', 599)
    """

    name: str
    title: str
    splits: tuple[Split, ...]
    annotation_urls: tuple[str, ...]
    published: Mapping[str, tuple[int, int, int]] = dataclasses.field(default_factory=dict, compare=False)

    @functools.cached_property
    def class_names(self) -> tuple[str, ...]:
        """The raw names, sorted as ASCII: a label's index is its place. Read from `labels.txt` when first asked."""
        path = importlib.resources.files("kinetics_tfds") / self.name / "labels.txt"
        return tuple(path.read_text(encoding="utf-8").splitlines())

    @functools.cached_property
    def class_index(self) -> Mapping[str, int]:
        """Raw name to index."""
        return {name: index for index, name in enumerate(self.class_names)}

    def __str__(self) -> str:
        return self.name


def _version(
    name: str,
    title: str,
    published: Mapping[str, tuple[int, int, int]],
    splits: tuple[Split, ...] = _THREE_SPLITS,
) -> KineticsVersion:
    return KineticsVersion(name, title, splits, (f"{_OFFICIAL}/{name}.tar.gz",), published)


VERSIONS: Mapping[str, KineticsVersion] = {
    version.name: version
    for version in (
        _version(
            "kinetics400",
            "Kinetics-400",
            {"published, 2017": (246_534, 19_906, 39_805), "DeepMind's list today": (219_782, 18_035, 35_357)},
        ),
        _version(
            "kinetics600",
            "Kinetics-600",
            {"mirrored by CVDF": (427_549, 29_793, 72_924), "DeepMind's list today": (370_582, 28_313, 56_618)},
            (*_THREE_SPLITS, Split.HOLDOUT_TEST),
        ),
        _version("kinetics700", "Kinetics-700", {"as mirrored": (529_046, 33_925, 67_446)}),
        _version("kinetics700_2020", "Kinetics-700-2020", {"as mirrored": (542_352, 34_125, 67_433)}),
    )
}


def get_version(name: str | KineticsVersion) -> KineticsVersion:
    """Returns the version of that name; a version is returned as it is.

    Raises:
        AnnotationError: there is no such version.
    """
    if isinstance(name, KineticsVersion):
        return name
    if name not in VERSIONS:
        nearest = difflib.get_close_matches(str(name), VERSIONS, n=1, cutoff=0)[0]
        raise AnnotationError(
            f"There is no version {name!r} of Kinetics.",
            f"Did you mean {nearest!r}? Known versions: {', '.join(VERSIONS)}.",
        )
    return VERSIONS[name]
