"""One attempt at one clip: its columns, and the JSON line that the ledger keeps of it."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from kinetics_tfds.acquire.outcome import Outcome, OutcomeClass, Reason, redact
from kinetics_tfds.annotations.clip import Clip, clip_columns, clip_schema

if TYPE_CHECKING:
    import pyarrow

_MESSAGE_LIMIT = 2000  # characters: a web page that came as an error message need not be kept whole


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One attempt at one clip.

    Attributes:
        clip: the annotation row.
        source: the source's name in the config.
        reason: how it ended.
        unit: the source's unit that was fetched; empty where the source knew without fetching.
        message: the source's own words.
        time: when it ended, seconds since 1970 (UTC).
        attempt: 1 for the first try of this clip at this source.
        fetcher: what fetched, with its version.
        run: names the run.
        path: where the clip lies in the store; only where it was stored, like the rest.
        sha256: of the stored file, hexadecimal.
        bytes: its size.
        origin: the URL or path it came from.
        cut: how it was cut: `reencoded`, or `as_is` where the source had it trimmed.
        duration: playable seconds that were found in it.
    """

    clip: Clip
    source: str
    reason: Reason
    unit: str = ""
    message: str = ""
    time: float = 0.0
    attempt: int = 1
    fetcher: str = ""
    run: str = ""
    path: str | None = None
    sha256: str | None = None
    bytes: int | None = None
    origin: str | None = None
    cut: str | None = None
    duration: float | None = None

    @property
    def outcome_class(self) -> OutcomeClass:
        """The class that the reason belongs to."""
        return self.reason.outcome_class

    @property
    def blames_source(self) -> bool:
        """Whether the failure may be the source's as a whole: it says nothing of a clip that never failed before."""
        if self.outcome_class is not OutcomeClass.TRANSIENT or self.reason is Reason.NOT_YET:
            return False
        return self.attempt == 1 or self.reason is Reason.CONNECTION

    def with_outcome(self, outcome: Outcome, time: float, **stored: Any) -> Attempt:
        """Returns the attempt with its end: `stored` holds the fields of a stored clip."""
        return dataclasses.replace(self, reason=outcome.reason, message=outcome.message, time=time, **stored)


_OWN = [field.name for field in dataclasses.fields(Attempt)][1:]
# Texts that thousands of attempts have in common; a report holds all of them at once.
_COMMON = frozenset({"source", "fetcher", "run", "cut", "message", "split", "label"})


def to_line(attempt: Attempt) -> bytes:
    """Returns the line of the ledger, without secrets in any of its URLs."""
    own = {name: value for name in _OWN if (value := getattr(attempt, name)) not in (None, "")}
    for name in ("unit", "origin"):
        if name in own:
            own[name] = redact(own[name])
    if len(attempt.message) > _MESSAGE_LIMIT:
        own["message"] = attempt.message[:_MESSAGE_LIMIT] + "…"
    values = {**attempt.clip.to_row(), "outcome_class": attempt.outcome_class, **own}
    return json.dumps(values, separators=(",", ":")).encode("ascii") + b"\n"


def parse_line(line: bytes) -> Attempt | None:
    """Returns the attempt of one line; None for a torn or foreign one."""
    try:
        values = {key: _text(key, value) if type(value) is str else value for key, value in json.loads(line).items()}
        own = {name: values[name] for name in _OWN if name in values}
        return Attempt(**{**own, "clip": Clip.from_row(values), "reason": Reason(values["reason"])})
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def _text(key: str, value: str) -> str:
    # Names in archives need not be UTF-8, but all reports must be.
    value = value if value.isascii() else value.encode("utf-8", "backslashreplace").decode("utf-8")
    return sys.intern(value) if key in _COMMON else value


def attempt_fields() -> list[tuple[str, Any]]:
    """Returns the names and Arrow types of the columns that a table of attempts has after those of the clip."""
    import pyarrow as pa

    types = {"time": pa.timestamp("us", "UTC"), "attempt": pa.int32(), "bytes": pa.int64(), "duration": pa.float64()}
    return [("outcome_class", pa.string()), *((name, types.get(name, pa.string())) for name in _OWN)]


def attempt_columns(attempts: Iterable[Attempt | None]) -> dict[str, list[Any]]:
    """Returns those columns; an attempt that is None gives nulls."""
    attempts = list(attempts)
    columns = {name: [getattr(each, name, None) for each in attempts] for name in ("outcome_class", *_OWN)}
    columns["time"] = [None if each is None else round(each.time * 1e6) for each in attempts]
    return columns


def to_table(attempts: Iterable[Attempt]) -> pyarrow.Table:
    """Returns attempts as one Arrow table, sorted by time."""
    import pyarrow as pa

    attempts = list(attempts)
    columns = {**clip_columns(attempt.clip for attempt in attempts), **attempt_columns(attempts)}
    return pa.table(columns, schema=clip_schema(*attempt_fields())).sort_by("time")
