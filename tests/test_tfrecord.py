"""The framing that TensorFlow itself writes."""

from __future__ import annotations

import pytest
import tensorflow as tf

from kinetics_tfds import tfrecord


@pytest.mark.parametrize("data", [b"", b"abc", bytes(range(256)) * 300])
def test_what_tensorflow_writes_is_read(tmp_path, data):
    path = tmp_path / "records"
    with tf.io.TFRecordWriter(str(path)) as writer:
        writer.write(data)
    record = path.read_bytes()
    assert len(record) == len(data) + tfrecord.FRAMING_BYTES
    header, body, footer = record[: tfrecord.HEADER_BYTES], record[tfrecord.HEADER_BYTES : -4], record[-4:]
    assert tfrecord.read_length(header) == len(data)
    assert tfrecord.is_intact(body, footer)
    for position in range(tfrecord.HEADER_BYTES):
        damaged = bytearray(header)
        damaged[position] ^= 1
        assert tfrecord.read_length(bytes(damaged)) is None
    assert not tfrecord.is_intact(body + b"x", footer)
