"""Where every record of a split starts: what lets the loader read any clip by itself, in any order.

Records of video are megabytes, so reading them one by one costs no more than reading whole files, and it makes every
order possible: a shuffle over the whole split needs no buffer, hosts' parts are exact, classes are left out before
anything is read.

Offsets come from the manifest beside the shards, in one read. A dataset without one is walked instead: from record to
record, reading only their first bytes.
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import os
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import tensorflow as tf
import tensorflow_datasets as tfds
from etils import epath

from kinetics_tfds.annotations.clip import UNLABELLED
from kinetics_tfds.loader.records.source import Source
from kinetics_tfds.loader.records.walking import RecordOffset, walk_records
from kinetics_tfds.tfrecord import FRAMING_BYTES

_MANIFEST = "manifest.parquet"
_COLUMNS = ["split", "state", "shard", "index", "bytes", "id", "label"]


@dataclasses.dataclass(frozen=True)
class Index:
    """The records of a split, in its order; the arrays have one length, N.

    Attributes:
        paths: the files.
        file: int32 [N], which of the files.
        number: int32 [N], number of the record in its file.
        offset: int64 [N], where the record starts in its file, in bytes; at or behind the file's end where the file
            is shorter than the dataset says.
        label: int32 [N], -1: unlabelled.
        id: bytes [N]; empty where it cannot be read.
    """

    paths: tuple[str, ...]
    file: np.ndarray
    number: np.ndarray
    offset: np.ndarray
    label: np.ndarray
    id: np.ndarray

    def __len__(self) -> int:
        return len(self.file)

    def only(self, labels: tuple[int, ...]) -> Index:
        """Returns the records with one of these labels."""
        return self.rows(np.flatnonzero(np.isin(self.label, labels)))

    def rows(self, rows: np.ndarray) -> Index:
        """Returns the records at these positions, integers [M], in their order."""
        columns = ("file", "number", "offset", "label", "id")
        return dataclasses.replace(self, **{name: getattr(self, name)[rows] for name in columns})


def read_index(source: Source) -> Index:
    """Returns where the records of a split start."""
    # A split such as train[:2]+train[5:7] names a file twice.
    totals = dict(zip(source.paths, source.totals, strict=True))
    index = _from_manifest(source, totals) or _by_walking(totals)
    starts = dict(zip(totals, np.cumsum([0, *totals.values()]), strict=False))
    parts = zip(source.paths, source.skips, source.takes, strict=True)
    return index.rows(np.concatenate([starts[path] + np.arange(skip, skip + take) for path, skip, take in parts]))


def _from_manifest(source: Source, totals: dict[str, int]) -> Index | None:
    """Returns all records of the files, or None where there is no manifest that fits the shards.

    Args:
        source: the split.
        totals: file -> how many records it has.
    """
    path = epath.Path(source.paths[0]).parent / _MANIFEST
    try:
        with path.open("rb") as file:
            table = pq.read_table(file, columns=_COLUMNS)
        names = [tfds.core.naming.FilenameInfo.from_str(os.path.basename(path)) for path in totals]
    except (OSError, ValueError, KeyError, pa.ArrowException):
        return None
    files = pa.table(
        {
            "split": [str(name.split) for name in names],
            "shard": pa.array([name.shard_index or 0 for name in names], table["shard"].type),
            "file": pa.array(range(len(names)), pa.int32()),
        }
    )
    table = table.filter(pc.equal(table["state"], "written"))
    table = table.set_column(0, "split", table["split"].cast(pa.string())).join(
        files, ["split", "shard"], join_type="inner"
    )
    table = table.sort_by([("file", "ascending"), ("index", "ascending")])
    file = table["file"].to_numpy()
    # A manifest that counts other records than TFDS does is one of other shards.
    if np.bincount(file, minlength=len(names)).tolist() != list(totals.values()):
        return None
    number = _numbers(totals)
    end = np.cumsum(table["bytes"].to_numpy() + FRAMING_BYTES)
    start = np.concatenate([[0], end[:-1]]).astype(np.int64)
    label = pc.index_in(table["label"].cast(pa.string()), pa.array(source.class_names))
    return Index(
        paths=tuple(totals),
        file=file.astype(np.int32),
        number=number,
        offset=start - start[np.arange(len(number)) - number],
        label=label.fill_null(UNLABELLED).to_numpy().astype(np.int32),
        id=np.array(table["id"].to_pylist(), np.bytes_),
    )


def _by_walking(totals: dict[str, int]) -> Index:
    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        found = list(pool.map(_walk, totals, totals.values()))
    records = [record for of_file in found for record in of_file]
    return Index(
        paths=tuple(totals),
        file=np.repeat(np.arange(len(totals), dtype=np.int32), list(totals.values())),
        number=_numbers(totals),
        offset=np.array([record.offset for record in records], np.int64),
        label=np.array([record.label for record in records], np.int32),
        id=np.array([record.id for record in records], np.bytes_),
    )


def _walk(path: str, total: int) -> list[RecordOffset]:
    try:
        with _open(path) as file:
            found = list(walk_records(file, total))
    except (OSError, tf.errors.OpError):
        found = []
    end = found[-1].end if found else 0
    # What does not exist is found missing when it is read, and named then.
    return found + [RecordOffset(end, end, UNLABELLED, b"")] * (total - len(found))


def _numbers(totals: dict[str, int]) -> np.ndarray:
    """Returns int32 [N]: each record's number in its file."""
    return np.concatenate([np.arange(total, dtype=np.int32) for total in totals.values()])


def _open(path: str) -> BinaryIO:
    return tf.io.gfile.GFile(path, "rb") if "://" in path else open(path, "rb", buffering=0)
