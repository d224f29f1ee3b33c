"""What a build's result depends on, its hash, and how two of them differ, in words.

Two runs with one fingerprint write the same bytes, so that one may go on where the other was killed. What does not
change the bytes (worker counts, runner, folders' places, `max_failure_rate`) is not covered.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from kinetics_tfds.annotations.clip import Split
from kinetics_tfds.planning.plan import PlannedClip, SplitPlan


@dataclasses.dataclass(frozen=True)
class BuildIdentity:
    """All that the bytes of a dataset depend on.

    Attributes:
        dataset: TFDS's name of it, `kinetics600`.
        version: its version, `1.0.0`.
        settings: the config's identity, plain JSON values.
        file_format: TFDS's name of the record format.
        record_revision: the revision of the record's schema.
        versions: of the decoder, the encoder and what they are made of.
        splits: of each split that has clips, the number of `clips` and `shards` and the `digest` of the clips.
    """

    dataset: str
    version: str
    settings: Mapping[str, Any]
    file_format: str
    record_revision: int
    versions: Mapping[str, str]
    splits: Mapping[str, Mapping[str, Any]]

    @property
    def fingerprint(self) -> str:
        """The sha256 of everything here, in hexadecimal."""
        return hashlib.sha256(_canonical(dataclasses.asdict(self)).encode()).hexdigest()

    def to_json(self) -> dict[str, Any]:
        """Returns plain JSON values; `BuildIdentity(**values)` undoes it."""
        return dataclasses.asdict(self)


def describe_splits(plans: Mapping[Split, SplitPlan]) -> dict[str, dict[str, Any]]:
    """Returns the `splits` of a `BuildIdentity`; splits without a clip are left out."""
    return {
        str(split): {"clips": len(plan.clips), "shards": plan.num_shards, "digest": digest_clips(plan.clips)}
        for split, plan in plans.items()
        if plan.clips
    }


def digest_clips(clips: Iterable[PlannedClip]) -> str:
    """Returns the sha256 of the clips' rows, files and order."""
    digest = hashlib.sha256()
    for planned in clips:
        digest.update(_canonical(clip_row(planned)).encode())
        digest.update(b"\n")
    return digest.hexdigest()


def clip_row(planned: PlannedClip) -> list[Any]:
    """Returns what a plan says about one clip: id, start, end, label, file and what the file covers."""
    _, *columns = planned.clip.to_row().values()  # the split is the group's
    return [*columns, planned.media.path, str(planned.media.span)]


def compare(there: BuildIdentity, here: BuildIdentity) -> list[str]:
    """Returns one line for each thing that differs, with both values; empty where the fingerprints agree."""
    lines = []
    for name in ("dataset", "version", "file_format", "record_revision"):
        old, new = getattr(there, name), getattr(here, name)
        if old != new:
            lines.append(_both(name, old, new))
    lines += compare_mappings(there.settings, here.settings)
    lines += compare_mappings(there.versions, here.versions)
    for split in sorted(set(there.splits) | set(here.splits)):
        lines += _compare_split(split, there.splits.get(split), here.splits.get(split))
    return lines


def compare_mappings(there: Mapping[str, Any], here: Mapping[str, Any]) -> list[str]:
    """Returns one line for each key whose values differ.

    >>> compare_mappings({"fps": 25.0, "quality": 90}, {"fps": 10.0, "quality": 90})
    ['fps: 25.0 there, 10.0 here']
    """
    absent = object()
    return [
        _both(key, there.get(key, "nothing"), here.get(key, "nothing"))
        for key in sorted(set(there) | set(here))
        if there.get(key, absent) != here.get(key, absent)
    ]


def _compare_split(split: str, there: Mapping[str, Any] | None, here: Mapping[str, Any] | None) -> list[str]:
    if there is None or here is None:
        clips = (there or here or {})["clips"]
        return [f"{split}: {clips} clips {'there, none here' if here is None else 'here, none there'}"]
    lines = [
        _both(f"{split} {name}", there[name], here[name]) for name in ("clips", "shards") if there[name] != here[name]
    ]
    if there["digest"] != here["digest"] and there["clips"] == here["clips"]:
        lines.append(f"{split}: other clips, or the same clips in other files")
    return lines


def _both(name: str, there: Any, here: Any) -> str:
    return f"{name}: {there} there, {here} here"


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
