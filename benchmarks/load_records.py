"""Records for benchmarks/load.py: source-fps clips as the build stores them, and the same clips as mp4."""

from __future__ import annotations

import pathlib
from concurrent.futures import ProcessPoolExecutor

import av
import cv2
import numpy as np
from clips import FPS, HEIGHT, LABELS, WIDTH, make_clips
from etils import epath

QUALITY = 90
DATASET = "records"
_PER_SHARD = 16


def make_records(folder: pathlib.Path, count: int) -> tuple[pathlib.Path, list[pathlib.Path]]:
    """Makes a prepared dataset with a train split of `count` clips, and their mp4 files; what is there is kept.

    Args:
        folder: where `records/` and `clips/` go.
        count: clips. They repeat a few drawn ones, each in bytes of its own.

    Returns:
        The dataset's folder and the mp4 files.
    """
    clips = make_clips(folder / "clips", count)
    data = folder / DATASET
    if not (data / "dataset_info.json").exists():
        _write(data, clips)
    return data, clips


def _write(data: pathlib.Path, clips: list[pathlib.Path]) -> None:
    import tensorflow as tf
    import tensorflow_datasets as tfds

    from kinetics_tfds.features import make_features

    features = make_features(LABELS)
    serialiser = tfds.core.example_serializer.ExampleSerializer(features.get_serialized_info())
    template = tfds.core.ShardedFileTemplate(
        data_dir=epath.Path(data), dataset_name=DATASET, split="train", filetype_suffix="tfrecord"
    )
    data.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor() as pool:
        first = {clip.stat().st_ino: clip for clip in reversed(clips)}
        drawn = dict(zip(first, pool.map(encode_clip, first.values()), strict=True))
    shards = [clips[i : i + _PER_SHARD] for i in range(0, len(clips), _PER_SHARD)]
    for shard, paths in enumerate(shards):
        with tf.io.TFRecordWriter(str(template.sharded_filepath(shard_index=shard, num_shards=len(shards)))) as writer:
            for path in paths:
                example = _example(path, drawn[path.stat().st_ino])
                writer.write(serialiser.serialize_example(features.encode_example(example)))
    split = tfds.core.SplitInfo(
        name="train", shard_lengths=[len(shard) for shard in shards], num_bytes=0, filename_template=template
    )
    tfds.folder_dataset.write_metadata(data_dir=data, features=features, split_infos=[split], filename_template=None)


def encode_clip(path: pathlib.Path) -> list[bytes]:
    """Returns the frames of an mp4 file as JPEG, as the build stores them."""
    with av.open(str(path)) as container:
        images = [frame.to_ndarray(format="bgr24") for frame in container.decode(video=0)]
    return [cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes() for image in images]


def _example(path: pathlib.Path, frames: list[bytes]) -> dict:
    number = int(path.stem[5:11])
    return {
        "video": frames,
        "label": number % len(LABELS),
        "id": path.stem,
        "youtube_id": path.stem[:11],
        "time_start": 0.0,
        "time_end": 10.0,
        "fps": float(FPS),
        "timestamps": np.arange(len(frames), dtype=np.float32) / FPS,
        "original_width": WIDTH,
        "original_height": HEIGHT,
        "original_fps": float(FPS),
    }
