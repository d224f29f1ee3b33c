"""Which rows to try now at a source, which later, and which no more. All of it follows from the ledger."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Callable, Iterable, Sequence

from kinetics_tfds.acquire.config import RetrySettings
from kinetics_tfds.acquire.ledger.attempts_by_clip import AttemptsByClip, LastAttempt
from kinetics_tfds.acquire.outcome import OutcomeClass
from kinetics_tfds.acquire.store.clip_store import ClipStore
from kinetics_tfds.annotations.clip import Clip

NEVER = math.inf
_SETTINGS = "settings.json"


@dataclasses.dataclass(frozen=True)
class RetryRules:
    """What decides about trying.

    Attributes:
        retry: the waits and limits.
        began: when this run began, seconds since 1970.
        force: classes that are tried again whatever their age and number, once a run.
    """

    retry: RetrySettings
    began: float = 0.0
    force: frozenset[OutcomeClass] = frozenset()


def next_try(key: str, last: LastAttempt | None, rules: RetryRules) -> float:
    """Returns when a clip may be tried at a source, seconds since 1970; `NEVER` if its last answer there is final.

    The wait's jitter follows from the clip's key, and is the same in every process.
    """
    if last is None:
        return 0.0
    kind, retry = last.reason.outcome_class, rules.retry
    if kind in rules.force and last.time < rules.began:
        return 0.0
    if kind in (OutcomeClass.DONE, OutcomeClass.RUN_LEVEL):  # a stored clip that is asked for again was lost
        return 0.0
    if kind is OutcomeClass.TRANSIENT and last.attempts < retry.attempts:
        wait = min(retry.first_wait * 2.0 ** (last.attempts - 1), retry.longest_wait)
        return last.time + wait * (1 + jitter(f"{key}#{last.attempts}") / 4)
    if kind is OutcomeClass.AMBIGUOUS and last.attempts <= retry.rechecks:
        return last.time + retry.recheck_hours * 3600
    return NEVER


def jitter(text: str) -> float:
    """Returns a number in [0, 1) that depends on the text alone."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") / 2**32


@dataclasses.dataclass
class Schedule:
    """The rows to try now at one source, and how many are to be tried when else."""

    now: list[Clip] = dataclasses.field(default_factory=list)
    later: int = 0  # in this run
    later_at: float = 0.0  # when the last of those is due, seconds since 1970
    another_day: int = 0  # ambiguous ones, which a later run checks again
    final: int = 0


def make_schedule(
    clips: Iterable[Clip],
    have: Callable[[Clip], bool],
    attempts: AttemptsByClip,
    source: str,
    rules: RetryRules,
    now: float,
) -> Schedule:
    """Sorts the wanted rows that the store does not `have` by when to try them at a source."""
    schedule = Schedule()
    for clip in clips:
        if have(clip):
            continue
        last = attempts.get(clip.key, source)
        moment = next_try(clip.key, last, rules)
        if moment <= now:
            schedule.now.append(clip)
        elif moment == NEVER:
            schedule.final += 1
        elif last is not None and last.reason.outcome_class is OutcomeClass.AMBIGUOUS:
            schedule.another_day += 1
        else:
            schedule.later += 1
            schedule.later_at = max(schedule.later_at, moment)
    return schedule


def save_settings(store: ClipStore, sources: Sequence[str], retry: RetrySettings) -> None:
    """Lets the store remember the names of a config's sources, and how often they are tried, for reports."""
    store.write_hidden(_SETTINGS, json.dumps({"sources": [*sources], "retry": dataclasses.asdict(retry)}).encode())


def load_settings(store: ClipStore) -> tuple[list[str], RetryRules]:
    """Returns what `save_settings` wrote; no sources and the defaults where nothing was."""
    try:
        values = json.loads(b"".join(store.read_lines(_SETTINGS)))
        return values["sources"], RetryRules(RetrySettings(**values["retry"]))
    except (OSError, ValueError, TypeError, KeyError):
        return [], RetryRules(RetrySettings())
