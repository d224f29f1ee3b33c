"""`removed.json`: what was taken out of a dataset on request, and why; each version holds the whole record."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping, Sequence

from etils import epath

from kinetics_tfds.errors import VerifyError
from kinetics_tfds.file_systems import read_text

FILE_NAME = "removed.json"


@dataclasses.dataclass(frozen=True)
class Removal:
    """One removal.

    Attributes:
        version: the version that came of it.
        reason: in the words of whoever removed.
        videos: how many.
        clips: records that were removed, by split.
        ids: YouTube ids of the videos; None where they must not be kept.
    """

    version: str
    reason: str
    videos: int
    clips: Mapping[str, int]
    ids: Sequence[str] | None


def write_removals(folder: epath.Path, removals: Sequence[Removal]) -> None:
    """Writes the record."""
    values = [
        {name: value for name, value in dataclasses.asdict(removal).items() if value is not None}
        for removal in removals
    ]
    (folder / FILE_NAME).write_text(json.dumps(values, indent=2, ensure_ascii=False) + "\n")


def read_removals(folder: epath.Path) -> list[Removal]:
    """Returns what was removed so far.

    Raises:
        VerifyError: the record exists and cannot be read.
    """
    path = folder / FILE_NAME
    try:
        return [Removal(**{"ids": None, **values}) for values in json.loads(read_text(path))]
    except FileNotFoundError:
        return []
    except (ValueError, TypeError) as error:
        raise VerifyError(
            f"{os.fspath(path)} is no record of removals: {error}.",
            "`kinetics verify` lists everything that is wrong; copy the file again.",
        ) from error
