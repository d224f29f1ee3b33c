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
def parquet_writer(path: epath.Path, schema: pa.Schema) -> Iterator[pq.ParquetWriter]:
    """Gives a writer; the file is there when the context ends without an error."""
    if is_local(path):
        with pq.ParquetWriter(os.fspath(path), schema, compression="zstd") as writer:
            yield writer
        return
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(sink, schema, compression="zstd") as writer:
        yield writer
    path.write_bytes(sink.getvalue().to_pybytes())


def open_parquet(path: epath.Path) -> pq.ParquetFile:
    """Opens a file for reading.

    Raises:
        OSError, pa.ArrowException: it is not there, or no Parquet file.
    """
    if is_local(path):
        return pq.ParquetFile(os.fspath(path))
    return pq.ParquetFile(pa.BufferReader(path.read_bytes()))
