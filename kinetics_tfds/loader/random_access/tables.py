"""The tables of frames of a split's shards: mapped into memory, fetched row by row, or made for an older dataset."""

from __future__ import annotations

import os
import sys
import uuid
from typing import Any

import numpy as np

from kinetics_tfds import frame_table
from kinetics_tfds.errors import LoaderError
from kinetics_tfds.file_systems import is_local
from kinetics_tfds.loader.random_access.byte_ranges import read_range
from kinetics_tfds.loader.random_access.folder import ClipIndex
from kinetics_tfds.loader.random_access.records import read_record


class FrameTables:
    """Where the frames of a split's clips lie. Processes that it is sent to open the tables anew."""

    def __init__(self, index: ClipIndex) -> None:
        self._index = index
        self._open: dict[int, np.ndarray | None] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {"_index": self._index, "_open": {}}

    def rows(self, position: int) -> np.ndarray:
        """Returns the rows of the clip at a position of the index, `frame_table.ROW` [T].

        Raises:
            LoaderError: they cannot be read.
        """
        index = self._index
        file = int(index.file[position])
        first, count = int(index.first_row[position]), int(index.frames[position])
        if file not in self._open:
            self._open[file] = self._table(file)
        table = self._open[file]
        if table is None:
            return self._fetch(file, first, count)
        rows = table[first : first + count]
        if len(rows) < count:
            raise _damaged(self._path(file), f"it ends at row {len(table)}")
        return rows

    def _table(self, file: int) -> np.ndarray | None:
        """Returns a shard's whole table; None where its rows are fetched one record at a time."""
        path = self._path(file)
        try:
            if is_local(path):
                return frame_table.open_table(path)
            frame_table.read_header(read_range(path, 0, frame_table.HEADER_BYTES))
            return None
        except FileNotFoundError:
            return self._make(file)
        except (OSError, ValueError) as error:
            raise _damaged(path, str(error)) from error

    def _fetch(self, file: int, first: int, count: int) -> np.ndarray:
        path, size = self._path(file), frame_table.ROW.itemsize
        start = frame_table.HEADER_BYTES + first * size
        try:
            data = read_range(path, start, start + count * size)
        except OSError as error:
            raise _damaged(path, str(error)) from error
        if len(data) < count * size:
            raise _damaged(path, "it is cut off")
        return np.frombuffer(data, frame_table.ROW)

    def _make(self, file: int) -> np.ndarray:
        """Makes the table of a shard that was built before there were tables, and keeps it beside the shard."""
        shard, path = self._index.paths[file], self._path(file)
        print(f"kinetics: {os.path.basename(shard)} has no table of frames; reading the shard once", file=sys.stderr)
        positions = np.flatnonzero(self._index.file == file)
        # The index may hold a part of the shard's records only; those before the part are in no row that is known.
        whole = self._index.first_row[positions[0]] == 0 and self._index.number[positions[-1]] + 1 == len(positions)
        rows = []
        for position in positions:
            record = read_record(self._index, int(position))
            try:
                rows.append(frame_table.frame_rows(record))
            except ValueError as error:
                raise _damaged(shard, f"record {self._index.number[position]} is {error}") from error
        table = np.concatenate([np.zeros(0, frame_table.ROW), *rows])
        if whole and is_local(path):
            _write(path, frame_table.to_bytes(rows))
        lead = np.zeros(int(self._index.first_row[positions[0]]), frame_table.ROW)
        return np.concatenate([lead, table])

    def _path(self, file: int) -> str:
        folder, _, shard = self._index.paths[file].rpartition("/")
        return f"{folder}/{frame_table.file_name(shard)}"


def _write(path: str, data: bytes) -> None:
    temporary = f"{path}.incomplete.{uuid.uuid4().hex}"
    try:
        with open(temporary, "wb") as file:
            file.write(data)
        os.replace(temporary, path)
    except OSError:
        pass  # a read-only folder: this process has the table, the next one makes its own


def _damaged(path: str, what: str) -> LoaderError:
    return LoaderError(f"{path} cannot be used: {what}.", "Check the dataset with `kinetics verify`.")
