"""What came of each clip and each shard: the sidecar that is written after a shard, and its sums."""

from __future__ import annotations

import collections
import dataclasses
import enum
from collections.abc import Iterable
from typing import Any

from kinetics_tfds.planning.plan import shard_name


class ClipState(enum.StrEnum):
    """The states in which an annotation row can end. The words are in manifests."""

    WRITTEN = "written"  # a record holds it
    MISSING = "missing"  # no file was found
    FAILED = "failed"  # its file gave no frames; the reason is a `FailureReason`
    EXCLUDED = "excluded"  # left out on purpose; the reason is an `Exclusion`


@dataclasses.dataclass(frozen=True, slots=True)
class ClipReport:
    """What came of one planned clip.

    Attributes:
        state: `WRITTEN` or `FAILED`.
        index: the record's number within its shard; None where it failed.
        reason: a `FailureReason`, empty where the clip was written.
        detail: one line for people: of a failure, or of damage that the config let pass.
        frames: stored frames.
        bytes: size of the serialised record.
        digest: blake2b of the serialised record, 32 hexadecimal digits.
    """

    state: ClipState
    index: int | None = None
    reason: str = ""
    detail: str = ""
    frames: int = 0
    bytes: int = 0
    digest: str = ""


@dataclasses.dataclass(frozen=True)
class ShardReport:
    """What came of one shard.

    Attributes:
        fingerprint: of the build it belongs to.
        split: the split.
        index: the shard's number within the split.
        num_shards: how many the split has.
        file_name: the shard's file.
        file_bytes: its size.
        clips: one report a planned clip, in the plan's order.
    """

    fingerprint: str
    split: str
    index: int
    num_shards: int
    file_name: str
    file_bytes: int
    clips: tuple[ClipReport, ...]

    @property
    def name(self) -> str:
        """The shard's short name."""
        return shard_name(self.split, self.index, self.num_shards)

    @property
    def written(self) -> int:
        """How many records the shard holds."""
        return sum(clip.state is ClipState.WRITTEN for clip in self.clips)

    @property
    def failures(self) -> collections.Counter[str]:
        """How many clips failed, by reason."""
        return count_failures(self.clips)

    def to_json(self) -> dict[str, Any]:
        """Returns plain JSON values: a list a clip, to keep half a million of them small."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        values["clips"] = [list(dataclasses.astuple(clip)) for clip in self.clips]
        return values

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> ShardReport:
        """Undoes `to_json`."""
        clips = tuple(ClipReport(ClipState(state), *rest) for state, *rest in values["clips"])
        return cls(**{**values, "clips": clips})


def count_failures(clips: Iterable[ClipReport]) -> collections.Counter[str]:
    """Returns how many of the clips failed, by reason."""
    return collections.Counter(clip.reason for clip in clips if clip.state is ClipState.FAILED)
