"""Whole records out of a shard, for what has no table of frames: ArrayRecord files, and shards of older datasets."""

from __future__ import annotations

import functools
from typing import Any

from kinetics_tfds import tfrecord
from kinetics_tfds.errors import LoaderError
from kinetics_tfds.loader.random_access.byte_ranges import read_range
from kinetics_tfds.loader.random_access.folder import ClipIndex


def read_record(index: ClipIndex, position: int) -> bytes:
    """Returns the data of one record.

    Args:
        index: of the split.
        position: of the clip in it.

    Raises:
        LoaderError: it is damaged or missing; names the shard and the clip.
    """
    path, size = index.paths[index.file[position]], int(index.size[position])
    try:
        if index.file_format == "array_record":
            return _array_record(path).read([int(index.number[position])])[0]
        start = int(index.data[position]) - tfrecord.HEADER_BYTES
        framed = read_range(path, start, start + size + tfrecord.FRAMING_BYTES)
    except (OSError, RuntimeError, ValueError, IndexError) as error:
        raise damaged(index, position, f"cannot be read: {error}") from error
    header, data, footer = (
        framed[: tfrecord.HEADER_BYTES],
        framed[tfrecord.HEADER_BYTES : -tfrecord.FOOTER_BYTES],
        framed[-tfrecord.FOOTER_BYTES :],
    )
    if len(data) < size or tfrecord.read_length(header) != size or not tfrecord.is_intact(data, footer):
        raise damaged(index, position, "does not have the length and checksum that it should")
    return data


def damaged(index: ClipIndex, position: int, what: str) -> LoaderError:
    """Returns the error for a clip that cannot be read."""
    where = f"shard {index.paths[index.file[position]]} record {index.number[position]}"
    return LoaderError(
        f"Damaged record: {where} ({index.id[position].decode()}) {what}.",
        "Check the dataset with `kinetics verify`, and build the shard again.",
    )


@functools.lru_cache(maxsize=16)
def _array_record(path: str) -> Any:
    from array_record.python.array_record_module import ArrayRecordReader

    return ArrayRecordReader(path, "readahead_buffer_size:0")
