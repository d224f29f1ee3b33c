"""The record: its schema, and how a decoded clip becomes one.

One record holds one clip. Frames are stored as they were encoded by the decoder, so that a reader can choose frames
before it decodes them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from kinetics_tfds.annotations.clip import UNLABELLED, Clip
from kinetics_tfds.decode.types import DecodedClip

# Counts changes of the schema or of the values it holds; a build of another revision is another dataset.
RECORD_REVISION = 1


def make_features(class_names: Sequence[str], audio_rate: int | None = None) -> tfds.features.FeaturesDict:
    """Returns the schema of a record.

    Args:
        class_names: raw class names in index order.
        audio_rate: samples a second of the stored audio; None where the config stores none.

    Returns:
        `video` uint8 [T, H, W, 3] (JPEG), `label` int64 (-1: unlabelled), `id`, `youtube_id` strings, `time_start`,
        `time_end` float32 seconds in the original video, `fps` float32, `timestamps` float32 [T] seconds from the
        clip's start, `original_width`, `original_height` int32 pixels, `original_fps` float32, and with audio `audio`
        int16 [S] mono, stored as raw bytes (two a sample).
    """
    features: dict[str, Any] = {
        "video": tfds.features.Video(shape=(None, None, None, 3), encoding_format="jpeg"),
        "label": tfds.features.ClassLabel(names=list(class_names)),
        "id": tfds.features.Text(doc="{youtube_id}_{time_start:06d}_{time_end:06d}"),
        "youtube_id": tfds.features.Text(),
        "time_start": tfds.features.Scalar(np.float32, doc="Seconds in the original video."),
        "time_end": tfds.features.Scalar(np.float32, doc="Seconds in the original video; exclusive."),
        "fps": tfds.features.Scalar(np.float32, doc="Stored frames a second."),
        "timestamps": tfds.features.Tensor(
            shape=(None,), dtype=np.float32, doc="Presentation time of each frame, in seconds from the clip's start."
        ),
        "original_width": tfds.features.Scalar(np.int32, doc="Displayed width of the source, in pixels."),
        "original_height": tfds.features.Scalar(np.int32, doc="Displayed height of the source, in pixels."),
        "original_fps": tfds.features.Scalar(np.float32, doc="Mean frames a second of the source."),
    }
    if audio_rate is not None:
        features["audio"] = tfds.features.Tensor(
            shape=(None,), dtype=np.int16, encoding="bytes", doc=f"Mono samples, {audio_rate} a second."
        )
    return tfds.features.FeaturesDict(features)


def to_example(clip: Clip, decoded: DecodedClip) -> dict[str, Any]:
    """Returns the example of one clip, ready for `features.encode_example`."""
    example: dict[str, Any] = {
        "video": decoded.frames,
        "label": UNLABELLED if clip.label is None else clip.label,
        "id": clip.id,
        "youtube_id": clip.youtube_id,
        "time_start": clip.time_start,
        "time_end": clip.time_end,
        "fps": decoded.fps,
        "timestamps": decoded.timestamps,
        "original_width": decoded.original_width,
        "original_height": decoded.original_height,
        "original_fps": decoded.original_fps,
    }
    if decoded.audio is not None:
        example["audio"] = decoded.audio
    return example
