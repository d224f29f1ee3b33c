"""A dataset for benchmarks/gpu.py, made without TensorFlow: what `ClipSource` reads of a build, JPEG of 340x256."""

from __future__ import annotations

import json
import pathlib
import struct

import cv2
import google_crc32c
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from kinetics_tfds import frame_table

FRAMES, HEIGHT, WIDTH = 300, 256, 340
_DISTINCT = 30  # frames drawn for a clip; it shows them again and again
_CLASSES = 400


def make_dataset(folder: pathlib.Path, clips: int, per_shard: int = 8) -> pathlib.Path:
    """Writes a training split and returns its folder. Records hold frames alone, where the table says that they lie."""
    folder.mkdir(parents=True, exist_ok=True)
    draw = np.random.default_rng(0)
    shards, rows = -(-clips // per_shard), []
    for shard in range(shards):
        name, tables = f"kinetics_bench-train.tfrecord-{shard:05d}-of-{shards:05d}", []
        with open(folder / name, "wb") as file:
            for index, clip in enumerate(range(shard * per_shard, min(clips, (shard + 1) * per_shard))):
                frames = _draw_frames(draw)
                record = b"".join(frames)
                tables.append(_table(frames))
                length = struct.pack("<Q", len(record))
                file.write(length + struct.pack("<I", 0) + record + struct.pack("<I", 0))
                rows.append(_row(clip, shard, index, len(record)))
        (folder / frame_table.file_name(name)).write_bytes(frame_table.to_bytes(tables))
    pq.write_table(pa.Table.from_pylist(rows), folder / "manifest.parquet")
    lengths = [str(min(per_shard, clips - shard * per_shard)) for shard in range(shards)]
    info = {"name": "kinetics_bench", "splits": [{"name": "train", "shardLengths": lengths}]}
    (folder / "dataset_info.json").write_text(json.dumps(info))
    (folder / "label.labels.txt").write_text("\n".join(f"class {label}" for label in range(_CLASSES)))
    (folder / "config.json").write_text("{}")
    return folder


def _draw_frames(draw: np.random.Generator) -> list[bytes]:
    """Returns JPEG images of about 20 KB, as video frames at quality 90 are: smooth shapes with some grain."""
    large = cv2.resize(
        draw.integers(0, 255, (16, 22, 3), dtype=np.uint8), (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC
    )
    distinct = []
    for number in range(_DISTINCT):
        grain = cv2.GaussianBlur(draw.normal(0, 30, (HEIGHT, WIDTH, 3)), (0, 0), 1.2)
        image = np.clip(np.roll(large, 4 * number, axis=1) + grain, 0, 255).astype(np.uint8)
        distinct.append(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes())
    return [distinct[frame % _DISTINCT] for frame in range(FRAMES)]


def _table(frames: list[bytes]) -> np.ndarray:
    rows = np.zeros(len(frames), frame_table.ROW)
    rows["size"] = [len(frame) for frame in frames]
    rows["offset"] = np.cumsum(rows["size"]) - rows["size"]
    rows["crc32c"] = [google_crc32c.value(frame) for frame in frames]
    rows["time"] = np.arange(len(frames), dtype=np.float32) / np.float32(30)
    return rows


def _row(clip: int, shard: int, index: int, size: int) -> dict:
    return {
        "split": "train", "state": "written", "shard": shard, "index": index, "bytes": size, "frames": FRAMES,
        "id": f"clip_{clip:06d}_000000_000010", "label": f"class {clip % _CLASSES}",
    }  # fmt: skip
