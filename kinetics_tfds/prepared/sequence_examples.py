"""Exports a prepared dataset as the SequenceExamples that DMVR, Scenic, MediaSequence and the Model Garden read.

An output shard is a run of neighbouring records, whatever the number of output shards. It is read from the dataset's
own shards and written alone: anywhere, in any order, and again after a kill.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from etils import epath
from tensorflow_datasets.core import file_adapters
from tensorflow_datasets.proto import tf_example_pb2, tf_feature_pb2

from kinetics_tfds.annotations.clip import UNLABELLED
from kinetics_tfds.annotations.versions import get_version
from kinetics_tfds.errors import ConfigError, PlanMismatchError, VerifyError
from kinetics_tfds.prepared.dataset import Prepared, open_prepared
from kinetics_tfds.prepared.records import read_records
from kinetics_tfds.prepared.stats import jpeg_size
from kinetics_tfds.slices import even_slice

# The only rate that the readers know.
AUDIO_RATE = 48_000
_NOTE = "export.json"


@dataclasses.dataclass(frozen=True)
class Export:
    """What to export where; small enough to send to every worker.

    Attributes:
        source: folder of the prepared dataset.
        target: folder of the shards to write.
        split: the split to export.
        name: what the shards' names begin with, as in `{name}-00000-of-01024`.
        num_shards: how many.
        audio: whether to export the audio, where there is any.
    """

    source: str
    target: str
    split: str
    name: str
    num_shards: int
    audio: bool = True

    def path(self, index: int) -> epath.Path:
        """The file of one shard."""
        return epath.Path(self.target) / f"{self.name}-{index:05d}-of-{self.num_shards:05d}"


def prepare_export(export: Export) -> list[int]:
    """Checks that the export can be made, and returns the shards that are still to write.

    Raises:
        ConfigError: an unknown split, a bad number of shards, or audio of another rate than readers know.
        PlanMismatchError: the target holds shards of that name from another export.
    """
    prepared = open_prepared(export.source)
    if export.split not in prepared.identity.splits:
        raise ConfigError(
            f"The dataset has no split {export.split!r}.", f"Use one of {', '.join(prepared.identity.splits)}."
        )
    if not 1 <= export.num_shards <= 99_999:
        raise ConfigError(f"num_shards is {export.num_shards}.", "Set it to 1 to 99999.")
    rate = prepared.identity.settings.get("audio_rate")
    if export.audio and rate not in (None, AUDIO_RATE):
        raise ConfigError(
            f"The dataset's audio has {rate} samples a second; readers of SequenceExamples expect {AUDIO_RATE}.",
            f"Build with a config whose audio_rate is {AUDIO_RATE}, or leave the audio out with --no_audio.",
        )
    _write_note(export, prepared.identity.fingerprint)
    return [index for index in range(export.num_shards) if not export.path(index).exists()]


def export_shard(prepared: Prepared, export: Export, index: int) -> int:
    """Writes one shard, whole or not at all, and returns how many clips it holds.

    Args:
        prepared: the dataset, opened once for all shards that a process writes.
        export: what to export where.
        index: the output shard's number.

    Raises:
        VerifyError: a record of the dataset is damaged.
    """
    names = get_version(prepared.identity.dataset).class_names
    written = 0

    def examples() -> Iterator[tuple[int, bytes]]:
        nonlocal written
        for record in _records(prepared, export, index):
            yield written, to_sequence_example(record, names, audio=export.audio)
            written += 1

    final = export.path(index)
    # Two workers may be given the same shard: each has its own temporary file, and the last rename wins.
    temporary = final.parent / f".{final.name}.{uuid.uuid4().hex}.partial"
    try:
        file_adapters.TfRecordFileAdapter.write_examples(temporary, examples())
        temporary.replace(final)
    finally:
        temporary.unlink(missing_ok=True)
    return written


def to_sequence_example(record: bytes, class_names: Sequence[str], *, audio: bool = True) -> bytes:
    """Returns a record of this project as a serialised SequenceExample.

    Names and units are those of MediaSequence, times in microseconds of the original video; unlabelled clips have no
    label features.

    Args:
        record: a serialised `tf.train.Example`.
        class_names: of the dataset's version.
        audio: whether to take the audio over, as float32 samples from -1 to 1.
    """
    features = tf_example_pb2.Example.FromString(record).features.feature
    start = features["time_start"].float_list.value[0]
    times = [_microseconds(start + time) for time in features["timestamps"].float_list.value]
    lists = {
        "image/encoded": [_bytes(image) for image in features["video"].bytes_list.value],
        "image/timestamp": [_ints(time) for time in times],
    }
    if audio and "audio" in features:
        samples = np.frombuffer(features["audio"].bytes_list.value[0], np.int16)
        lists["WAVEFORM/feature/floats"] = [_floats((samples / 32768.0).tolist())]
    example = tf_example_pb2.SequenceExample(
        context=tf_feature_pb2.Features(feature=_context(features, class_names)),
        feature_lists=tf_feature_pb2.FeatureLists(
            feature_list={name: tf_feature_pb2.FeatureList(feature=steps) for name, steps in lists.items()}
        ),
    )
    return example.SerializeToString(deterministic=True)


def _context(features: Mapping[str, Any], class_names: Sequence[str]) -> dict[str, Any]:
    """Returns the features that hold for the whole clip."""
    label = features["label"].int64_list.value[0]
    start, end = (features[name].float_list.value[0] for name in ("time_start", "time_end"))
    width, height = (int(side) for side in jpeg_size(features["video"].bytes_list.value[0]).split("x"))
    context = {
        "example/id": _bytes(features["id"].bytes_list.value[0]),
        "clip/media_id": _bytes(features["youtube_id"].bytes_list.value[0]),
        "clip/data_path": _bytes(features["id"].bytes_list.value[0]),
        "clip/start/timestamp": _ints(_microseconds(start)),
        "clip/end/timestamp": _ints(_microseconds(end)),
        "image/format": _bytes(b"JPEG"),
        "image/frame_rate": _floats([features["fps"].float_list.value[0]]),
        "image/height": _ints(height),
        "image/width": _ints(width),
        "image/channels": _ints(3),
    }
    if label != UNLABELLED:
        name = class_names[label].encode()
        context["clip/label/index"] = _ints(label)
        context["clip/label/text"] = context["clip/label/string"] = _bytes(name)
    return context


def _records(prepared: Prepared, export: Export, index: int) -> Iterator[bytes]:
    """Yields the dataset's records that belong to an output shard."""
    lengths = prepared.lengths(export.split)
    part = even_slice(sum(lengths), index, export.num_shards)
    before = 0  # records of the shards before this one
    for number, length in enumerate(lengths):
        low, high = max(part.start - before, 0), min(part.stop - before, length)
        before += length
        if low >= high:
            continue
        shard = prepared.shard(export.split, number)
        for record, raw in enumerate(itertools.islice(read_records(shard.path, shard.file_format), low, high), low):
            if raw.data is None or raw.problem:
                raise VerifyError(
                    f"{shard.name} record {record}: {raw.problem}.", "`kinetics verify` lists everything that is wrong."
                )
            yield raw.data


def _write_note(export: Export, fingerprint: str) -> None:
    """Notes what the target's shards are made from, so that two datasets never mix under one name."""
    target = epath.Path(export.target)
    target.mkdir(parents=True, exist_ok=True)
    path = target / f"{export.name}.{_NOTE}"
    note = {"fingerprint": fingerprint, "split": export.split, "num_shards": export.num_shards, "audio": export.audio}
    if path.exists():
        there: dict[str, Any] = json.loads(path.read_text())
        different = [name for name in note if there.get(name) != note[name]]
        if different:
            raise PlanMismatchError(
                f"{os.fspath(target)} holds shards of {export.name} that were exported with another "
                f"{', another '.join(different)}.",
                "Export into another folder or under another --name, or delete those shards and the note beside them.",
            )
        return
    path.write_text(json.dumps(note, indent=2) + "\n")


def _microseconds(seconds: float) -> int:
    return round(seconds * 1e6)


def _bytes(value: bytes) -> Any:
    return tf_feature_pb2.Feature(bytes_list=tf_feature_pb2.BytesList(value=[value]))


def _ints(value: int) -> Any:
    return tf_feature_pb2.Feature(int64_list=tf_feature_pb2.Int64List(value=[value]))


def _floats(values: list[float]) -> Any:
    return tf_feature_pb2.Feature(float_list=tf_feature_pb2.FloatList(value=values))
