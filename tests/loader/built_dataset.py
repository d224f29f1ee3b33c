"""A small dataset as a build leaves it: shards, tables of frames, manifest and settings, without a build's time."""

from __future__ import annotations

import json
import pathlib

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import tensorflow_datasets as tfds
from tensorflow_datasets.core import file_adapters

from kinetics_tfds import frame_table
from kinetics_tfds.features import make_features
from kinetics_tfds.shards.serialise import ExampleSerialiser


def write_built(
    folder: pathlib.Path, examples: dict[str, list[dict]], classes, per_shard: int = 4, tables: bool = True
) -> tfds.core.DatasetBuilder:
    """Writes splits of examples in shards of `per_shard` records and returns their builder."""
    features = make_features(classes, None)
    serialise = ExampleSerialiser(features)
    folder.mkdir(parents=True, exist_ok=True)
    template = tfds.core.ShardedFileTemplate(
        data_dir=folder, dataset_name="kinetics_test", filetype_suffix="tfrecord", split="unused"
    )
    infos, rows = [], []
    for split, of_split in examples.items():
        shards = [of_split[start : start + per_shard] for start in range(0, len(of_split), per_shard)]
        of_this = template.replace(split=split)
        size = 0
        for number, shard in enumerate(shards):
            records = [serialise(features.encode_example(example)) for example in shard]
            path = of_this.sharded_filepath(shard_index=number, num_shards=len(shards))
            adapter = file_adapters.ADAPTER_FOR_FORMAT[file_adapters.FileFormat.TFRECORD]
            adapter.write_examples(path, [(str(key), record) for key, record in enumerate(records)])
            if tables:
                table = frame_table.to_bytes([frame_table.frame_rows(record) for record in records])
                (folder / frame_table.file_name(path.name)).write_bytes(table)
            size += path.stat().length
            rows += [
                {
                    "split": split,
                    "state": "written",
                    "shard": number,
                    "index": index,
                    "bytes": len(record),
                    "frames": len(example["video"]),
                    "id": example["id"],
                    "label": classes[example["label"]],
                }
                for index, (example, record) in enumerate(zip(shard, records, strict=True))
            ]
        infos.append(
            tfds.core.SplitInfo(
                name=split, shard_lengths=[len(shard) for shard in shards], num_bytes=size, filename_template=of_this
            )
        )
    pq.write_table(pa.Table.from_pylist(rows), folder / "manifest.parquet")
    (folder / "config.json").write_text(json.dumps({"settings": {"fps": None}}))
    tfds.folder_dataset.write_metadata(data_dir=folder, features=features, split_infos=infos)
    return tfds.builder_from_directory(folder)


def noise_frames(count: int, height: int, width: int, seed: int = 0) -> list[bytes]:
    """JPEG images of smooth noise, about as large as frames of a video of that size."""
    import cv2

    draw = np.random.default_rng(seed)
    frames = []
    for _ in range(count):
        image = cv2.GaussianBlur(draw.integers(0, 255, (height, width, 3), dtype=np.uint8), (0, 0), 3)
        image = cv2.normalize(image, image, 0, 255, cv2.NORM_MINMAX)
        frames.append(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes())
    return frames
