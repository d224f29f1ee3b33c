"""How two sets of clips differ: rows of only one of them, other labels, other content."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from kinetics_tfds.annotations.clip import Clip
from kinetics_tfds.clip_sets.clip_set import ClipSet


@dataclasses.dataclass(frozen=True)
class Difference:
    """What two sets have in common, and what not; all tuples are sorted by key.

    Attributes:
        a: the first set.
        b: the second.
        both: clips of both, as the first has them.
        only_a: clips of the first alone.
        only_b: clips of the second alone.
        other_labels: clips of both that have different classes: as in the first, as in the second.
        other_content: clips of both with different content; None where the content of one set is not known, or is of
            another kind than the other's.
    """

    a: ClipSet
    b: ClipSet
    both: tuple[Clip, ...]
    only_a: tuple[Clip, ...]
    only_b: tuple[Clip, ...]
    other_labels: tuple[tuple[Clip, Clip], ...]
    other_content: tuple[Clip, ...] | None

    @property
    def is_empty(self) -> bool:
        """Whether the sets hold the same clips with the same labels and, as far as it is known, the same content."""
        return not (self.only_a or self.only_b or self.other_labels or self.other_content)

    def coverage(self) -> dict[str, tuple[int, int]]:
        """Returns, by split of the second set, how many of its clips the first has too, and how many it holds."""
        held = collections.Counter(str(clip.split) for clip in self.b.clips.values())
        common = collections.Counter(str(clip.split) for clip in self.both)
        return {split: (common[split], count) for split, count in sorted(held.items())}

    def to_json(self) -> dict[str, Any]:
        """Returns plain JSON values, every differing clip by its key."""
        return {
            "a": {"name": self.a.name, "kind": self.a.kind, "clips": len(self.a.clips)},
            "b": {"name": self.b.name, "kind": self.b.kind, "clips": len(self.b.clips)},
            "both": len(self.both),
            "coverage": {split: {"both": both, "b": held} for split, (both, held) in self.coverage().items()},
            "only_a": [clip.key for clip in self.only_a],
            "only_b": [clip.key for clip in self.only_b],
            "other_labels": [{"key": a.key, "a": a.label, "b": b.label} for a, b in self.other_labels],
            "other_content": None if self.other_content is None else [clip.key for clip in self.other_content],
        }


def find_difference(a: ClipSet, b: ClipSet) -> Difference:
    """Compares two sets, clip by clip.

    A label that one of the sets does not know is no difference: official test lists lack them.
    """
    common = a.clips.keys() & b.clips.keys()
    comparable = bool(a.hash_kind) and a.hash_kind == b.hash_kind
    pairs = [(a.clips[key], b.clips[key]) for key in sorted(common)]
    return Difference(
        a=a,
        b=b,
        both=tuple(one for one, _ in pairs),
        only_a=_sorted(a.clips, a.clips.keys() - common),
        only_b=_sorted(b.clips, b.clips.keys() - common),
        other_labels=tuple(
            (one, other) for one, other in pairs if None not in (one.label, other.label) and one.label != other.label
        ),
        other_content=tuple(one for one, _ in pairs if a.hashes.get(one.key) != b.hashes.get(one.key))
        if comparable
        else None,
    )


def _sorted(clips: Mapping[str, Clip], keys: Iterable[str]) -> tuple[Clip, ...]:
    return tuple(clips[key] for key in sorted(keys))
