"""The raw records of a shard: written, and read one in memory at a time, saying exactly where a file is damaged.

TFDS's readers stop at the first damage with an error that names no record, and see no length that is right for another
shard. Here a record whose bytes are damaged is given with its problem, and reading goes on behind it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator
from typing import Any

from etils import epath
from tensorflow_datasets.core import file_adapters

from kinetics_tfds import tfrecord
from kinetics_tfds.errors import VerifyError
from kinetics_tfds.file_systems import open_file


@dataclasses.dataclass(frozen=True, slots=True)
class RawRecord:
    """One record as it lies in a file.

    Attributes:
        data: its bytes; None where they cannot be read.
        problem: what is wrong with it, None for nothing.
    """

    data: bytes | None
    problem: str | None = None


def read_records(path: epath.PathLike, file_format: str) -> Iterator[RawRecord]:
    """Yields the records of a shard in order, damaged ones too as far as they can be told apart.

    Args:
        path: the file.
        file_format: TFDS's name of its format, `tfrecord` or `array_record`.

    Raises:
        OSError: the file cannot be opened.
        VerifyError: another format.
    """
    if file_format == "tfrecord":
        return _read_tfrecord(epath.Path(path))
    if file_format == "array_record":
        return _read_array_record(os.fspath(path))
    raise VerifyError(
        f"{os.fspath(path)}: records of the format {file_format!r} cannot be read one by one.",
        "Convert the dataset with `tfds convert_format --out_file_format=tfrecord`.",
    )


def read_record(path: epath.PathLike, file_format: str, index: int, offset: int, size: int) -> RawRecord:
    """Returns one record of a shard without reading the others.

    Args:
        path: the file.
        file_format: TFDS's name of its format, `tfrecord` or `array_record`.
        index: the record's number in the file.
        offset: where it starts in the file, in bytes; ignored for `array_record`, which has an index of its own.
        size: bytes of its data.

    Raises:
        OSError: the file cannot be opened.
        VerifyError: another format.
    """
    if file_format != "tfrecord":
        reader = _open_array_record(os.fspath(path))
        return reader if isinstance(reader, RawRecord) else _read_one(reader, index)
    with open_file(path) as file:
        file.seek(offset)
        framed = file.read(size + tfrecord.FRAMING_BYTES)
    header, data, footer = (
        framed[: tfrecord.HEADER_BYTES],
        framed[tfrecord.HEADER_BYTES : -tfrecord.FOOTER_BYTES],
        framed[-tfrecord.FOOTER_BYTES :],
    )
    if len(framed) < size + tfrecord.FRAMING_BYTES or tfrecord.read_length(header) != size:
        return RawRecord(None, "no record of this length starts where the manifest says")
    return RawRecord(data, None if tfrecord.is_intact(data, footer) else "the checksum of its data is wrong")


def write_records(
    path: epath.Path, file_format: file_adapters.FileFormat, records: Iterable[tuple[str, bytes]]
) -> None:
    """Writes the records of a shard, given with their keys, to a local file."""
    if file_format is not file_adapters.FileFormat.TFRECORD:
        file_adapters.ADAPTER_FOR_FORMAT[file_format].write_examples(path, records)
        return
    with path.open("wb") as file:
        for _, data in records:
            tfrecord.write_record(file, data)


def link_or_copy(source: epath.PathLike, target: epath.Path) -> None:
    """Gives a local or remote file a second, local name: the same bytes on disk where the file system can do that."""
    with contextlib.suppress(OSError):
        os.link(source, target)
        return
    with open_file(source) as file, target.open("wb") as copy:
        shutil.copyfileobj(file, copy, 1 << 20)


def hash_record(record: bytes) -> str:
    """Returns the hash that reports and manifests hold of a serialised record: blake2b, 32 hexadecimal digits."""
    return hashlib.blake2b(record, digest_size=16).hexdigest()


def _read_tfrecord(path: epath.Path) -> Iterator[RawRecord]:
    size = path.stat().length
    with path.open("rb") as file:
        while header := file.read(tfrecord.HEADER_BYTES):
            if len(header) < tfrecord.HEADER_BYTES:
                yield RawRecord(None, f"the file ends within the record's header, {len(header)} bytes into it")
                return
            length = tfrecord.read_length(header)
            if length is None:
                # Without its length nobody knows where the next record starts.
                yield RawRecord(None, "the checksum of its length is wrong; the file cannot be read from here on")
                return
            left = size - file.tell()
            wanted = length + tfrecord.FOOTER_BYTES
            if wanted > left:
                yield RawRecord(None, f"the file ends within the record: {wanted} bytes expected, {left} are left")
                return
            data = file.read(length)
            intact = tfrecord.is_intact(data, file.read(tfrecord.FOOTER_BYTES))
            yield RawRecord(data, None if intact else "the checksum of its data is wrong")


def _read_array_record(path: str) -> Iterator[RawRecord]:
    reader = _open_array_record(path)
    if isinstance(reader, RawRecord):
        yield reader
        return
    for index in range(reader.num_records()):
        record = _read_one(reader, index)
        yield record
        if record.problem:
            # A reader that met damage gives nothing more.
            reader = _open_array_record(path)


def _open_array_record(path: str) -> Any:
    """Returns a reader, or the problem of a file without a readable index."""
    # Imported here: TFRecord is what nearly everyone has.
    from array_record.python.array_record_module import ArrayRecordReader

    if not os.path.exists(path):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
    try:
        reader = ArrayRecordReader(path)
        reader.num_records()
    except (RuntimeError, ValueError) as error:
        return RawRecord(None, f"the file's index cannot be read: {_first_line(error)}")
    return reader


def _read_one(reader: Any, index: int) -> RawRecord:
    try:
        return RawRecord(reader.read([index])[0])
    except (RuntimeError, ValueError, IndexError) as error:
        return RawRecord(None, f"array_record: {_first_line(error)}")


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
