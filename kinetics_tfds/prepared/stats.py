"""What a prepared dataset holds: counts from its manifest, sizes and rates from its records.

Records lie in hash order, so that the first ones of each shard are a random sample of the dataset.
"""

from __future__ import annotations

import collections
import dataclasses
import itertools
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import cv2
import numpy as np
import pyarrow.compute as pc
from tensorflow_datasets.proto import tf_example_pb2

from kinetics_tfds.jpeg import jpeg_size
from kinetics_tfds.prepared.dataset import Prepared, ShardFile
from kinetics_tfds.shards.manifest import read_manifest
from kinetics_tfds.shards.records import read_records

_CHANNELS = ("red", "green", "blue")
# Weights of red, green and blue in JPEG's own luma.
_LUMA = np.array([0.299, 0.587, 0.114])


@dataclasses.dataclass
class RecordStats:
    """What records say of themselves; sums of several are made with `add`.

    Attributes:
        records: how many were read.
        frames: stored frames in them.
        seconds: of video, as frames and rate make it.
        frame_bytes: of their JPEG images.
        sizes: records by stored "WIDTHxHEIGHT".
        original_sizes: records by the source's.
        fps: records by stored frames a second.
        original_fps: records by the source's, rounded to whole numbers.
        durations: records by length in seconds, rounded to whole numbers.
        brightness: records by the mean luma of their middle frame, 0 to 255 in steps of 8.
        pixels: in the middle frame of each record.
        channel_sums: of those pixels' red, green and blue, 0 to 255; whole numbers add up to the same in any order.
        channel_squares: of their squares.
    """

    records: int = 0
    frames: int = 0
    seconds: float = 0.0
    frame_bytes: int = 0
    sizes: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
    original_sizes: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
    fps: collections.Counter[float] = dataclasses.field(default_factory=collections.Counter)
    original_fps: collections.Counter[int] = dataclasses.field(default_factory=collections.Counter)
    durations: collections.Counter[int] = dataclasses.field(default_factory=collections.Counter)
    brightness: collections.Counter[int] = dataclasses.field(default_factory=collections.Counter)
    pixels: int = 0
    channel_sums: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
    channel_squares: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)

    @property
    def channel_mean(self) -> list[float]:
        """Mean of red, green and blue, 0 to 1, to three places."""
        return [round(self.channel_sums[name] / max(self.pixels, 1) / 255, 3) for name in _CHANNELS]

    @property
    def channel_std(self) -> list[float]:
        """Standard deviation of red, green and blue, 0 to 1, to three places."""
        pixels = max(self.pixels, 1)
        variances = [
            self.channel_squares[name] / pixels - (self.channel_sums[name] / pixels) ** 2 for name in _CHANNELS
        ]
        return [round(math.sqrt(max(variance, 0)) / 255, 3) for variance in variances]

    def add(self, other: RecordStats) -> None:
        """Adds other records to these."""
        for field in dataclasses.fields(self):
            setattr(self, field.name, getattr(self, field.name) + getattr(other, field.name))

    def to_json(self) -> dict[str, Any]:
        """Returns plain JSON values, the most frequent first."""
        return {
            field.name: dict(value.most_common()) if isinstance(value, collections.Counter) else value
            for field in dataclasses.fields(self)
            for value in [getattr(self, field.name)]
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> RecordStats:
        """Undoes `to_json`, also where its keys have become text on the way."""
        keys = {"fps": float, "original_fps": int, "durations": int, "brightness": int}
        plain: dict[str, Any] = {
            name: collections.Counter({keys.get(name, str)(key): count for key, count in value.items()})
            if isinstance(value, Mapping)
            else value
            for name, value in values.items()
        }
        return cls(**plain)


@dataclasses.dataclass(frozen=True)
class SplitStats:
    """What the manifest says of a split.

    Attributes:
        states: rows by their state: written, missing, failed, excluded.
        failures: failed clips by reason.
        frames: in all records.
        bytes: of all records.
        classes: records by class; unlabelled ones under None.
    """

    states: Mapping[str, int]
    failures: Mapping[str, int]
    frames: int
    bytes: int
    classes: Mapping[str | None, int]

    @property
    def clips(self) -> int:
        """How many records there are."""
        return self.states.get("written", 0)


def read_split_stats(prepared: Prepared) -> dict[str, SplitStats]:
    """Counts what the manifest says, by split.

    Raises:
        VerifyError: there is no manifest that can be read.
    """
    table = read_manifest(prepared.folder, ("split", "state", "reason", "label", "frames", "bytes"))
    stats = {}
    for split in pc.unique(table["split"]).to_pylist():
        rows = table.filter(pc.field("split") == split)
        written = rows.filter(pc.field("state") == "written")
        stats[split] = SplitStats(
            states=_count(rows["state"]),
            failures=_count(rows.filter(pc.field("state") == "failed")["reason"]),
            frames=pc.sum(written["frames"]).as_py() or 0,
            bytes=pc.sum(written["bytes"]).as_py() or 0,
            classes=_count(written["label"]),
        )
    return stats


def read_record_stats(shards: Iterable[ShardFile], records_per_shard: int | None = None) -> RecordStats:
    """Reads records, or the first ones of each shard, and adds up what they say.

    Raises:
        OSError: a shard cannot be opened.
    """
    total = RecordStats()
    for shard in shards:
        for raw in itertools.islice(read_records(shard.path, shard.file_format), records_per_shard):
            if raw.data is not None and raw.problem is None:
                total.add(_measure(raw.data))
    return total


def describe_classes(classes: Mapping[str | None, int]) -> str:
    """Returns one line on how records spread over classes."""
    counts = {name: count for name, count in classes.items() if name is not None}
    if not counts:
        return "no labels"
    fewest, most = (
        min(counts, key=lambda name: (counts[name], name)),
        max(counts, key=lambda name: (counts[name], name)),
    )
    return (
        f"{len(counts)} classes, {statistics.median(counts.values()):g} clips each in the median, "
        f"from {counts[fewest]} ({fewest}) to {counts[most]} ({most})"
    )


def _count(column: Any) -> dict[Any, int]:
    pairs = pc.value_counts(column).to_pylist()
    return {
        pair["values"]: pair["counts"]
        for pair in sorted(pairs, key=lambda pair: (-pair["counts"], str(pair["values"])))
    }


def _brightness(pixels: np.ndarray) -> list[int]:
    """Returns the mean luma of an image's pixels in steps of 8; nothing where there are none."""
    return [int(pixels.mean(axis=0) @ _LUMA) // 8 * 8] if len(pixels) else []


def _measure(data: bytes) -> RecordStats:
    features = tf_example_pb2.Example.FromString(data).features.feature
    images = features["video"].bytes_list.value
    fps = features["fps"].float_list.value[0]
    width, height = (features[f"original_{side}"].int64_list.value[0] for side in ("width", "height"))
    pixels = _middle_frame(images)
    return RecordStats(
        records=1,
        frames=len(images),
        seconds=len(images) / fps if fps else 0.0,
        frame_bytes=sum(map(len, images)),
        sizes=collections.Counter(["{}x{}".format(*jpeg_size(images[0]))] if images else ()),
        original_sizes=collections.Counter([f"{width}x{height}"]),
        fps=collections.Counter([round(fps, 2)]),
        original_fps=collections.Counter([round(features["original_fps"].float_list.value[0])]),
        durations=collections.Counter([round(len(images) / fps)] if fps else ()),
        brightness=collections.Counter(_brightness(pixels)),
        pixels=len(pixels),
        channel_sums=_by_channel(pixels),
        channel_squares=_by_channel(pixels**2),
    )


def _by_channel(values: np.ndarray) -> collections.Counter[str]:
    """Returns the sums of int64 [N, 3] by the channel's name."""
    return collections.Counter(dict(zip(_CHANNELS, values.sum(axis=0).tolist(), strict=True)))


def _middle_frame(images: Sequence[bytes]) -> np.ndarray:
    """Returns the pixels of a clip's middle frame, int64 [N, 3]; none where it is no image."""
    image = images[len(images) // 2] if images else b""
    pixels = cv2.imdecode(np.frombuffer(image, np.uint8), cv2.IMREAD_COLOR_RGB) if image else None
    return np.zeros((0, 3), np.int64) if pixels is None else pixels.reshape(-1, 3).astype(np.int64)
