"""`ClipSource`: the clips of a split as a sequence; a frame is read when it is asked for."""

from __future__ import annotations

import functools
import operator
from collections.abc import Iterable, Sequence
from typing import Any

import google_crc32c
import numpy as np

from kinetics_tfds.errors import LoaderError
from kinetics_tfds.loader.random_access.byte_ranges import read_ranges
from kinetics_tfds.loader.random_access.folder import ClipIndex, open_index
from kinetics_tfds.loader.random_access.records import damaged, read_record
from kinetics_tfds.loader.random_access.tables import FrameTables


class Clip:
    """One clip of a `ClipSource`, of which nothing is read until it is needed.

    Attributes:
        id: `{youtube_id}_{time_start:06d}_{time_end:06d}`.
        label: -1: unlabelled.
        num_frames: stored frames.
    """

    def __init__(self, source: ClipSource, position: int) -> None:
        index = source.index
        self._source = source
        self._position = position
        self.id: str = index.id[position].decode()
        self.label = int(index.label[position])
        self.num_frames = int(index.frames[position])

    @functools.cached_property
    def _rows(self) -> np.ndarray:
        return self._source.tables.rows(self._position)

    @property
    def timestamps(self) -> np.ndarray:
        """float32 [num_frames]: when each frame is shown, in seconds from the clip's start."""
        return np.ascontiguousarray(self._rows["time"])

    def read(self, frames: Iterable[int] | None = None) -> list[bytes]:
        """Returns frames as JPEG images, each checked by its checksum.

        Args:
            frames: which ones, each from 0 to `num_frames` - 1, in any order; None: all.

        Raises:
            LoaderError: the shard is damaged or cannot be read; names it and the clip.
        """
        index, position = self._source.index, self._position
        rows = self._rows[list(range(self.num_frames) if frames is None else frames)]
        starts, sizes = rows["offset"].astype(np.int64), rows["size"].astype(np.int64)
        if index.file_format == "array_record":  # compressed as a whole
            record = read_record(index, position)
            images = [record[start : start + size] for start, size in zip(starts.tolist(), sizes.tolist(), strict=True)]
        else:
            starts = starts + index.data[position]
            ranges = list(zip(starts.tolist(), (starts + sizes).tolist(), strict=True))
            try:
                images = read_ranges(index.paths[index.file[position]], ranges)
            except OSError as error:
                raise damaged(index, position, f"cannot be read: {error}") from error
        for image, checksum in zip(images, rows["crc32c"].tolist(), strict=True):
            if google_crc32c.value(image) != checksum:
                raise damaged(index, position, "has a frame whose checksum is wrong")
        return images


class ClipSource(Sequence[Clip]):
    """The clips of a split of a prepared dataset, in its order.

    A sequence for samplers, notebooks and other libraries. Opening one reads the dataset's small files alone: half a
    million clips take a second. Of a TFRecord shard only the bytes of the frames asked for are read; on a bucket in one
    request, with what lies between them. Records of ArrayRecord shards are compressed and read whole. A source can be
    sent to other processes.

    >>> source = ClipSource("DATA/kinetics600/jpeg256/1.0.0", "train")    # doctest: +SKIP
    >>> clip = source[0]                                                  # doctest: +SKIP
    >>> clip.id, clip.label, clip.num_frames                              # doctest: +SKIP
    >>> images = clip.read(range(0, 64, 2))                               # doctest: +SKIP

    Attributes:
        split: the split's name, or the part of it.
        index: where the clips lie.
        tables: where their frames lie.
    """

    def __init__(self, dataset: Any, split: str, *, classes: Iterable[str | int] | None = None) -> None:
        """Opens a split.

        Args:
            dataset: the folder of a prepared dataset, as a path or a URL that fsspec knows; or a TFDS builder of one.
            split: a split's name, or a part of it in TFDS's notation: `train[:10%]`.
            classes: names or indices of the classes to keep; labels stay those of the whole dataset.

        Raises:
            LoaderError: the folder holds no dataset that this project built.
            ConfigError: there is no such split or class.
        """
        self.split = split
        self.index: ClipIndex = open_index(dataset, split, classes)
        self.tables = FrameTables(self.index)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Raw class names; the index is the label."""
        return self.index.class_names

    @property
    def ids(self) -> list[str]:
        """The clips' ids, in order."""
        return [key.decode() for key in self.index.id.tolist()]

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, key: Any) -> Any:
        """Returns the clip at a position or of an id; a list of clips for a slice."""
        if isinstance(key, slice):
            return [Clip(self, position) for position in range(*key.indices(len(self)))]
        if isinstance(key, str):
            return Clip(self, self.position(key))
        position = operator.index(key)
        position += len(self) if position < 0 else 0
        if not 0 <= position < len(self):
            raise IndexError(f"clip {key} of {len(self)}")
        return Clip(self, position)

    def position(self, clip_id: str) -> int:
        """Returns where a clip is.

        Raises:
            LoaderError: the split has no such clip.
        """
        order, ids = self._by_id
        place = int(np.searchsorted(ids, clip_id.encode()))
        if place == len(ids) or ids[place] != clip_id.encode():
            raise LoaderError(
                f"{self.index.name} has no clip {clip_id!r}.", "`kinetics stats` and the manifest tell which there are."
            )
        return int(order[place])

    @functools.cached_property
    def _by_id(self) -> tuple[np.ndarray, np.ndarray]:
        order = np.argsort(self.index.id, kind="stable")
        return order, self.index.id[order]

    def __getstate__(self) -> dict[str, Any]:
        return {"split": self.split, "index": self.index, "tables": self.tables}
