"""The last attempt of every clip at every source, in 29 bytes each: half a million rows take 15 MB."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from kinetics_tfds.acquire.ledger.attempt import Attempt
from kinetics_tfds.acquire.outcome import OutcomeClass, Reason

_REASONS = tuple(Reason)
_NUMBER = {reason: number for number, reason in enumerate(_REASONS)}
_ROW = np.dtype([("key", np.uint64), ("time", np.float64), ("reason", np.uint8), ("attempts", np.uint32)])


class LastAttempt(NamedTuple):
    """How a clip's last attempt at one source ended.

    Attributes:
        reason: of the last attempt.
        attempts: how many attempts count: one that ended run-level does not.
        time: when the last one ended, seconds since 1970.
    """

    reason: Reason
    attempts: int
    time: float


def last_attempt(attempt: Attempt) -> LastAttempt:
    counted = max(attempt.attempt - (attempt.outcome_class is OutcomeClass.RUN_LEVEL), 0)
    return LastAttempt(attempt.reason, counted, attempt.time)


class AttemptsByClip:
    """The last attempt of every clip at every source that was tried.

    The last one by time decides; one that was read twice (merged ledgers) counts once. Clips and sources are told apart
    by 64 bits of a hash.

    Args:
        attempts: the ledger, in any order; taken one by one.
    """

    def __init__(self, attempts: Iterable[Attempt] = ()) -> None:
        self.sources: dict[str, None] = {}
        rows = np.fromiter(map(self._row, attempts), _ROW)
        rows = rows[np.lexsort((rows["time"], rows["key"]))]
        self._rows = rows[np.append(rows["key"][1:] != rows["key"][:-1], True)] if len(rows) else rows
        self._keys = np.ascontiguousarray(self._rows["key"])  # what is searched

    def _row(self, attempt: Attempt) -> tuple[int, float, int, int]:
        self.sources[attempt.source] = None
        last = last_attempt(attempt)
        return _hash(f"{attempt.source}\0{attempt.clip.key}"), last.time, _NUMBER[last.reason], last.attempts

    def get(self, key: str, source: str) -> LastAttempt | None:
        """Returns the last attempt of the clip of this `Clip.key` at a source; None if it was never tried there."""
        wanted = _hash(f"{source}\0{key}")
        index = int(np.searchsorted(self._keys, np.uint64(wanted)))
        if index == len(self._keys) or int(self._keys[index]) != wanted:
            return None
        _, time, reason, attempts = self._rows[index].item()
        return LastAttempt(_REASONS[reason], attempts, time)

    def next_number(self, key: str, source: str) -> int:
        """Returns the number of a clip's next attempt at a source, from 1."""
        last = self.get(key, source)
        if last is None or last.reason is Reason.STORED:  # never tried, or stored once and lost since
            return 1
        return last.attempts + 1

    def stored_since(self, key: str, moment: float) -> bool:
        """Returns whether the clip was stored from any source at or after a moment, seconds since 1970."""
        last = (self.get(key, source) for source in self.sources)
        return any(each is not None and each.reason is Reason.STORED and each.time >= moment for each in last)


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")
