"""Class names: spelling them, finding the one that was meant, mapping them from one version to another."""

from __future__ import annotations

import difflib
import functools
from collections.abc import Mapping

from kinetics_tfds.annotations.versions import KineticsVersion, get_version
from kinetics_tfds.errors import AnnotationError


def fold_label(raw: str) -> str:
    """Returns the letters and digits of a class name in lower case.

    Spaces, `_`, quotes and parentheses differ between lists, folders and versions; what is left names one class only
    in every version.

    >>> fold_label("massaging_persons_head") == fold_label("massaging person's head")
    True
    """
    return "".join(filter(str.isalnum, raw.casefold()))


@functools.lru_cache(maxsize=8)
def _by_fold(version: KineticsVersion) -> Mapping[str, str]:
    return {fold_label(name): name for name in version.class_names}


def find_class(name: str, version: str | KineticsVersion) -> str | None:
    """Returns the version's own spelling of a class, or None if it has no such class.

    >>> find_class("Tai_chi", "kinetics400")
    'tai chi'
    """
    version = get_version(version)
    return name if name in version.class_index else _by_fold(version).get(fold_label(name))


def nearest_class(name: str, version: KineticsVersion) -> str | None:
    """Returns the class of the version whose name is most like `name`, or None if none is."""
    nearest = difflib.get_close_matches(fold_label(name), _by_fold(version), n=1)
    return _by_fold(version)[nearest[0]] if nearest else None


def map_class(name: str, source: str | KineticsVersion, target: str | KineticsVersion) -> str | None:
    """Returns what a class of one version is called in another, or None where the other does not have it.

    Two classes are the same if their names are, up to case, spaces and punctuation. Nothing else is guessed: classes
    that were split, merged or renamed map to None.

    Args:
        name: a class of `source`, in any spelling that `fold_label` evens out.
        source: the version, or its name.
        target: likewise.

    Raises:
        AnnotationError: `source` has no such class, or a version's name is unknown.

    >>> map_class("passing American football (not in game)", "kinetics400", "kinetics600")
    'passing american football (not in game)'
    >>> map_class("garbage collecting", "kinetics400", "kinetics600") is None
    True
    """
    source, target = get_version(source), get_version(target)
    known = find_class(name, source)
    if known is None:
        nearest = nearest_class(name, source)
        hint = f"Did you mean {nearest!r}? " if nearest else ""
        raise AnnotationError(
            f"{source} has no class {name!r}.", f"{hint}get_version({source.name!r}).class_names lists all of them."
        )
    return find_class(known, target)
