"""How each clip and each shard ended: the sidecar that is written after a shard."""

from __future__ import annotations

import collections
import dataclasses
import enum
import json
from collections.abc import Iterable

from kinetics_tfds.planning.plan import ShardPlan, shard_name


class ClipState(enum.StrEnum):
    """The states in which an annotation row can end. The words are in manifests."""

    WRITTEN = "written"  # a record holds it
    MISSING = "missing"  # no file was found
    FAILED = "failed"  # its file gave no frames; the reason is a `FailureReason`
    EXCLUDED = "excluded"  # left out on purpose; the reason is an `Exclusion`


@dataclasses.dataclass(frozen=True, slots=True)
class ClipReport:
    """How one planned clip ended.

    Attributes:
        state: `WRITTEN` or `FAILED`.
        index: the record's number within its shard; None where it failed.
        reason: a `FailureReason`, empty where the clip was written.
        detail: one line for people: of a failure, or of damage that the config let pass.
        frames: stored frames.
        bytes: size of the serialised record.
        digest: blake2b of the serialised record, 32 hexadecimal digits.
        media_bytes: size of the clip's file; 0 where a failure may not repeat itself.
        media_digest: of the file's content (`clips.content.read_content`), empty likewise.
        crc32c: of the serialised record: takes a tenth of its digest's time, for updates.
    """

    state: ClipState
    index: int | None = None
    reason: str = ""
    detail: str = ""
    frames: int = 0
    bytes: int = 0
    digest: str = ""
    media_bytes: int = 0
    media_digest: str = ""
    crc32c: int = 0


@dataclasses.dataclass(frozen=True)
class ShardReport:
    """How one shard ended.

    Attributes:
        fingerprint: of the build it belongs to.
        split: the split.
        index: the shard's number within the split.
        num_shards: how many the split has.
        file_name: the shard's file.
        file_bytes: its size.
        table_sha256: of its table of frames, in hexadecimal digits.
        written: how many records it holds.
        failures: how many clips failed, by reason.
        text: the sidecar. The clips' reports stay in it until they are asked for: half a million of them as objects
            would take 100 MB.
    """

    fingerprint: str
    split: str
    index: int
    num_shards: int
    file_name: str
    file_bytes: int
    table_sha256: str
    written: int
    failures: collections.Counter[str]
    text: str = dataclasses.field(repr=False)

    @classmethod
    def of_clips(
        cls,
        shard: ShardPlan,
        clips: Iterable[ClipReport],
        *,
        fingerprint: str,
        file_name: str,
        file_bytes: int,
        table_sha256: str,
    ) -> ShardReport:
        """Returns the report of a shard.

        Args:
            shard: the shard.
            clips: one report per planned clip, in the plan's order.
            fingerprint: of the build.
            file_name: the shard's file.
            file_bytes: its size.
            table_sha256: of its table of frames, in hexadecimal digits.
        """
        values = {
            "fingerprint": fingerprint,
            "split": str(shard.split),
            "index": shard.index,
            "num_shards": shard.num_shards,
            "file_name": file_name,
            "file_bytes": file_bytes,
            "table_sha256": table_sha256,
            "clips": [dataclasses.astuple(clip) for clip in clips],
        }
        return cls.from_text(json.dumps(values, separators=(",", ":")))

    @classmethod
    def from_text(cls, text: str) -> ShardReport:
        """Reads a sidecar.

        Raises:
            ValueError, KeyError, TypeError: it is not a whole one.
        """
        values = dict(json.loads(text))
        clips = [ClipReport(*clip) for clip in values.pop("clips")]
        failures = collections.Counter(clip.reason for clip in clips if clip.state == ClipState.FAILED)
        return cls(**values, written=len(clips) - failures.total(), failures=failures, text=text)

    @property
    def name(self) -> str:
        """The shard's short name."""
        return shard_name(self.split, self.index, self.num_shards)

    @property
    def tried(self) -> int:
        """How many clips were written or failed."""
        return self.written + self.failures.total()

    def read_clips(self) -> list[ClipReport]:
        """Returns one report per planned clip, in the plan's order."""
        return [ClipReport(ClipState(state), *rest) for state, *rest in json.loads(self.text)["clips"]]
