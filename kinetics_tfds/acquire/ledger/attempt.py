"""One attempt at one clip: its columns, and the JSON line that the ledger keeps of it."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
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
        return self.reason.outcome_class

    @property
    def is_answer(self) -> bool:
        """Whether the source said anything of the clip."""
        known = self.outcome_class not in (OutcomeClass.TRANSIENT, OutcomeClass.RUN_LEVEL)
        return bool(self.unit) and (known or self.reason is Reason.NOT_YET)

    @property
    def is_failure(self) -> bool:
        """Whether the source said nothing of the clip, for its own fault or the clip's."""
        return self.outcome_class is OutcomeClass.TRANSIENT and self.reason is not Reason.NOT_YET

    @property
    def may_be_the_sources(self) -> bool:
        """Whether it is a failure that is more likely the source's: the clip never failed before."""
        return self.is_failure and (self.attempt == 1 or self.reason is Reason.CONNECTION)

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


def to_table(
    clips: Iterable[Clip], attempts: Iterable[Attempt | None], columns: Mapping[str, Sequence[str | None]]
) -> pyarrow.Table:
    """Returns one row for each clip, with its attempt; nulls where that is None.

    Args:
        clips: the rows.
        attempts: one for each.
        columns: further columns of text, which come before the attempt's, and instead of those of the same name.
    """
    import pyarrow as pa

    attempts = list(attempts)
    types = {"time": pa.timestamp("us", "UTC"), "attempt": pa.int32(), "bytes": pa.int64(), "duration": pa.float64()}
    own = {name: [getattr(each, name, None) for each in attempts] for name in ("outcome_class", *_OWN)}
    own["time"] = [None if each is None else round(each.time * 1e6) for each in attempts]
    columns = {**columns, **{name: own[name] for name in own if name not in columns}}
    schema = clip_schema(*((name, types.get(name, pa.string())) for name in columns))
    return pa.table({**clip_columns(clips), **columns}, schema=schema)


def ledger_table(attempts: Iterable[Attempt]) -> pyarrow.Table:
    """Returns attempts as one Arrow table, sorted by time."""
    attempts = list(attempts)
    return to_table((attempt.clip for attempt in attempts), attempts, {}).sort_by("time")
