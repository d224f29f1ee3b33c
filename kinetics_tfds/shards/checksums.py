"""`SHA256SUMS`, beside the shards: a checksum of every other file there, so that a changed one is not taken for whole.

The shards themselves are vouched for record by record, in the manifest. `sha256sum -c SHA256SUMS` reads the file as
well; its last line is a checksum of the lines above it.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

import tensorflow_datasets as tfds
from etils import epath
from tensorflow_datasets.core import constants

from kinetics_tfds import frame_table
from kinetics_tfds.shards.report import ShardReport

FILE_NAME = "SHA256SUMS"

_LINE = re.compile(r"([0-9a-f]{64})  (.+)")
_LAST = "# sha256 of the lines above: "


class DamagedChecksumsError(ValueError):
    """The file of checksums is not as it was written."""


@dataclasses.dataclass(frozen=True)
class ChangedFile:
    """A file that is not what the build wrote.

    Attributes:
        name: below the dataset's folder.
        missing: whether it is gone, or cannot be opened.
    """

    name: str
    missing: bool


class WriteChecksums(tfds.core.Metadata):
    """Writes the checksums as TFDS writes its description: after all other files, before `dataset_info.json`."""

    info: tfds.core.DatasetInfo

    def __init__(self) -> None:
        self._frame_tables: dict[str, str] = {}

    def add_frame_tables(self, reports: Iterable[ShardReport]) -> None:
        """Adds the checksums of shards' tables of frames, which lie in another folder than the small files."""
        self._frame_tables |= {frame_table.file_name(report.file_name): report.table_sha256 for report in reports}

    def save_metadata(self, data_dir: Any) -> None:
        """Writes the file; where it exists, only the line of `dataset_info.json`, which TFDS is about to replace."""
        folder = epath.Path(data_dir)
        description = {constants.DATASET_INFO_FILENAME: _sha256(self.info.as_json.encode())}
        try:
            there = read_checksums(folder)
        except DamagedChecksumsError:
            return  # what is damaged stays damaged: writing it anew would hide that
        shards = {name for split in self.info.splits.values() for name in split.filenames}
        write_checksums(folder, {**(there or _hash_files(folder, shards)), **self._frame_tables, **description})

    def load_metadata(self, data_dir: Any) -> None:
        """The file is for verifying; nothing of it belongs to the description."""


def write_checksums(folder: epath.Path, checksums: Mapping[str, str]) -> None:
    """Writes the sha256 of files, given by their names below the folder."""
    lines = "".join(f"{digest}  {name}\n" for name, digest in sorted(checksums.items()))
    (folder / FILE_NAME).write_text(f"{lines}{_LAST}{_sha256(lines.encode())}\n")


def read_checksums(folder: epath.Path) -> dict[str, str] | None:
    """Returns the sha256 that each file should have, by name; None where the dataset has no checksums.

    Raises:
        DamagedChecksumsError: the file exists, and is damaged.
    """
    path = folder / FILE_NAME
    if not path.exists():
        return None
    try:
        text = path.read_bytes().decode()
    except (OSError, UnicodeDecodeError) as error:
        raise DamagedChecksumsError(str(error)) from error
    lines, mark, last = text.rpartition(_LAST)
    matches = [_LINE.fullmatch(line) for line in lines.removesuffix("\n").split("\n")]
    if not mark or last != f"{_sha256(lines.encode())}\n" or None in matches:
        raise DamagedChecksumsError("its last line is not the checksum of the lines above it")
    return {match[2]: match[1] for match in matches if match is not None}


def changed_files(folder: epath.Path, checksums: Mapping[str, str]) -> list[ChangedFile]:
    """Returns the files that are not what their checksums say."""
    return [
        ChangedFile(name, missing=digest is None)
        for name, wanted in checksums.items()
        for digest in [_hash_file(folder / name)]
        if digest != wanted
    ]


def is_intact(path: epath.Path) -> bool | None:
    """Returns whether one file of a dataset is what its checksum says; None where the dataset has none for it."""
    try:
        wanted = (read_checksums(path.parent) or {}).get(path.name)
    except DamagedChecksumsError:
        return None
    return None if wanted is None else _hash_file(path) == wanted


def _hash_files(folder: epath.Path, shards: Collection[str]) -> dict[str, str]:
    return {
        os.path.relpath(path, folder): digest
        for path in _files(folder)
        if path.name not in shards
        for digest in [_hash_file(path)]
        if digest is not None
    }


def _files(folder: epath.Path) -> Iterator[epath.Path]:
    """Yields the files in the folder and below it, but for those that a killed process left unfinished."""
    for path in sorted(folder.iterdir()):
        if path.is_dir():
            yield from _files(path)
        elif not path.name.startswith(constants.INCOMPLETE_PREFIX):
            yield path


def _hash_file(path: epath.Path) -> str | None:
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    except OSError:
        return None
    return digest.hexdigest()


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
