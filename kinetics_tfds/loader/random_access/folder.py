"""A prepared dataset's folder, read from its own small files: opening it takes no builder and so no TensorFlow."""

from __future__ import annotations

import dataclasses
import json
import os
import types
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from kinetics_tfds.annotations.clip import UNLABELLED
from kinetics_tfds.errors import ConfigError, LoaderError
from kinetics_tfds.file_systems import open_file
from kinetics_tfds.loader.checks import unknown
from kinetics_tfds.tfrecord import FRAMING_BYTES, HEADER_BYTES

_FORMATS = ("tfrecord", "array_record")
_COLUMNS = ["split", "state", "shard", "index", "bytes", "frames", "id", "label"]


@dataclasses.dataclass(frozen=True)
class ClipIndex:
    """Where the clips of a split lie, in its order; the arrays have one length, N.

    Attributes:
        name: dataset and split, for messages.
        file_format: `tfrecord` or `array_record`.
        class_names: raw class names; the index is the label.
        fps: stored frames per second, where it is the same for all clips; otherwise None.
        paths: the shards.
        file: int32 [N], which of the shards.
        number: int32 [N], number of the record in its shard.
        data: int64 [N], where the record's data starts in its shard, in bytes; for `tfrecord` alone.
        size: int64 [N], bytes of the record's data.
        first_row: int64 [N], the first of its rows in the shard's table of frames.
        frames: int32 [N], how many frames it has.
        label: int32 [N], -1: unlabelled.
        id: bytes [N].
    """

    name: str
    file_format: str
    class_names: tuple[str, ...]
    fps: float | None
    paths: tuple[str, ...]
    file: np.ndarray
    number: np.ndarray
    data: np.ndarray
    size: np.ndarray
    first_row: np.ndarray
    frames: np.ndarray
    label: np.ndarray
    id: np.ndarray

    def __len__(self) -> int:
        return len(self.file)

    def rows(self, rows: np.ndarray) -> ClipIndex:
        """Returns the clips at these positions, integers [M], in their order."""
        columns = ("file", "number", "data", "size", "first_row", "frames", "label", "id")
        return dataclasses.replace(self, **{name: getattr(self, name)[rows] for name in columns})


def open_index(dataset: Any, split: str, classes: Any = None) -> ClipIndex:
    """Returns where the clips of a split lie.

    Args:
        dataset: the folder of a prepared dataset, as a path or URL; or a TFDS builder of one.
        split: a split's name, or a part of it in TFDS's notation: `train[:10%]`.
        classes: names or indices of the classes to keep; None: all.

    Raises:
        LoaderError: the folder holds no dataset that this project built.
        ConfigError: there is no such split or class.
    """
    folder = os.fspath(getattr(dataset, "data_path", dataset)).rstrip("/")
    info = _json(folder, "dataset_info.json")
    file_format = info.get("fileFormat", "tfrecord")
    if file_format not in _FORMATS:
        raise LoaderError(
            f"{folder} is stored as {file_format}, whose records cannot be read one by one.",
            f"Build it with --file_format={_FORMATS[0]} or {_FORMATS[1]}.",
        )
    lengths = {part["name"]: [int(length) for length in part["shardLengths"]] for part in info["splits"]}
    names = _text(folder, "label.labels.txt").splitlines()
    index = ClipIndex(
        name=f"{info['name']}:{split}",
        file_format=file_format,
        class_names=tuple(names),
        fps=_json(folder, "config.json").get("settings", {}).get("fps"),
        **_records(folder, _ranges(split, lengths), lengths, info["name"], file_format, names),
    )
    return index if classes is None else index.rows(np.flatnonzero(np.isin(index.label, _labels(index, classes))))


def _ranges(split: str, lengths: dict[str, list[int]]) -> list[tuple[str, int, int]]:
    """Returns (split, start, end) of each part, counted in records."""
    totals = {name: sum(of_shard) for name, of_shard in lengths.items()}
    if split in totals:
        return [(split, 0, totals[split])]
    # Only a part of a split costs a second of TFDS's imports.
    from tensorflow_datasets.core import splits

    try:
        infos = {name: types.SimpleNamespace(num_examples=total) for name, total in totals.items()}
        parts = splits.ReadInstruction.from_spec(split).to_absolute(infos)
    except (KeyError, ValueError, AssertionError) as error:
        raise unknown("split", split, totals) from error
    return [(part.splitname, part.from_ or 0, totals[part.splitname] if part.to is None else part.to) for part in parts]


def _records(
    folder: str,
    ranges: list[tuple[str, int, int]],
    lengths: dict[str, list[int]],
    dataset: str,
    file_format: str,
    class_names: list[str],
) -> dict[str, Any]:
    table = _manifest(folder)
    parts, paths = [], []
    for split, start, end in ranges:
        of_split = table.filter(pc.equal(table["split"], split)).sort_by(
            [("shard", "ascending"), ("index", "ascending")]
        )
        count = len(lengths[split])
        shard = of_split["shard"].to_numpy()
        if np.bincount(shard, minlength=count).tolist() != lengths[split]:
            raise LoaderError(
                f"The manifest of {folder} counts other records of {split} than dataset_info.json.",
                "Check the dataset with `kinetics verify`.",
            )
        first = np.searchsorted(shard, shard)  # the position of each record's shard's first one
        size, frames = of_split["bytes"].to_numpy(), of_split["frames"].to_numpy()
        label = pc.index_in(of_split["label"].cast(pa.string()), pa.array(class_names)).fill_null(UNLABELLED)
        columns = {
            "file": (shard + len(paths)).astype(np.int32),
            "number": (np.arange(len(shard)) - first).astype(np.int32),
            "data": _before(size + FRAMING_BYTES, first) + HEADER_BYTES,
            "size": size,
            "first_row": _before(frames, first),
            "frames": frames,
            "label": label.to_numpy().astype(np.int32),
            "id": np.array(of_split["id"].to_pylist(), np.bytes_),
        }
        parts.append({name: values[start:end] for name, values in columns.items()})
        stem = f"{folder}/{dataset}-{split}.{file_format}"
        paths += [f"{stem}-{number:05d}-of-{count:05d}" for number in range(count)]
    return {"paths": tuple(paths), **{name: np.concatenate([part[name] for part in parts]) for name in parts[0]}}


def _before(values: np.ndarray, first: np.ndarray) -> np.ndarray:
    """Returns int64: the sum of the values of the same shard that come before each one."""
    start = np.concatenate([[0], np.cumsum(values.astype(np.int64))])
    return start[:-1] - start[first]


def _labels(index: ClipIndex, classes: Any) -> list[int]:
    labels = []
    for item in classes:
        if isinstance(item, str) and item not in index.class_names:
            raise unknown(f"class of {index.name}", item, index.class_names)
        label = index.class_names.index(item) if isinstance(item, str) else int(item)
        if not 0 <= label < len(index.class_names):
            raise ConfigError(
                f"{index.name} has no class {item!r}.", f"Give a name, or 0 to {len(index.class_names) - 1}."
            )
        labels.append(label)
    return labels


def _manifest(folder: str) -> pa.Table:
    try:
        with open_file(f"{folder}/manifest.parquet") as file:
            table = pq.read_table(file, columns=_COLUMNS)
    except (OSError, KeyError, pa.ArrowException) as error:
        raise LoaderError(
            f"The manifest of {folder} cannot be read: {error}.",
            "Random access goes by it: build the dataset with this project, or check it with `kinetics verify`.",
        ) from error
    table = table.filter(pc.equal(table["state"], "written"))
    return table.set_column(0, "split", table["split"].cast(pa.string()))


def _text(folder: str, name: str) -> str:
    try:
        with open_file(f"{folder}/{name}") as file:
            return file.read().decode()
    except OSError as error:
        raise LoaderError(
            f"{folder} holds no prepared dataset: {name} cannot be read: {error}.",
            "Name the folder that dataset_info.json lies in: …/kinetics600/jpeg256/1.0.0.",
        ) from error


def _json(folder: str, name: str) -> dict[str, Any]:
    try:
        return json.loads(_text(folder, name))
    except ValueError as error:
        raise LoaderError(f"{name} in {folder} is not JSON.", "Check the dataset with `kinetics verify`.") from error
