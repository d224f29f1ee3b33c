"""Read: one record out of its shard, checked by its checksum, named when it is damaged."""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from kinetics_tfds.loader.attempts import one_of
from kinetics_tfds.loader.records.index import Index

# A local record goes from the file to its string in one call. Elsewhere each request costs a journey, so that the
# length, the data and the checksum had better come together.
_LOCAL_BUFFER = 0
_REMOTE_BUFFER = 8 << 20


class Address(NamedTuple):
    """Where a record is; scalars.

    Attributes:
        path: string.
        number: int32, of the record in its file.
        offset: int64, in bytes.
        id: string, the clip's id as the index knows it.
    """

    path: tf.Tensor
    number: tf.Tensor
    offset: tf.Tensor
    id: tf.Tensor


class Addresses:
    """The addresses of a split's records, to be looked up by row inside a pipeline."""

    def __init__(self, index: Index) -> None:
        self._paths = tf.constant(index.paths)
        self._file = tf.constant(index.file)
        self._number = tf.constant(index.number)
        self._offset = tf.constant(index.offset)
        self._id = tf.constant(index.id)

    def __getitem__(self, row: tf.Tensor) -> Address:
        return Address(self._paths[self._file[row]], self._number[row], self._offset[row], self._id[row])


def read_records(address: Address, *, remote: bool) -> tf.data.Dataset:
    """Returns the record as a dataset of one string; of none where it is damaged or missing.

    Args:
        address: where the record is.
        remote: whether requests are dear.
    """
    return _attempt(address, remote=remote).map(lambda _, record: record)


def _attempt(address: Address, *, remote: bool) -> tf.data.Dataset:
    """Returns (0, record) as a dataset of one element, or of none."""
    variant = tf.raw_ops.TFRecordDatasetV2(
        filenames=address.path[None],
        compression_type="",
        buffer_size=tf.constant(_REMOTE_BUFFER if remote else _LOCAL_BUFFER, tf.int64),
        byte_offsets=address.offset[None],
    )
    records = tf.data.experimental.from_variant(variant, tf.TensorSpec([], tf.string))
    # The number goes first and ends the dataset after one element. A file that cannot be opened is an error however
    # often it is asked: without an end, ignoring errors would ask for ever.
    return tf.data.Dataset.zip((tf.data.Dataset.range(1), records)).ignore_errors(log_warning=False)


def read_record(address: Address, *, remote: bool) -> tf.Tensor:
    """Returns the record, a string scalar.

    Raises (while iterating):
        tf.errors.InvalidArgumentError: the record is damaged or missing; names the shard and the clip.
    """
    none = tf.data.Dataset.from_tensors((tf.constant(0, tf.int64), tf.constant(b"")))
    _, record = one_of(_attempt(address, remote=remote), none)
    intact = tf.debugging.Assert(
        tf.strings.length(record) > 0,
        [
            "Damaged or missing record: shard",
            address.path,
            "record",
            address.number,
            "id",
            address.id,
            "at byte",
            address.offset,
        ],
        name="damaged_record",
    )
    with tf.control_dependencies([intact]):
        return tf.identity(record)
