"""Exported SequenceExamples are what DMVR, Scenic, MediaSequence and the Model Garden parse."""

from __future__ import annotations

import dataclasses
import struct

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

from kinetics_tfds.annotations.clip import Clip, Split
from kinetics_tfds.annotations.versions import get_version
from kinetics_tfds.decode.types import DecodedClip
from kinetics_tfds.exports.export import Export, export_shard, prepare_export
from kinetics_tfds.exports.record import read_record
from kinetics_tfds.exports.sequence_examples import to_sequence_example
from kinetics_tfds.features import make_features, to_example
from kinetics_tfds.prepared.dataset import open_prepared
from kinetics_tfds.shards.serialise import ExampleSerialiser

# As DMVR's builders for video and labels ask for them.
CONTEXT = {
    "clip/label/index": tf.io.VarLenFeature(tf.int64),
    "clip/label/text": tf.io.VarLenFeature(tf.string),
    "example/id": tf.io.FixedLenFeature((), tf.string),
    "clip/media_id": tf.io.FixedLenFeature((), tf.string),
    "clip/start/timestamp": tf.io.FixedLenFeature((), tf.int64),
    "clip/end/timestamp": tf.io.FixedLenFeature((), tf.int64),
    "image/frame_rate": tf.io.FixedLenFeature((), tf.float32),
}
SEQUENCES = {
    "image/encoded": tf.io.FixedLenSequenceFeature((), tf.string),
    "image/timestamp": tf.io.FixedLenSequenceFeature((), tf.int64),
}


def _export(folder, target, split="train", num_shards=4, **more) -> Export:
    return Export(str(folder), str(target), "sequence_examples", split, f"kinetics600_{split}", num_shards, **more)


def _run(export: Export) -> list[int]:
    prepared = open_prepared(export.source)
    return [export_shard(prepared, export, index) for index in prepare_export(export)]


@pytest.mark.parametrize("file_format", ["tfrecord", "array_record"])
@pytest.mark.parametrize("num_shards", [1, 2, 5, 20])
def test_all_records_in_their_order(prepared, tmp_path, file_format, num_shards):
    folder = prepared[file_format]
    counts = _run(_export(folder, tmp_path, num_shards=num_shards))
    files = sorted(tmp_path.glob("kinetics600_train-*"))
    assert [file.name for file in files] == [
        f"kinetics600_train-{index:05d}-of-{num_shards:05d}" for index in range(num_shards)
    ]
    assert max(counts) - min(counts) <= 1
    parsed = [
        tf.io.parse_single_sequence_example(record, CONTEXT, SEQUENCES)
        for record in tf.data.TFRecordDataset([str(file) for file in files])
    ]
    builder = tfds.builder_from_directory(prepared["tfrecord"])
    read_config = tfds.ReadConfig(interleave_cycle_length=1)
    examples = builder.as_dataset(
        split="train", read_config=read_config, decoders={"video": tfds.decode.SkipDecoding()}
    )
    names = get_version("kinetics600").class_names
    for (context, sequences), example in zip(parsed, examples, strict=True):
        assert context["example/id"] == example["id"]
        assert context["clip/media_id"] == example["youtube_id"]
        assert context["clip/label/index"].values.numpy().tolist() == [int(example["label"])]
        assert context["clip/label/text"].values.numpy()[0].decode() == names[int(example["label"])]
        assert context["clip/start/timestamp"] == int(example["time_start"] * 1_000_000)
        assert sequences["image/encoded"].numpy().tolist() == example["video"].numpy().tolist()
        assert len(sequences["image/timestamp"]) == len(example["timestamps"])
        assert tf.io.decode_jpeg(sequences["image/encoded"][0]).shape[0] == 32


def test_unlabelled_clips_have_no_label(prepared, tmp_path):
    _run(_export(prepared["tfrecord"], tmp_path, split="test", num_shards=1))
    for record in tf.data.TFRecordDataset([str(next(tmp_path.glob("kinetics600_test-*")))]):
        context, _ = tf.io.parse_single_sequence_example(record, CONTEXT, SEQUENCES)
        assert context["clip/label/index"].values.shape == (0,)


def _record_with_audio() -> bytes:
    jpeg = tf.io.encode_jpeg(np.zeros((48, 64, 3), np.uint8)).numpy()
    audio = np.array([0, 16384, -32768, 32767], np.int16)
    decoded = DecodedClip(
        frames=[jpeg, jpeg],
        timestamps=np.array([0.0, 0.04], np.float32),
        fps=25.0,
        width=64,
        height=48,
        original_width=64,
        original_height=48,
        original_fps=25.0,
        duration=0.08,
        audio=audio,
        audio_rate=48_000,
    )
    features = make_features(["a", "b"], audio_rate=48_000)
    clip = Clip(Split.TRAIN, "abcdefghijk", 3, 13, "b")
    return ExampleSerialiser(features)(features.encode_example(to_example(clip, decoded)))


def test_audio_is_one_step_of_floats():
    lists = {"WAVEFORM/feature/floats": tf.io.VarLenFeature(tf.float32), **SEQUENCES}
    context = {
        "WAVEFORM/feature/sample_rate": tf.io.FixedLenFeature((), tf.float32),
        "WAVEFORM/feature/num_channels": tf.io.FixedLenFeature((), tf.int64),
        "example/dataset_name": tf.io.FixedLenFeature((), tf.string),
        **CONTEXT,
    }
    record = read_record(_record_with_audio(), ["a", "b"])
    whole, sequences = tf.io.parse_single_sequence_example(
        to_sequence_example(record, "kinetics600", 48_000), context, lists
    )
    samples = tf.sparse.to_dense(sequences["WAVEFORM/feature/floats"]).numpy()
    assert samples.tolist() == [[0.0, 0.5, -1.0, struct.unpack("f", struct.pack("f", 32767 / 32768))[0]]]
    assert sequences["image/timestamp"].numpy().tolist() == [3_000_000, 3_040_000]
    assert whole["WAVEFORM/feature/sample_rate"] == 48_000
    assert whole["WAVEFORM/feature/num_channels"] == 1
    assert whole["example/dataset_name"] == b"kinetics600"
    assert b"WAVEFORM" not in to_sequence_example(dataclasses.replace(record, audio=None), "kinetics600")
