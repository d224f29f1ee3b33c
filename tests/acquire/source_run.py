"""Runs a source as a worker would: plans, then fetches every unit, and says what came of each clip."""

from __future__ import annotations

import dataclasses
import pathlib
import random

from kinetics_tfds.acquire.outcome import Outcome, Reason
from kinetics_tfds.acquire.siblings import find_siblings
from kinetics_tfds.acquire.source import FetchContext, Fetched, FetchFailure, PlanContext, Source, Unit
from kinetics_tfds.annotations.clip import Clip, Split
from kinetics_tfds.clips.containers import container_suffix
from kinetics_tfds.clips.media import Span


def media(seed: int = 0, size: int = 20_000) -> bytes:
    """Returns bytes that begin like an mp4 file, different for each seed."""
    return b"\x00\x00\x00\x20ftypisom" + random.Random(seed).randbytes(size)


def make_clips(count: int, split: Split = Split.TRAIN, label: str | None = "archery", mark: str = "x") -> list[Clip]:
    return [Clip(split, f"{mark}-id_{number:06d}", 10, 20, label) for number in range(count)]


@dataclasses.dataclass(frozen=True)
class Got:
    content: bytes
    span: Span
    origin: str


def run(
    source: Source,
    clips,
    folder: pathlib.Path,
    version: str = "kinetics600",
    cache: pathlib.Path | None = None,
    rows=(),
):
    """Returns what came of each clip, and the units that were planned; `rows` are all those of the version."""
    assert isinstance(source, Source)
    assert source.fetcher
    cache = cache or folder / "cache"
    cache.mkdir(exist_ok=True, parents=True)
    results: dict[Clip, Got | Outcome] = {}
    units = []

    rejected: set[Clip] = set()

    def take(item: Fetched | FetchFailure) -> None:
        for clip in item.clips:
            assert clip not in results or clip in rejected, "each clip once"
            if isinstance(item, FetchFailure):
                results[clip] = item.outcome
                continue
            content = item.video.read_bytes()
            results[clip] = Got(content, item.span, item.origin)
            rejected.discard(clip)
            if container_suffix(content) is None:
                results[clip] = Outcome(Reason.DAMAGED, "no media")
                rejected.add(clip)

    for planned in source.plan(clips, PlanContext(version, cache, siblings=find_siblings(rows))):
        if isinstance(planned, FetchFailure):
            take(planned)
        else:
            units.append(planned)
    for number, unit in enumerate(units):
        assert isinstance(unit, Unit)
        scratch = folder / f"scratch{number}-{random.randrange(10**9)}"
        scratch.mkdir(parents=True)
        for item in source.fetch(unit, FetchContext(scratch, lambda: rejected, cache=cache, version=version)):
            take(item)
            if isinstance(item, Fetched) and scratch in item.video.parents:
                item.video.unlink()
    assert set(results) == set(clips)
    return results, units
