"""Where every record of a split starts: what lets the loader read any clip by itself, in any order.

Records of video are megabytes, so reading them one by one costs no more than reading whole files, and it makes every
order possible: a shuffle over the whole split needs no buffer, a host's part is cut exactly, classes are chosen before
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
from kinetics_tfds.loader.records.record_walk import Mark, walk_records
from kinetics_tfds.loader.records.source import Source
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
        id: [N] of bytes; empty where it cannot be read.
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
        return self._rows(np.isin(self.label, labels))

    def _rows(self, rows: np.ndarray | slice) -> Index:
        columns = ("file", "number", "offset", "label", "id")
        return dataclasses.replace(self, **{name: getattr(self, name)[rows] for name in columns})


def read_index(source: Source) -> Index:
    """Returns where the records of a split start."""
    marks = _from_manifest(source) or _by_walking(source)
    rows = [
        (file, number, mark.offset, mark.label, mark.id)
        for file, (skip, take) in enumerate(zip(source.skips, source.takes, strict=True))
        for number, mark in zip(range(skip, skip + take), marks[file][skip : skip + take], strict=True)
    ]
    file, number, offset, label, ids = zip(*rows, strict=True)
    return Index(
        paths=source.paths,
        file=np.array(file, np.int32),
        number=np.array(number, np.int32),
        offset=np.array(offset, np.int64),
        label=np.array(label, np.int32),
        id=np.array(ids, object),
    )


def _from_manifest(source: Source) -> list[list[Mark]] | None:
    """Returns the marks of each file, or None where there is no manifest that fits the shards."""
    path = epath.Path(source.paths[0]).parent / _MANIFEST
    try:
        with path.open("rb") as file:
            table = pq.read_table(file, columns=_COLUMNS)
        names = [tfds.core.naming.FilenameInfo.from_str(os.path.basename(path)) for path in source.paths]
    except (OSError, ValueError, KeyError, pa.ArrowException):
        return None
    table = table.filter(pc.equal(table["state"], "written")).sort_by([("shard", "ascending"), ("index", "ascending")])
    labels = {name: label for label, name in enumerate(source.class_names)}
    of_shard: dict[tuple[str, int], list[Mark]] = {}
    for row in zip(*(table[name].to_pylist() for name in ("split", "shard", "bytes", "id", "label")), strict=True):
        split, shard, size, key, label = row
        marks = of_shard.setdefault((split, shard), [])
        start = marks[-1].end if marks else 0
        marks.append(Mark(start, start + size + FRAMING_BYTES, labels.get(label, UNLABELLED), key.encode()))
    found = [of_shard.get((str(name.split), name.shard_index or 0), []) for name in names]
    # A manifest that counts other records than TFDS does is one of other shards.
    return found if all(len(marks) == total for marks, total in zip(found, source.totals, strict=True)) else None


def _by_walking(source: Source) -> list[list[Mark]]:
    def marks(path: str, total: int) -> list[Mark]:
        try:
            with _open(path) as file:
                found = list(walk_records(file, total))
        except (OSError, tf.errors.OpError):
            found = []
        end = found[-1].end if found else 0
        # What is not there is found missing when it is read, and named then.
        return found + [Mark(end, end, UNLABELLED, b"")] * (total - len(found))

    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        return list(pool.map(marks, source.paths, source.totals))


def _open(path: str) -> BinaryIO:
    return tf.io.gfile.GFile(path, "rb") if "://" in path else open(path, "rb", buffering=0)
