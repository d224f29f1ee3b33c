"""SequenceExamples, which DMVR, Scenic, MediaSequence and the Model Garden read.

Names and units are those of MediaSequence (mediapipe/util/sequence/media_sequence.py); times are microseconds of the
original video.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from etils import epath
from tensorflow_datasets.core import file_adapters
from tensorflow_datasets.proto import tf_example_pb2, tf_feature_pb2

from kinetics_tfds.exports.export import Export
from kinetics_tfds.exports.record import ClipRecord
from kinetics_tfds.prepared.dataset import Prepared


class SequenceExamples:
    """See `ExportFormat`."""

    def shard_name(self, export: Export, index: int) -> str:
        """See `ExportFormat`."""
        return f"{export.name}-{index:05d}-of-{export.num_shards:05d}"

    def write(self, path: epath.Path, records: Iterator[ClipRecord], export: Export, prepared: Prepared) -> None:
        """See `ExportFormat`."""
        rate = prepared.identity.settings["audio_rate"]
        examples = (to_sequence_example(record, prepared.identity.dataset, rate) for record in records)
        file_adapters.TfRecordFileAdapter.write_examples(path, enumerate(examples))

    def finish(self, export: Export, prepared: Prepared) -> None:
        """Shards describe themselves."""


FORMAT = SequenceExamples()


def to_sequence_example(record: ClipRecord, dataset: str, audio_rate: int | None = None) -> bytes:
    """Returns a clip as a serialised SequenceExample; unlabelled clips have no label features.

    Args:
        record: the clip.
        dataset: the dataset's name.
        audio_rate: samples per second of `record.audio`, where it has some.
    """
    lists = {
        "image/encoded": [_bytes(frame) for frame in record.frames],
        "image/timestamp": [_ints(_microseconds(record.time_start + float(time))) for time in record.timestamps],
    }
    context = _context(record, dataset)
    if record.audio is not None:
        lists["WAVEFORM/feature/floats"] = [_floats((record.audio / 32768.0).tolist())]
        lists["WAVEFORM/feature/timestamp"] = [_ints(_microseconds(record.time_start))]
        context["WAVEFORM/feature/sample_rate"] = _floats([float(audio_rate or 0)])
        context["WAVEFORM/feature/num_channels"] = _ints(1)
        context["WAVEFORM/feature/num_samples"] = _ints(len(record.audio))
    example = tf_example_pb2.SequenceExample(
        context=tf_feature_pb2.Features(feature=context),
        feature_lists=tf_feature_pb2.FeatureLists(
            feature_list={name: tf_feature_pb2.FeatureList(feature=steps) for name, steps in lists.items()}
        ),
    )
    return example.SerializeToString(deterministic=True)


def _context(record: ClipRecord, dataset: str) -> dict[str, Any]:
    width, height = record.size
    context = {
        "example/id": _bytes(record.id.encode()),
        "example/dataset_name": _bytes(dataset.encode()),
        "clip/media_id": _bytes(record.youtube_id.encode()),
        "clip/data_path": _bytes(record.id.encode()),
        "clip/start/timestamp": _ints(_microseconds(record.time_start)),
        "clip/end/timestamp": _ints(_microseconds(record.time_end)),
        "image/format": _bytes(b"JPEG"),
        "image/frame_rate": _floats([record.fps]),
        "image/height": _ints(height),
        "image/width": _ints(width),
        "image/channels": _ints(3),
    }
    if record.label is not None and record.label_name is not None:
        context["clip/label/index"] = _ints(record.label)
        context["clip/label/text"] = context["clip/label/string"] = _bytes(record.label_name.encode())
    return context


def _microseconds(seconds: float) -> int:
    return round(seconds * 1e6)


def _bytes(value: bytes) -> Any:
    return tf_feature_pb2.Feature(bytes_list=tf_feature_pb2.BytesList(value=[value]))


def _ints(value: int) -> Any:
    return tf_feature_pb2.Feature(int64_list=tf_feature_pb2.Int64List(value=[value]))


def _floats(values: list[float]) -> Any:
    return tf_feature_pb2.Feature(float_list=tf_feature_pb2.FloatList(value=values))
