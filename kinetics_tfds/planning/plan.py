"""Which clip goes into which shard, at which place: decided from annotation rows and names alone.

Everything here is pure: equal rows, files and settings give an equal plan on every machine and in every run. Clips are
ordered by a hash of their identity, so that any run of neighbours is a random sample of the split.
"""

from __future__ import annotations

import collections
import dataclasses
import enum
import hashlib
import math
from collections.abc import Collection, Iterable, Iterator, Mapping

from kinetics_tfds.annotations.clip import Clip, Split
from kinetics_tfds.clips.media import MediaFile
from kinetics_tfds.decode.types import DecodeSettings
from kinetics_tfds.errors import ConfigError
from kinetics_tfds.planning.predict import predict_bytes
from kinetics_tfds.slices import even_slice

TARGET_SHARD_BYTES = 512 << 20
# TFDS's names hold five digits of shard number.
MAX_SHARDS = 99_999

# Changing the salt reorders every dataset: never do so without a new dataset version.
_SALT = b"kinetics-tfds/1"


class Exclusion(enum.StrEnum):
    """Why a row was left out on purpose. The words are in manifests."""

    CLASSES = "classes"  # its class is not among the config's `classes`, or it has none
    EXCLUDE = "exclude"  # its video is on the list of videos to leave out
    REMOVED = "removed"  # its video was taken out of an earlier version of the dataset, with `kinetics prune`
    MAX_CLIPS_PER_CLASS = "max_clips_per_class"  # its class was full in this split
    MAX_EXAMPLES_PER_SPLIT = "max_examples_per_split"  # the split was full


@dataclasses.dataclass(frozen=True, slots=True)
class PlannedClip:
    """A clip that will be decoded.

    Attributes:
        clip: the annotation row.
        media: its file.
    """

    clip: Clip
    media: MediaFile


@dataclasses.dataclass(frozen=True)
class Selection:
    """Which of the config's settings choose clips.

    Attributes:
        classes: raw class names to keep; None for all.
        max_clips_per_class: per split; unlabelled clips count as one class. None for no limit.
        max_examples_per_split: None for no limit.
        exclude: YouTube ids to leave out.
        removed: YouTube ids that were taken out of an earlier version of the dataset.
    """

    classes: Collection[str] | None = None
    max_clips_per_class: int | None = None
    max_examples_per_split: int | None = None
    exclude: Collection[str] = frozenset()
    removed: Collection[str] = frozenset()


@dataclasses.dataclass(frozen=True)
class Sharding:
    """What decides the number of a split's shards.

    Attributes:
        num_shards: the user's number; None to choose by size.
        max_shard_bytes: the user's limit of a shard's size; None for `TARGET_SHARD_BYTES`.
    """

    num_shards: int | None = None
    max_shard_bytes: int | None = None

    def __post_init__(self) -> None:
        for name in ("num_shards", "max_shard_bytes"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"{name} is {value}.", f"Set {name} to 1 or more, or leave it out.")
        if self.num_shards is not None and self.num_shards > MAX_SHARDS:
            raise ConfigError(
                f"num_shards is {self.num_shards}; shard names count up to {MAX_SHARDS}.", "Ask for fewer shards."
            )

    def count(self, clips: int, predicted_bytes: int) -> int:
        """Returns how many shards `clips` clips go to; never more than there are clips, and at least one."""
        if self.num_shards is not None:
            wanted = self.num_shards
        else:
            target = TARGET_SHARD_BYTES
            if self.max_shard_bytes is not None:
                # A prediction errs, and a limit is a limit: aim well below it.
                target = min(target, max(1, self.max_shard_bytes * 2 // 3))
            wanted = math.ceil(predicted_bytes / target)
        return max(1, min(wanted, clips, MAX_SHARDS))


@dataclasses.dataclass(frozen=True)
class ShardPlan:
    """One shard.

    Attributes:
        split: the split it belongs to.
        index: its number within the split.
        num_shards: how many shards the split has.
        clips: its clips, in the order of its records.
    """

    split: Split
    index: int
    num_shards: int
    clips: tuple[PlannedClip, ...]

    @property
    def name(self) -> str:
        """Names the shard in reports and sidecars."""
        return shard_name(self.split, self.index, self.num_shards)


@dataclasses.dataclass(frozen=True)
class SplitPlan:
    """One split.

    Attributes:
        split: its name.
        clips: the clips to decode, in the order of records.
        num_shards: how many nearly equal slices they go to; 0 where there is no clip.
        excluded: rows that the settings leave out.
        missing: rows whose clip is not on disk.
    """

    split: Split
    clips: tuple[PlannedClip, ...]
    num_shards: int
    excluded: Mapping[Clip, Exclusion]
    missing: tuple[Clip, ...]

    def shards(self) -> Iterator[ShardPlan]:
        """Yields the shards in order."""
        for index in range(self.num_shards):
            part = even_slice(len(self.clips), index, self.num_shards)
            yield ShardPlan(self.split, index, self.num_shards, self.clips[part.start : part.stop])


def shard_name(split: str, index: int, num_shards: int) -> str:
    """Returns a shard's short name.

    >>> shard_name("train", 3, 12)
    'train-00003-of-00012'
    """
    return f"{split}-{index:05d}-of-{num_shards:05d}"


def order_key(clip: Clip) -> tuple[bytes, str, float, float]:
    """Returns what clips are sorted by: a hash of the clip's id; then its exact times, where two share an id."""
    digest = hashlib.blake2b(clip.id.encode(), digest_size=16, key=_SALT).digest()
    return digest, clip.youtube_id, clip.time_start, clip.time_end


def plan_split(
    split: Split,
    clips: Iterable[Clip],
    found: Mapping[Clip, MediaFile],
    *,
    selection: Selection,
    sharding: Sharding,
    settings: DecodeSettings,
) -> SplitPlan:
    """Plans one split.

    Rows that `classes`, `exclude` and `removed` leave out are excluded whether or not their file is there; the limits
    count only clips that are there.

    Args:
        split: its name.
        clips: all its annotation rows.
        found: the file of each clip that has one; may hold other splits' clips too.
        selection: which clips to keep.
        sharding: what decides the number of shards.
        settings: how clips are stored, for the prediction of their size.

    Returns:
        The plan; every row is in exactly one of its `clips`, `excluded` and `missing`.
    """
    excluded: dict[Clip, Exclusion] = {}
    missing: list[Clip] = []
    kept: list[PlannedClip] = []
    classes = None if selection.classes is None else frozenset(selection.classes)
    filled: collections.Counter[str | None] = collections.Counter()
    for clip in sorted(clips, key=order_key):
        if classes is not None and clip.label not in classes:
            excluded[clip] = Exclusion.CLASSES
        elif clip.youtube_id in selection.exclude:
            excluded[clip] = Exclusion.EXCLUDE
        elif clip.youtube_id in selection.removed:
            excluded[clip] = Exclusion.REMOVED
        elif clip not in found:
            missing.append(clip)
        elif selection.max_clips_per_class is not None and filled[clip.label] >= selection.max_clips_per_class:
            excluded[clip] = Exclusion.MAX_CLIPS_PER_CLASS
        elif selection.max_examples_per_split is not None and len(kept) >= selection.max_examples_per_split:
            excluded[clip] = Exclusion.MAX_EXAMPLES_PER_SPLIT
        else:
            filled[clip.label] += 1
            kept.append(PlannedClip(clip, found[clip]))
    predicted = predict_bytes((planned.clip for planned in kept), settings)
    num_shards = sharding.count(len(kept), predicted) if kept else 0
    return SplitPlan(split, tuple(kept), num_shards, excluded, tuple(missing))


def plan_splits(
    clips: Iterable[Clip],
    found: Mapping[Clip, MediaFile],
    *,
    selection: Selection,
    sharding: Sharding,
    settings: DecodeSettings,
) -> dict[Split, SplitPlan]:
    """Plans every split that has rows; see `plan_split`."""
    rows: dict[Split, list[Clip]] = {}
    for clip in clips:
        rows.setdefault(clip.split, []).append(clip)
    return {
        split: plan_split(split, rows[split], found, selection=selection, sharding=sharding, settings=settings)
        for split in Split
        if split in rows
    }
