"""Small prepared datasets whose pixels say which clip and which frame they are of.

They are made by TFDS's own writer from `features.make_features`, so tests here need no build.
"""

from __future__ import annotations

import pathlib

import cv2
import numpy as np
import tensorflow_datasets as tfds

from kinetics_tfds.features import make_features

CLASSES = ("archery", "bowling", "clapping", "dancing", "eating")
_BITS = 8


def encode_frame(clip: int, frame: int, height: int, width: int) -> bytes:
    """A JPEG whose left half holds the clip's number and right half the frame's, in grey bars from top to bottom."""
    image = np.zeros((height, width), np.uint8)
    for bit in range(_BITS):
        rows = slice(height * bit // _BITS, height * (bit + 1) // _BITS)
        image[rows, : width // 2] = 255 * (clip >> bit & 1)
        image[rows, width // 2 :] = 255 * (frame >> bit & 1)
    return cv2.imencode(".jpg", image[..., None].repeat(3, 2), [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()


def read_frame(image: np.ndarray) -> tuple[int, int]:
    """Returns (clip, frame) of one whole decoded frame, [H, W, 3], of any size."""
    height, width, _ = image.shape
    rows = [height * (2 * bit + 1) // (2 * _BITS) for bit in range(_BITS)]
    left = sum(int(image[row, width // 4, 0] > 127) << bit for bit, row in enumerate(rows))
    right = sum(int(image[row, width * 3 // 4, 0] > 127) << bit for bit, row in enumerate(rows))
    return left, right


def read_clip(video: np.ndarray) -> tuple[int, list[int]]:
    """Returns the clip and its frames of [T, H, W, 3]."""
    found = [read_frame(image) for image in video]
    clips = {clip for clip, _ in found}
    assert len(clips) == 1, f"frames of several clips: {found}"
    return clips.pop(), [frame for _, frame in found]


def make_example(clip: int, frames: int = 40, size: tuple[int, int] = (48, 64), fps: float = 25.0, **changes) -> dict:
    """Returns the example of clip number `clip` (0 to 255); its audio holds the sample's own number divided by 8."""
    name = f"clip_{clip:06d}"
    example = {
        "video": [encode_frame(clip, frame, *size) for frame in range(frames)],
        "label": clip % len(CLASSES),
        "id": f"{name}_000000_000010",
        "youtube_id": name,
        "time_start": 0.0,
        "time_end": 10.0,
        "fps": fps,
        "timestamps": np.arange(frames, dtype=np.float32) / np.float32(fps),
        "original_width": size[1],
        "original_height": size[0],
        "original_fps": fps,
    }
    return {**example, **changes}


def clip_id(clip: int) -> str:
    """Returns the id of clip number `clip`."""
    return f"clip_{clip:06d}_000000_000010"


def write_dataset(
    folder: pathlib.Path,
    examples: dict[str, list[dict]],
    per_shard: int = 4,
    audio_rate: int | None = None,
    classes: tuple[str, ...] = CLASSES,
) -> tfds.core.DatasetBuilder:
    """Writes splits in shards of `per_shard` records and returns their builder."""
    features = make_features(classes, audio_rate)
    folder.mkdir(parents=True, exist_ok=True)
    serialiser = tfds.core.example_serializer.ExampleSerializer(features.get_serialized_info())
    splits = []
    for split, rows in examples.items():
        template = tfds.core.ShardedFileTemplate(
            data_dir=folder, dataset_name="small", split=split, filetype_suffix="tfrecord"
        )
        shards = [rows[i : i + per_shard] for i in range(0, len(rows), per_shard)]
        records = [[serialiser.serialize_example(features.encode_example(row)) for row in shard] for shard in shards]
        for index, shard in enumerate(records):
            path = template.sharded_filepath(shard_index=index, num_shards=len(shards))
            _write(path, shard)
        splits.append(
            tfds.core.SplitInfo(
                name=split,
                shard_lengths=[len(shard) for shard in shards],
                num_bytes=sum(len(record) for shard in records for record in shard),
                filename_template=template,
            )
        )
    tfds.folder_dataset.write_metadata(data_dir=folder, features=features, split_infos=splits, filename_template=None)
    return tfds.builder_from_directory(folder)


def _write(path, records: list[bytes]) -> None:
    import tensorflow as tf

    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in records:
            writer.write(record)
