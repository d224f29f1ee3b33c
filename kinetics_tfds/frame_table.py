"""Where every frame of a shard lies: the table beside each shard that lets a reader fetch only the frames it wants.

One NumPy file (`.npy`) per shard with one row per frame, in the order of the records; the manifest says how many rows a
record has. Offsets count from the start of the record's data, so that the table serves every record format. The name
starts with a dot: readers that list `train*` or `kinetics600-train*` must not take it for a shard.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterable

import google_crc32c
import numpy as np
from etils import epath

# `time` is the frame's timestamp in seconds: frames can be chosen before anything of the shard is read.
ROW = np.dtype([("offset", "<u4"), ("size", "<u4"), ("crc32c", "<u4"), ("time", "<f4")])

_PROBE_BYTES = 32


def file_name(shard: str) -> str:
    """Returns the name of a shard's table.

    >>> file_name("kinetics600-train.tfrecord-00000-of-00008")
    '.kinetics600-train.tfrecord-00000-of-00008.frames.npy'
    """
    return f".{shard}.frames.npy"


def is_frame_table(name: str) -> bool:
    """Returns whether a file of this name is a table of frames."""
    return name.startswith(".") and name.endswith(".frames.npy")


def frame_rows(record: bytes) -> np.ndarray:
    """Returns the rows of one record, `ROW` [T].

    Args:
        record: a serialised `tf.train.Example` with `video` (JPEG frames) and `timestamps`.

    Raises:
        ValueError: the bytes are no such record.
    """
    from tensorflow_datasets.proto import tf_example_pb2  # a second of imports that readers of tables do not need

    try:
        features = tf_example_pb2.Example.FromString(record).features.feature
    except Exception as error:  # protobuf's own errors differ between its implementations
        raise ValueError(f"no serialised example: {error}") from error
    frames, times = features["video"].bytes_list.value, features["timestamps"].float_list.value
    if len(times) != len(frames):
        raise ValueError(f"{len(frames)} frames and {len(times)} timestamps")
    rows = np.zeros(len(frames), ROW)
    end = 0
    for row, frame in zip(rows, frames, strict=True):
        start = _find(record, frame, end)
        end = start + len(frame)
        row["offset"], row["size"], row["crc32c"] = start, len(frame), google_crc32c.value(frame)
    rows["time"] = times
    return rows


def to_bytes(records: Iterable[np.ndarray]) -> bytes:
    """Returns the content of a table: `frame_rows` of each record of the shard, in order."""
    file = io.BytesIO()
    np.lib.format.write_array(file, np.concatenate([np.zeros(0, ROW), *records]), version=(1, 0))
    return file.getvalue()


def open_table(path: str | os.PathLike[str]) -> np.ndarray:
    """Returns a local table, `ROW` [N], mapped into memory: only the pages that are looked at are read.

    Raises:
        OSError: it does not exist.
        ValueError: the file is no table of frames, or is cut off.
    """
    with open(path, "rb") as file:
        rows, start = read_header(file.read(HEADER_BYTES))
    return np.memmap(path, ROW, "r", start, (rows,)) if rows else np.zeros(0, ROW)


def read_table(path: epath.Path) -> np.ndarray:
    """Returns a table that lies anywhere, `ROW` [N], read into memory.

    Raises:
        OSError: it cannot be read.
        ValueError: the file is no table of frames.
    """
    data = path.read_bytes()
    rows, start = read_header(data[:HEADER_BYTES])
    return np.frombuffer(data, ROW, rows, start)


def read_header(start: bytes) -> tuple[int, int]:
    """Returns how many rows a table has and where they start, from its first bytes.

    Raises:
        ValueError: they are not the start of a table of frames.
    """
    file = io.BytesIO(start)
    np.lib.format.read_magic(file)
    shape, _, dtype = np.lib.format.read_array_header_1_0(file)
    if dtype != ROW or len(shape) != 1:
        raise ValueError(f"rows of {dtype}")
    return shape[0], file.tell()


def _find(record: bytes, frame: bytes, start: int) -> int:
    """Returns where a frame starts: a few bytes behind the last one."""
    at = record.index(frame[:_PROBE_BYTES], start)
    while not record.startswith(frame, at):
        at = record.index(frame[:_PROBE_BYTES], at + 1)
    return at


# NumPy pads the header to a multiple of 64 bytes, and leaves room for the number of rows to grow.
HEADER_BYTES = len(to_bytes([]))
