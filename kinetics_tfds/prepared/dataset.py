"""A prepared dataset on disk, read from its own files: no builder, and no trust that one file tells the truth.

`manifest.parquet` says which record lies where, `config.json` what the dataset was made from, `dataset_info.json` what
TFDS will read. Whoever verifies compares the three.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from etils import epath
from tensorflow_datasets.core import constants, file_adapters, naming

from kinetics_tfds.annotations.versions import VERSIONS
from kinetics_tfds.config import DEFAULT_CONFIG
from kinetics_tfds.errors import VerifyError
from kinetics_tfds.file_systems import check_data_dir
from kinetics_tfds.planning.fingerprint import BuildIdentity
from kinetics_tfds.shards import checksums, commit
from kinetics_tfds.shards.manifest import read_manifest

_COLUMNS = ("split", "id", "label", "state", "shard", "index", "frames", "bytes", "digest")


@dataclasses.dataclass(frozen=True, slots=True)
class ExpectedRecord:
    """What the manifest says of one record.

    Attributes:
        id: the clip's.
        label: raw class name, None where the row has none.
        frames: how many it holds.
        bytes: its serialised size.
        digest: hash of its bytes.
    """

    id: str
    label: str | None
    frames: int
    bytes: int
    digest: str


@dataclasses.dataclass(frozen=True)
class ShardFile:
    """One shard of a prepared dataset.

    Attributes:
        path: the file.
        split: the split it belongs to.
        index: its number within the split.
        file_format: TFDS's name of the record format.
        records: what the manifest says it holds, in order; None where there is no manifest to go by.
    """

    path: str
    split: str
    index: int
    file_format: str
    records: tuple[ExpectedRecord, ...] | None

    @property
    def name(self) -> str:
        """The file's name."""
        return os.path.basename(self.path)


@dataclasses.dataclass(frozen=True)
class Prepared:
    """A prepared dataset.

    Attributes:
        folder: where it lies; while a build ends, where its manifest lies.
        identity: what it was made from.
        shards_in: where its shards lie, if not in that folder.
    """

    folder: epath.Path
    identity: BuildIdentity
    shards_in: epath.Path | None = None

    @property
    def shards_folder(self) -> epath.Path:
        """Where its shards lie."""
        return self.shards_in or self.folder

    @functools.cached_property
    def manifest(self) -> pa.Table:
        """The manifest, without the columns that only people read."""
        return read_manifest(self.folder, _COLUMNS)

    @functools.cached_property
    def has_manifest(self) -> bool:
        """Whether there is a manifest, as the build wrote it."""
        try:
            return bool(self.manifest.num_columns)
        except VerifyError:
            return False

    def shards(self, split: str | None = None) -> Iterator[ShardFile]:
        """Yields the shards that must be there, of one split or of all; one shard's rows in memory at a time."""
        for name, index in self.shard_numbers():
            if split in (None, name):
                yield self.shard(name, index)

    def shard_numbers(self) -> Iterator[tuple[str, int]]:
        """Yields split and number of each shard."""
        for split, values in self.identity.splits.items():
            for index in range(values["shards"]):
                yield split, index

    def shard(self, split: str, index: int) -> ShardFile:
        """Returns one shard that must be there."""
        path = os.fspath(self.shards_folder / self.file_name(split, index))
        return ShardFile(path, split, index, self.identity.file_format, self._expected_records(split, index))

    def _expected_records(self, split: str, index: int) -> tuple[ExpectedRecord, ...] | None:
        if not self.has_manifest:
            return None
        rows = self._written[split]
        shards = rows["shard"].to_numpy()
        first, end = np.searchsorted(shards, [index, index + 1])
        return tuple(
            ExpectedRecord(row["id"], row["label"], row["frames"], row["bytes"], row["digest"])
            for row in rows.slice(first, end - first).to_pylist()
        )

    def lengths(self, split: str) -> list[int]:
        """Returns how many records each shard of a split holds."""
        shards = self._written[split]["shard"].to_numpy()
        return np.bincount(shards, minlength=self.identity.splits[split]["shards"]).tolist()

    def record_bytes(self, split: str) -> int:
        """Returns the bytes of all records of a split."""
        return pc.sum(self._written[split]["bytes"]).as_py() or 0

    @functools.cached_property
    def _written(self) -> dict[str, pa.Table]:
        """The manifest's rows that have a record, by split, in the order of shards and records."""
        rows = self.manifest.filter(pc.field("state") == "written")
        rows = rows.sort_by([("shard", "ascending"), ("index", "ascending")])
        return {split: rows.filter(pc.field("split") == split) for split in self.identity.splits}

    def file_name(self, split: str, index: int) -> str:
        """The name that TFDS gives a shard."""
        template = naming.ShardedFileTemplate(
            data_dir=self.folder,
            dataset_name=self.identity.dataset,
            split=split,
            filetype_suffix=file_adapters.FileFormat.from_value(self.identity.file_format).file_suffix,
        )
        return template.relative_filepath(shard_index=index, num_shards=self.identity.splits[split]["shards"])


def find_prepared(name: str, data_dir: str | None = None) -> epath.Path:
    """Returns the folder of a prepared dataset.

    Args:
        name: `kinetics600`, `kinetics600/jpeg256`, `kinetics600/jpeg256:1.0.0`, or the folder itself.
        data_dir: the root of datasets; TFDS's own default where None.

    Raises:
        VerifyError: nothing is prepared under that name.
        ConfigError: TensorFlow has no file system for the URL.
    """
    check_data_dir(name)
    check_data_dir(data_dir or "")
    if is_prepared_folder(name):
        return epath.Path(name)
    match = re.fullmatch(r"(?P<dataset>\w+)(/(?P<config>[\w.-]+))?(:(?P<version>\d+\.\d+\.\d+))?", name)
    if match is None or match["dataset"] not in VERSIONS:
        raise VerifyError(
            f"{name!r} names no dataset.",
            f"Use NAME/CONFIG or NAME/CONFIG:VERSION with a name of {', '.join(VERSIONS)}, or a dataset's folder.",
        )
    root = epath.Path(data_dir or constants.DATA_DIR).expanduser()
    folder = root / match["dataset"] / (match["config"] or DEFAULT_CONFIG.name)
    versions = [match["version"]] if match["version"] else _versions_in(folder)
    for version in versions:
        # The second is for a dataset that lost the first; where a build is under way, neither exists.
        if commit.is_committed(folder / version) or (folder / version / checksums.FILE_NAME).exists():
            return folder / version
    there = (
        sorted(child.name for child in folder.parent.iterdir() if _versions_in(child)) if folder.parent.exists() else []
    )
    raise VerifyError(
        f"No dataset {name} is prepared in {root}.",
        (f"Configs there: {', '.join(there)}. " if there else "")
        + "Name one with NAME/CONFIG, or the root with --data_dir.",
    )


def is_prepared_folder(path: str) -> bool:
    """Returns whether a path is the folder of a dataset that this project built."""
    return any((epath.Path(path) / file).exists() for file in (commit.CONFIG_FILE, checksums.FILE_NAME))


def open_prepared(folder: epath.PathLike) -> Prepared:
    """Opens a prepared dataset.

    Raises:
        VerifyError: the folder holds no readable `config.json` of a dataset that this project built.
    """
    folder = epath.Path(folder)
    values = commit.read_config(folder)
    fields = [field.name for field in dataclasses.fields(BuildIdentity)]
    try:
        identity = BuildIdentity(**{name: (values or {})[name] for name in fields})
    except (KeyError, TypeError) as error:
        raise VerifyError(
            f"{os.fspath(folder / commit.CONFIG_FILE)} is missing, unreadable or lacks {error}.",
            "Name the folder of a dataset that this project built; if it is one, it is damaged: build it again.",
        ) from error
    return Prepared(folder, identity)


def read_json(path: epath.Path) -> Mapping[str, Any] | None:
    """Returns a JSON object, or None where there is none that can be read."""
    try:
        value = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def _versions_in(folder: epath.Path) -> list[str]:
    """Returns the versions prepared in a config's folder, newest first."""
    if not folder.is_dir():
        return []
    names = [child.name for child in folder.iterdir() if re.fullmatch(r"\d+\.\d+\.\d+", child.name)]
    return sorted(names, key=lambda name: [int(part) for part in name.split(".")], reverse=True)
