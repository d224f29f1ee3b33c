"""A record of this project as plain values."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence

import numpy as np
from tensorflow_datasets.proto import tf_example_pb2

from kinetics_tfds.annotations.clip import UNLABELLED
from kinetics_tfds.jpeg import jpeg_size


@dataclasses.dataclass(frozen=True)
class ClipRecord:
    """One clip of a prepared dataset.

    Attributes:
        id: the clip's.
        youtube_id: the video's.
        label: class index, None where the clip is unlabelled.
        label_name: raw class name, None where the clip is unlabelled.
        time_start: seconds in the original video.
        time_end: seconds in the original video (exclusive).
        fps: stored frames per second.
        timestamps: float32 [T], seconds from the clip's start.
        original_width: of the source in pixels.
        original_height: of the source in pixels.
        original_fps: of the source.
        frames: T JPEG images.
        audio: int16 [S] mono samples; None where the dataset stores none.
    """

    id: str
    youtube_id: str
    label: int | None
    label_name: str | None
    time_start: float
    time_end: float
    fps: float
    timestamps: np.ndarray
    original_width: int
    original_height: int
    original_fps: float
    frames: list[bytes]
    audio: np.ndarray | None

    @functools.cached_property
    def size(self) -> tuple[int, int]:
        """Width and height of the stored frames, in pixels."""
        return jpeg_size(self.frames[0])


def read_record(record: bytes, class_names: Sequence[str]) -> ClipRecord:
    """Reads a serialised `tf.train.Example` of a prepared dataset."""
    features = tf_example_pb2.Example.FromString(record).features.feature

    def text(name: str) -> str:
        return features[name].bytes_list.value[0].decode()

    def number(name: str) -> float:
        return features[name].float_list.value[0]

    label = int(features["label"].int64_list.value[0])
    audio = features["audio"].bytes_list.value[0] if "audio" in features else None
    return ClipRecord(
        id=text("id"),
        youtube_id=text("youtube_id"),
        label=None if label == UNLABELLED else label,
        label_name=None if label == UNLABELLED else class_names[label],
        time_start=number("time_start"),
        time_end=number("time_end"),
        fps=number("fps"),
        timestamps=np.array(features["timestamps"].float_list.value, np.float32),
        original_width=features["original_width"].int64_list.value[0],
        original_height=features["original_height"].int64_list.value[0],
        original_fps=number("original_fps"),
        frames=list(features["video"].bytes_list.value),
        audio=None if audio is None else np.frombuffer(audio, np.int16),
    )
