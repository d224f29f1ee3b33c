"""Parquet files on any file system that TFDS writes to.

TensorFlow's files of buckets are not quite Python's, and pyarrow refuses them: such files go through memory. The
largest, of half a million clips, has 20 MB.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq
from etils import epath

from kinetics_tfds.file_systems import is_local


@contextlib.contextmanager
def parquet_writer(path: epath.PathLike, schema: pa.Schema) -> Iterator[pq.ParquetWriter]:
    """Gives a writer of row groups; the file exists when the context ends without an error."""
    if is_local(path):
        with pq.ParquetWriter(os.fspath(path), schema, compression="zstd") as writer:
            yield writer
        return
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(sink, schema, compression="zstd") as writer:
        yield writer
    epath.Path(path).write_bytes(sink.getvalue().to_pybytes())


def write_parquet(path: epath.PathLike, table: pa.Table) -> None:
    """Writes a whole table, with its schema's metadata."""
    with parquet_writer(path, table.schema) as writer:
        writer.write_table(table)


def open_parquet(path: epath.PathLike) -> pq.ParquetFile:
    """Opens a file for reading.

    Raises:
        OSError: it does not exist.
        pa.ArrowException: it is no Parquet file.
    """
    if is_local(path):
        return pq.ParquetFile(os.fspath(path))
    return pq.ParquetFile(pa.BufferReader(epath.Path(path).read_bytes()))
