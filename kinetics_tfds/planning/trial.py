"""Decoding a few clips of a planned build, to say what the whole of it will take on this machine."""

from __future__ import annotations

import collections
import dataclasses
import time
from collections.abc import Mapping

from kinetics_tfds.annotations.clip import Split
from kinetics_tfds.decode import DecodedClip, DecodePool, DecodeSettings
from kinetics_tfds.planning.media import MediaSource
from kinetics_tfds.planning.plan import PlannedClip, ShardPlan, SplitPlan

# At least this many clips, and some for each worker: they differ by a factor of ten in cost.
_MIN_CLIPS = 32
_CLIPS_A_WORKER = 6
_RECORD_BYTES = 2048  # ids, times and protobuf's own, beside frames and sound
_WRITING = 1.1  # encoding and writing records takes about a tenth on top of decoding


@dataclasses.dataclass(frozen=True)
class Trial:
    """What trying a few clips gave.

    Attributes:
        tried: clips.
        failed: those that did not decode, by reason.
        examples: of failures, each `path: reason: detail`.
        workers: decode workers.
        bytes_per_clip: mean size of a record of those that decoded; None where none did.
        seconds_per_clip: wall time a clip took, with all workers busy.
    """

    tried: int
    failed: Mapping[str, int]
    examples: tuple[str, ...]
    workers: int
    bytes_per_clip: float | None
    seconds_per_clip: float

    def predict_bytes(self, clips: int) -> int | None:
        """Returns the size of a build of `clips` clips, of which as many fail as here; None if nothing decoded."""
        if self.bytes_per_clip is None:
            return None
        return round(clips * self.bytes_per_clip * (1 - sum(self.failed.values()) / self.tried))

    def predict_seconds(self, clips: int) -> float:
        """Returns the wall time of a build of `clips` clips on this machine."""
        return clips * self.seconds_per_clip * _WRITING


def try_clips(
    plans: Mapping[Split, SplitPlan], root: str, settings: DecodeSettings, workers: int | None = None
) -> Trial | None:
    """Decodes a few dozen of the planned clips.

    Args:
        plans: every split's plan.
        root: the folder that the plans' paths are relative to.
        settings: of the build.
        workers: decode workers; None for one a core.

    Returns:
        What was measured; None where there is no clip.
    """
    clips = [planned for plan in plans.values() for planned in plan.clips]
    if not clips:
        return None
    with DecodePool(settings, workers=workers) as pool:
        # The first round of clips pays for starting the workers: it counts for size, not for time.
        warm_up = min(pool.workers, len(clips) // 2)
        picked = _spread(clips, warm_up + max(_MIN_CLIPS, _CLIPS_A_WORKER * pool.workers))
        sizes, failed, examples = [], collections.Counter[str](), []
        began = time.perf_counter()
        source, shard = MediaSource(root), ShardPlan(picked[0].clip.split, 0, 1, tuple(picked))
        try:
            for number, (request, result) in enumerate(pool.decode(source.requests(shard))):
                if number + 1 == warm_up:
                    began = time.perf_counter()
                if isinstance(result, DecodedClip):
                    sizes.append(_record_bytes(result))
                else:
                    failed[str(result.reason)] += 1
                    examples.append(f"{picked[number].media.path}: {result.reason}: {result.detail}")
                source.release(request)
            seconds = time.perf_counter() - began
        finally:
            source.finish(shard)
        return Trial(
            tried=len(picked),
            failed=dict(failed),
            examples=tuple(examples),
            workers=pool.workers,
            bytes_per_clip=sum(sizes) / len(sizes) if sizes else None,
            seconds_per_clip=seconds / (len(picked) - warm_up),
        )


def _spread(clips: list[PlannedClip], count: int) -> list[PlannedClip]:
    """Returns up to `count` clips, evenly from all splits."""
    count = min(count, len(clips))
    return [clips[index * len(clips) // count] for index in range(count)]


def _record_bytes(decoded: DecodedClip) -> int:
    sound = 0 if decoded.audio is None else decoded.audio.nbytes
    return sum(map(len, decoded.frames)) + decoded.timestamps.nbytes + sound + _RECORD_BYTES
