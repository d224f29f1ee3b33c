"""A prepared dataset as a collection: rows from its manifest, frames from its records."""

from __future__ import annotations

import functools
import math
import os
import threading
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from etils import epath
from tensorflow_datasets.proto import tf_example_pb2

from kinetics_tfds.browse.clip_table import SCHEMA, ClipTable
from kinetics_tfds.browse.collection import MediaPath, StoredClip
from kinetics_tfds.inspection.flags import Flag
from kinetics_tfds.inspection.report import read_inspection
from kinetics_tfds.parquet import open_parquet
from kinetics_tfds.planning.plan import PlannedClip
from kinetics_tfds.prepared.dataset import Prepared, open_prepared
from kinetics_tfds.shards import manifest
from kinetics_tfds.shards.records import read_record
from kinetics_tfds.tfrecord import FRAMING_BYTES

# The page asks for a clip's fields, its frames and its audio one after the other.
_RECORDS_KEPT = 3


class PreparedDataset:
    """Implements `Collection`."""

    kind = "dataset"

    def __init__(self, folder: epath.PathLike) -> None:
        """Reads the manifest.

        Raises:
            VerifyError: the folder holds no dataset of this project, or no manifest.
        """
        self._prepared: Prepared = open_prepared(folder)
        identity = self._prepared.identity
        self.title = f"{identity.dataset}/{self._prepared.folder.parent.name}:{identity.version}"
        self.place = os.fspath(self._prepared.folder)
        columns = [name for name in SCHEMA.names if name != "source"]
        rows = manifest.read_manifest(folder, [*columns, "shard", "index"])
        self._shard, self._index = (rows[name].fill_null(-1).to_numpy() for name in ("shard", "index"))
        rows = rows.select(columns).append_column("source", pa.repeat(pa.scalar(""), rows.num_rows))
        self._alike: dict[str, list[str]] = {}
        self.table = ClipTable(rows, self._read_flags(rows))
        self._manifest = open_parquet(self._prepared.folder / manifest.FILE_NAME)
        self._reading = threading.Lock()  # a ParquetFile serves one thread at a time
        self._record = functools.lru_cache(maxsize=_RECORDS_KEPT)(self._read_record)

    def _read_flags(self, rows: pa.Table) -> dict[str, np.ndarray]:
        """Returns, by quality flag, bool [N]: the rows that have it; none where the dataset was not inspected."""
        inspected = read_inspection(self._prepared.folder)
        if inspected is None:
            return {}
        found = inspected.to_pylist()
        self._alike = {f"{row['split']}/{row['id']}": row["duplicate_of"] for row in found}
        keys = pc.binary_join_element_wise(rows["split"], rows["id"], "/")
        flags = {}
        for flag in Flag:
            flagged = [f"{row['split']}/{row['id']}" for row in found if flag in row["flags"]]
            if flagged:
                flags[str(flag)] = pc.is_in(keys, pa.array(flagged)).to_numpy(zero_copy_only=False)
        return flags

    def alike(self, row: int) -> Sequence[str]:
        """Returns the keys of the clip's near-duplicates, as `kinetics inspect` found them."""
        return self._alike.get(f"{self.table.value('split', row)}/{self.table.rows['id'][row].as_py()}", ())

    def facts(self) -> Mapping[str, Any]:
        """Returns the settings that the dataset was built with."""
        identity = self._prepared.identity
        return {
            "format": identity.file_format,
            **{k: v for k, v in identity.settings.items() if v not in (None, [], False)},
        }

    def row(self, row: int) -> Mapping[str, Any]:
        """Returns the manifest's row."""
        with self._reading:
            metadata = self._manifest.metadata
            group = 0
            while row >= (rows := metadata.row_group(group).num_rows):
                row, group = row - rows, group + 1
            return self._manifest.read_row_group(group).slice(row, 1).to_pylist()[0]

    def record(self, row: int) -> StoredClip | str | None:
        """Returns the record of a written clip."""
        return self._record(row) if self._index[row] >= 0 else None

    def planned(self, row: int) -> PlannedClip | None:
        """Returns None: frames are in the records."""
        del row
        return None

    def media(self, row: int) -> MediaPath | None:
        """Returns None: a dataset does not say where the folder of clips lies."""
        del row
        return None

    @functools.cached_property
    def _offsets(self) -> np.ndarray:
        """Where each row's record starts in its shard, in bytes: int64 [N], meaningless for rows without a record."""
        sizes = np.where(self._index >= 0, self.table.rows["bytes"].fill_null(0).to_numpy() + FRAMING_BYTES, 0)
        split = self.table.codes("split")
        order = np.lexsort((self._index, self._shard, split))
        ends = np.cumsum(sizes[order])
        starts = ends - sizes[order]
        new_shard = np.r_[True, (np.diff(split[order]) != 0) | (np.diff(self._shard[order]) != 0)]
        shard_starts = np.maximum.accumulate(np.where(new_shard, starts, 0))
        offsets = np.empty(len(order), np.int64)
        offsets[order] = starts - shard_starts
        return offsets

    def _read_record(self, row: int) -> StoredClip | str:
        prepared, index = self._prepared, int(self._index[row])
        path = prepared.folder / prepared.file_name(self.table.value("split", row), int(self._shard[row]))
        size = self.table.rows["bytes"][row].as_py()
        try:
            raw = read_record(path, prepared.identity.file_format, index, int(self._offsets[row]), size)
        except OSError as error:
            return f"{path.name} cannot be read: {error.strerror or error}"
        if raw.data is None:
            return f"{path.name}, record {index}: {raw.problem}"
        try:
            features = tf_example_pb2.Example.FromString(raw.data).features.feature
            return _to_clip(features, raw.problem, prepared.identity.settings.get("audio_rate"))
        except Exception as error:  # protobuf's own errors differ between its implementations
            return f"{path.name}, record {index}: no record of a clip ({type(error).__name__})"


def _to_clip(features: Mapping[str, Any], problem: str | None, audio_rate: int | None) -> StoredClip:
    fields = {}
    for name in sorted(features):
        values = getattr(features[name], features[name].WhichOneof("kind")).value
        if name not in ("video", "audio", "timestamps") and len(values) == 1:
            fields[name] = _to_json(values[0])
    if problem:
        fields["problem"] = problem
    audio = features["audio"].bytes_list.value if "audio" in features else ()
    return StoredClip(
        fields=fields,
        frames=tuple(features["video"].bytes_list.value),
        timestamps=tuple(filter(math.isfinite, features["timestamps"].float_list.value)),
        audio=audio[0] if audio else None,
        audio_rate=audio_rate if audio else None,
    )


def _to_json(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    # JSON knows no infinity; only a damaged record holds one.
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
