"""Decodes a sample of the planned clips, to predict what the whole build will take on this machine."""

from __future__ import annotations

import collections
import dataclasses
import time
from collections.abc import Mapping

from kinetics_tfds.annotations.clip import Split
from kinetics_tfds.decode import DecodedClip, DecodePool, DecodeSettings
from kinetics_tfds.planning.plan import SplitPlan
from kinetics_tfds.planning.predict import RECORD_OVERHEAD_BYTES
from kinetics_tfds.shards.decoding import decode_clips
from kinetics_tfds.slices import even_slice

# At least this many clips, and some for each worker: they differ by a factor of ten in cost.
_MIN_CLIPS = 32
_CLIPS_PER_WORKER = 6
_WRITING = 1.1  # encoding and writing records takes about a tenth on top of decoding


@dataclasses.dataclass(frozen=True)
class SampleDecode:
    """What decoding a sample measured.

    Attributes:
        clips: size of the sample.
        failed: clips that did not decode, by reason.
        examples: of failures, each `path: reason: detail`.
        workers: decode workers.
        bytes_per_clip: mean size of a record of those that decoded; None where none did.
        seconds_per_clip: wall time per clip, with all workers busy.
    """

    clips: int
    failed: Mapping[str, int]
    examples: tuple[str, ...]
    workers: int
    bytes_per_clip: float | None
    seconds_per_clip: float

    def predict_bytes(self, clips: int) -> int | None:
        """Returns the size of a build of `clips` clips, of which as many fail as here; None if nothing decoded."""
        if self.bytes_per_clip is None:
            return None
        return round(clips * self.bytes_per_clip * (1 - sum(self.failed.values()) / self.clips))

    def predict_seconds(self, clips: int) -> float:
        """Returns the wall time of a build of `clips` clips on this machine."""
        return clips * self.seconds_per_clip * _WRITING


def decode_sample(
    plans: Mapping[Split, SplitPlan], root: str, settings: DecodeSettings, workers: int | None = None
) -> SampleDecode | None:
    """Decodes a few dozen clips, evenly from all splits.

    Args:
        plans: every split's plan.
        root: the folder that the plans' paths are relative to.
        settings: of the build.
        workers: decode workers; None for one per core.

    Returns:
        What was measured; None where there is no clip.
    """
    clips = [planned for plan in plans.values() for planned in plan.clips]
    if not clips:
        return None
    with DecodePool(settings, workers=workers) as pool:
        # The first round of clips pays for starting the workers: it counts for size, not for time.
        warm_up = min(pool.workers, len(clips) // 2)
        count = min(len(clips), warm_up + max(_MIN_CLIPS, _CLIPS_PER_WORKER * pool.workers))
        sample = [clips[even_slice(len(clips), index, count).start] for index in range(count)]
        sizes, failed, examples = [], collections.Counter[str](), []
        began = time.perf_counter()
        for number, (planned, outcome) in enumerate(zip(sample, decode_clips(root, sample, pool), strict=True), 1):
            if isinstance(outcome, DecodedClip):
                sizes.append(_record_bytes(outcome))
            else:
                failed[str(outcome.reason)] += 1
                examples.append(f"{planned.media.path}: {outcome.reason}: {outcome.detail}")
            if number == warm_up:
                began = time.perf_counter()
        seconds = time.perf_counter() - began
        return SampleDecode(
            clips=count,
            failed=dict(failed),
            examples=tuple(examples),
            workers=pool.workers,
            bytes_per_clip=sum(sizes) / len(sizes) if sizes else None,
            seconds_per_clip=seconds / (count - warm_up),
        )


def _record_bytes(decoded: DecodedClip) -> int:
    audio = 0 if decoded.audio is None else decoded.audio.nbytes
    return sum(map(len, decoded.frames)) + decoded.timestamps.nbytes + audio + RECORD_OVERHEAD_BYTES
