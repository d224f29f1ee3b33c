"""Walk a TFRecord file from record to record without reading the frames in it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from kinetics_tfds.annotations.clip import UNLABELLED
from kinetics_tfds.tfrecord import FOOTER_BYTES, HEADER_BYTES, read_length

# Keys of the schema and the numbers before their values fit into this many bytes.
_PEEK = 64


class RecordOffset(NamedTuple):
    """One record.

    Attributes:
        offset: where it starts in its file, in bytes.
        end: where the next one starts.
        label: its label; -1 where it has none or it cannot be read.
        id: its clip's id; empty where it cannot be read.
    """

    offset: int
    end: int
    label: int
    id: bytes


def walk_records(file: BinaryIO, count: int) -> Iterator[RecordOffset]:
    """Yields where each of the first `count` records starts; stops early where the file ends or makes no sense."""
    size = file.seek(0, 2)
    offset = 0
    for _ in range(count):
        file.seek(offset)
        header = file.read(HEADER_BYTES)
        if len(header) < HEADER_BYTES:
            return
        length = read_length(header)
        data = offset + HEADER_BYTES
        end = size if length is None else data + length + FOOTER_BYTES
        if length is None or end > size:
            # Cut off, or its length is damaged, and with it the place of the next one. A length beyond the file must
            # not be read: TensorFlow asks for so much memory first. At the file's end there is nothing to read.
            yield RecordOffset(offset if length is None else size, size, UNLABELLED, b"")
            return
        label, key = _peek(file, data, end - FOOTER_BYTES)
        yield RecordOffset(offset, end, label, key)
        offset = end


def _peek(file: BinaryIO, start: int, end: int) -> tuple[int, bytes]:
    """Returns label and id of a serialised `tf.train.Example` between two offsets."""
    found: dict[bytes, bytes] = {}
    try:
        # Example{features: 1} holds Features{feature: 1, repeated} holds an entry {key: 1, value: 2} each.
        file.seek(start)
        _, at = _number(file.read(_PEEK), 1)
        at += start
        while at < end and len(found) < 2:
            file.seek(at)
            piece = file.read(_PEEK)
            length, inside = _number(piece, 1)
            key_length, key_at = _number(piece, inside + 1)
            key = piece[key_at : key_at + key_length]
            if key in (b"label", b"id"):
                found[key] = piece[key_at + key_length : inside + length]
            at += inside + length
        return _int64(found.get(b"label", b"")), _bytes(found.get(b"id", b""))
    except (IndexError, ValueError):
        return UNLABELLED, b""


def _number(data: bytes, at: int) -> tuple[int, int]:
    """Returns the variable-length number at `at`, and where what follows it starts."""
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at += 1
        shift += 7
        if byte < 128:
            return value, at


def _payload(value: bytes, depth: int) -> bytes:
    """Returns what lies inside `depth` nested fields, each with a tag of one byte."""
    for _ in range(depth):
        length, at = _number(value, 1)
        value = value[at : at + length]
    return value


def _int64(value: bytes) -> int:
    """Returns the number of a feature {int64_list: {value: packed}}; -1 where there is none."""
    if not value:
        return UNLABELLED
    number, _ = _number(_payload(value, 3), 0)
    return number - (1 << 64) if number >> 63 else number


def _bytes(value: bytes) -> bytes:
    """Returns the string of a feature {bytes_list: {value}}."""
    return _payload(value, 3) if value else b""
