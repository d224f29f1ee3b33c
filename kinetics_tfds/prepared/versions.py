"""The versions of a dataset that lie beside each other: which exist, and which comes next.

Versions of one major number hold records of one kind, so that the code of that number reads them all; an update and a
removal make the next minor one.
"""

from __future__ import annotations

import re

from etils import epath
from tensorflow_datasets.core import constants

from kinetics_tfds.file_systems import list_names, remove_file, remove_tree

_VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)")


def parse_version(name: str) -> tuple[int, int, int] | None:
    """Returns the numbers of a version, or None where it is none."""
    match = _VERSION.fullmatch(name)
    return (int(match[1]), int(match[2]), int(match[3])) if match else None


def prepared_versions(folder: epath.Path) -> list[str]:
    """Returns the versions that lie finished in a config's folder, newest first."""
    names = [name for name in list_names(folder) if parse_version(name)]
    finished = [name for name in names if (folder / name / constants.DATASET_INFO_FILENAME).exists()]
    return sorted(finished, key=lambda name: parse_version(name) or (), reverse=True)


def newest_version(folder: epath.Path, like: str) -> str | None:
    """Returns the newest finished version with the major number of another one, or None where there is none."""
    major = (parse_version(like) or (0,))[0]
    return next((name for name in prepared_versions(folder) if (parse_version(name) or (-1,))[0] == major), None)


def version_before(folder: epath.Path, version: str) -> str | None:
    """Returns the newest finished version that is older than another one, or None where there is none."""
    numbers = parse_version(version) or ()
    return next((name for name in prepared_versions(folder) if (parse_version(name) or ()) < numbers), None)


def next_version(version: str) -> str:
    """Returns the version that an update or a removal makes of another one.

    >>> next_version("1.0.0")
    '1.1.0'
    """
    major, minor, _ = parse_version(version) or (0, 0, 0)
    return f"{major}.{minor + 1}.0"


def remove_version(data_path: epath.Path) -> None:
    """Removes a version; what an interrupted removal leaves is no dataset, and is removed the next time."""
    remove_file(data_path / constants.DATASET_INFO_FILENAME)
    remove_tree(data_path)
