"""Where rows stand at their sources, folded from the ledger into 23 bytes an attempt: half a million rows in 12 MB."""

from __future__ import annotations

import array
import hashlib
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from kinetics_tfds.acquire.ledger.records import Record
from kinetics_tfds.acquire.outcome import OutcomeClass, Reason

_REASONS = tuple(Reason)
_NUMBER = {reason: number for number, reason in enumerate(_REASONS)}


class LastAttempt(NamedTuple):
    """Where a row stands at one source.

    Attributes:
        reason: of the last attempt.
        attempts: how many attempts there were, one that ended run-level left out.
        time: when the last one ended, seconds since 1970.
    """

    reason: Reason
    attempts: int
    time: float


class AttemptsByClip:
    """Where every row stands at every source that was tried.

    The last attempt by time counts. One that ended run-level says nothing about the clip and is not counted among its
    attempts. A record read twice (merged ledgers) counts once. Rows and sources are told apart by 64 bits of a hash.

    Args:
        records: the ledger, in any order; taken one by one.
    """

    def __init__(self, records: Iterable[Record] = ()) -> None:
        keys, times = array.array("Q"), array.array("d")
        reasons, attempts = array.array("B"), array.array("I")
        self.sources: list[str] = []
        for record in records:
            if record.source not in self.sources:
                self.sources.append(record.source)
            keys.append(_hash(f"{record.source}\0{record.key}"))
            times.append(record.time)
            reasons.append(_NUMBER[record.reason])
            attempts.append(max(record.attempt - (record.outcome_class is OutcomeClass.RUN_LEVEL), 0))
        all_keys, all_times = np.asarray(keys, np.uint64), np.asarray(times, np.float64)
        order = np.lexsort((all_times, all_keys))
        ordered = all_keys[order]
        last = order[np.append(ordered[1:] != ordered[:-1], True)] if len(order) else order
        self._keys, self._times = all_keys[last], all_times[last]
        self._reasons = np.asarray(reasons, np.uint8)[last]
        self._attempts = np.asarray(attempts, np.uint32)[last]

    def get(self, key: str, source: str) -> LastAttempt | None:
        """Returns where a row stands at a source; None if it was never tried there.

        Args:
            key: of the row, as `clip_key` makes it.
            source: the source's name.
        """
        place = _find(self._keys, _hash(f"{source}\0{key}"))
        if place is None:
            return None
        reason = _REASONS[int(self._reasons[place])]
        return LastAttempt(reason, int(self._attempts[place]), float(self._times[place]))

    def stored_since(self, key: str, moment: float) -> bool:
        """Returns whether the row was stored from any source at or after a moment, seconds since 1970."""
        for source in self.sources:
            state = self.get(key, source)
            if state is not None and state.reason is Reason.STORED and state.time >= moment:
                return True
        return False


class KeySet:
    """A set of rows by key, in 8 bytes each."""

    def __init__(self, keys: Iterable[str]) -> None:
        self._keys = np.unique(np.fromiter(map(_hash, keys), np.uint64))

    def __contains__(self, key: str) -> bool:
        return _find(self._keys, _hash(key)) is not None

    def __len__(self) -> int:
        return len(self._keys)


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


def _find(keys: np.ndarray, wanted: int) -> int | None:
    place = int(np.searchsorted(keys, np.uint64(wanted)))
    return place if place < len(keys) and int(keys[place]) == wanted else None
