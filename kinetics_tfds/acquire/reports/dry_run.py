"""What a run would do, told before it does anything."""

from __future__ import annotations

import time
from collections.abc import Sequence

from kinetics_tfds.acquire.config import AcquireConfig
from kinetics_tfds.acquire.ledger.attempts_by_clip import AttemptsByClip
from kinetics_tfds.acquire.ledger.ledger import read_ledger
from kinetics_tfds.acquire.outcome import OutcomeClass
from kinetics_tfds.acquire.rate_limit import least_seconds
from kinetics_tfds.acquire.run.schedule import RetryRules, make_schedule
from kinetics_tfds.acquire.run.unit_worker import cache_of
from kinetics_tfds.acquire.siblings import Siblings, find_siblings
from kinetics_tfds.acquire.source import FetchFailure, PlanContext, Source
from kinetics_tfds.acquire.store.clip_store import ClipStore
from kinetics_tfds.acquire.store.intact import intact_clips
from kinetics_tfds.annotations.clip import Clip
from kinetics_tfds.annotations.versions import KineticsVersion
from kinetics_tfds.durations import format_duration

# Ten seconds of 340x256 in H.264 with sound; the published collections hold 1.3 to 1.6 MB a clip at mixed sizes.
TYPICAL_CLIP_BYTES = 1_000_000


def describe(
    version: KineticsVersion,
    clips: Sequence[Clip],
    store: ClipStore,
    config: AcquireConfig,
    force: frozenset[OutcomeClass] = frozenset(),
    rows: Sequence[Clip] = (),
) -> str:
    """Returns the plan of a run as text: rows, units, least time and disk, source by source; arguments as in `Run`."""
    now = time.time()
    siblings = find_siblings(rows or clips)
    have = intact_clips(clips, store, version, siblings)
    attempts = AttemptsByClip(read_ledger(store))
    rules = RetryRules(config.retry, now, force)
    lines = [f"{len(clips):,} rows of {version.title} wanted, {len(have):,} of them in {store.root}"]
    most = 0
    for source in config.sources:
        due = make_schedule(clips, have.__contains__, attempts, source.name, rules, now)
        units, missed = _plan(source, config, due.now, version, siblings)
        seconds = least_seconds(units, source.rate_limit)
        most = max(most, len(due.now) - missed)
        lines.append(
            f"{source.name}: {len(due.now) - missed:,} rows in {units:,} units to try now, "
            f"{missed:,} it does not have, {due.later:,} a little later, {due.another_day:,} another day, "
            f"{due.final:,} no more; at its rate_limit at least {format_duration(seconds)}"
        )
    sizes = store.sizes(file.path for file in have.values())
    typical = sum(sizes.values()) / len(sizes) if sizes else TYPICAL_CLIP_BYTES
    lines.append(f"disk: up to about {most * typical / 1e9:,.1f} GB more, at {typical / 1e6:.2f} MB a clip")
    lines.append("Each source tries what those before it left. Nothing was fetched.")
    return "\n".join(lines)


def _plan(
    source: Source, config: AcquireConfig, clips: Sequence[Clip], version: KineticsVersion, siblings: Siblings
) -> tuple[int, int]:
    units = missed = 0
    if clips:
        for item in source.plan(clips, PlanContext(version.name, cache_of(source, config), siblings=siblings)):
            if isinstance(item, FetchFailure):
                missed += len(item.clips)
            else:
                units += 1
    return units, missed
