"""Where a split's records lie, and what they hold: all that the loader takes from a TFDS builder."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import tensorflow_datasets as tfds

from kinetics_tfds.errors import ConfigError, LoaderError
from kinetics_tfds.loader.checks import unknown

_NEEDED = ("video", "label", "id", "timestamps")


@dataclasses.dataclass(frozen=True)
class Source:
    """The records of one split.

    Attributes:
        name: dataset and split, for messages.
        paths: the files, in the split's order.
        skips: records to leave out at the start of each file.
        takes: records to read of each file after those.
        totals: records in each file.
        class_names: raw class names; the index is the label.
        audio_rate: samples a second of the stored audio; None: none is stored.
        fps: stored frames a second, where it is the same for all clips and known.
    """

    name: str
    paths: tuple[str, ...]
    skips: tuple[int, ...]
    takes: tuple[int, ...]
    totals: tuple[int, ...]
    class_names: tuple[str, ...]
    audio_rate: int | None
    fps: float | None

    @property
    def remote(self) -> bool:
        """Whether files are read over a protocol of their own, where each request costs time."""
        return any("://" in path for path in self.paths)


def open_source(builder: tfds.core.DatasetBuilder, split: str) -> Source:
    """Returns where the records of a split lie.

    Args:
        builder: of a prepared dataset; one made by `tfds.builder` or `tfds.builder_from_directory`.
        split: a split's name, or a part of it in TFDS's notation: `train[:10%]`.

    Raises:
        LoaderError: the dataset is not prepared, or its records are not those this package writes.
        ConfigError: there is no such split.
    """
    info = builder.info
    if not info.splits:
        raise LoaderError(
            f"{info.full_name} is not prepared in {builder.data_path}.",
            f"Build it first: tfds build {builder.name} --imports=kinetics_tfds --data_dir=… --manual_dir=…",
        )
    features = _checked_features(info)
    try:
        files = info.splits[split].file_instructions
    except (KeyError, ValueError) as error:
        raise unknown(f"split of {info.full_name}", str(split), info.splits) from error
    if not files:
        raise LoaderError(f"Split {split!r} of {info.full_name} holds no records.", "Choose another split.")
    return Source(
        name=f"{info.full_name}:{split}",
        paths=tuple(str(file.filename) for file in files),
        skips=tuple(file.skip for file in files),
        takes=tuple(file.take if file.take >= 0 else file.examples_in_shard - file.skip for file in files),
        totals=tuple(file.examples_in_shard for file in files),
        class_names=tuple(features["label"].names),
        audio_rate=_audio_rate(features),
        fps=getattr(builder.builder_config, "fps", None),
    )


def class_indices(source: Source, classes: Any) -> tuple[int, ...]:
    """Returns the labels of class names or indices, sorted.

    Raises:
        ConfigError: the dataset has no such class.
    """
    labels = set()
    for item in classes:
        if isinstance(item, str):
            if item not in source.class_names:
                raise unknown(f"class of {source.name}", item, source.class_names)
            labels.add(source.class_names.index(item))
        elif 0 <= item < len(source.class_names):
            labels.add(int(item))
        else:
            raise ConfigError(
                f"{source.name} has no class {item!r}.", f"Give a name, or 0 to {len(source.class_names) - 1}."
            )
    if not labels:
        raise ConfigError("classes is empty: no clip would be left.", "Name at least one class, or pass None for all.")
    return tuple(sorted(labels))


def _checked_features(info: tfds.core.DatasetInfo) -> Any:
    features: Any = info.features or {}
    missing = [name for name in _NEEDED if name not in features]
    if missing:
        raise LoaderError(
            f"{info.full_name} has no feature {missing[0]!r}: its records are not those of this package.",
            "Build the dataset with `tfds build kinetics… --imports=kinetics_tfds`.",
        )
    file_format = getattr(info.file_format, "value", info.file_format)
    if file_format != "tfrecord":
        raise LoaderError(
            f"{info.full_name} is stored as {file_format}; this loader reads tfrecord.",
            "Build it with --file_format=tfrecord.",
        )
    return features


def _audio_rate(features: Any) -> int | None:
    if "audio" not in features:
        return None
    rate = re.search(r"(\d+) a second", features["audio"].doc.desc or "")
    if rate is None:
        raise LoaderError("The stored audio does not say its rate.", "Build the dataset again with this version.")
    return int(rate.group(1))
