"""Which rows to try now at a source, which later, and which no more. All of it follows from the ledger."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Container, Iterable

from kinetics_tfds.acquire.config import RetrySettings
from kinetics_tfds.acquire.ledger.attempts import AttemptsByClip, LastAttempt
from kinetics_tfds.acquire.ledger.records import clip_key
from kinetics_tfds.acquire.outcome import OutcomeClass
from kinetics_tfds.annotations.clip import Clip

_NEVER = float("inf")


@dataclasses.dataclass(frozen=True)
class RetryRules:
    """What decides about trying.

    Attributes:
        retry: the waits and limits.
        began: when this run began, seconds since 1970.
        force: classes that are tried again whatever their age and number, once a run.
    """

    retry: RetrySettings
    began: float
    force: frozenset[OutcomeClass] = frozenset()


def due_at(key: str, state: LastAttempt | None, rules: RetryRules) -> float:
    """Returns when a row may be tried at a source, seconds since 1970; infinity for never.

    Args:
        key: the row's, for jitter that does not change from process to process.
        state: where the row stands there; None if it was never tried.
        rules: see `RetryRules`.
    """
    if state is None:
        return 0.0
    kind, retry = state.reason.outcome_class, rules.retry
    if kind in rules.force and state.time < rules.began:
        return 0.0
    if kind in (OutcomeClass.DONE, OutcomeClass.RUN_LEVEL):  # a stored clip that is asked for again was lost
        return 0.0
    if kind is OutcomeClass.TRANSIENT and state.attempts < retry.attempts:
        wait = min(retry.first_wait * 2.0 ** (state.attempts - 1), retry.longest_wait)
        return state.time + wait * (1 + jitter(f"{key}#{state.attempts}") / 4)
    if kind is OutcomeClass.AMBIGUOUS and state.attempts <= retry.rechecks:
        return state.time + retry.recheck_hours * 3600
    return _NEVER


def jitter(text: str) -> float:
    """Returns a number in [0, 1) that depends on the text alone."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") / 2**32


@dataclasses.dataclass(frozen=True)
class Schedule:
    """The rows of one source, by what to do about them.

    Attributes:
        now: to be tried now.
        next_at: when the first of those to be tried later in this run is due; None if there are none.
        last_at: when the last of them is.
        later: how many those are.
        another_day: how many wait for a later run.
        done_with: how many are not tried again.
    """

    now: tuple[Clip, ...]
    next_at: float | None
    last_at: float | None
    later: int
    another_day: int
    done_with: int


def make_schedule(
    clips: Iterable[Clip],
    have: Container[str],
    states: AttemptsByClip,
    source: str,
    rules: RetryRules,
    now: float,
) -> Schedule:
    """Sorts rows by whether to try them at a source.

    Args:
        clips: the rows that are wanted.
        have: keys of the rows that the store has.
        states: where rows stand, from the ledger.
        source: the source's name.
        rules: waits, limits and what is forced.
        now: seconds since 1970.
    """
    ready: list[Clip] = []
    times: list[float] = []
    another_day = done_with = 0
    for clip in clips:
        key = clip_key(clip)
        if key in have:
            continue
        state = states.get(key, source)
        due = due_at(key, state, rules)
        if due <= now:
            ready.append(clip)
        elif due == _NEVER:
            done_with += 1
        elif state is not None and state.reason.outcome_class is OutcomeClass.AMBIGUOUS:
            another_day += 1
        else:
            times.append(due)
    return Schedule(
        tuple(ready), min(times, default=None), max(times, default=None), len(times), another_day, done_with
    )
