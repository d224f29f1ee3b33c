"""The ledger: every attempt, one JSON line each, appended and never changed.

Each writing process has a file of its own, so writers need no lock, a crash can tear nothing but the last line of one
file, and merging two ledgers is copying files side by side. Readers take all files together.
"""

from __future__ import annotations

import dataclasses
import json
import os
import secrets
import socket
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from kinetics_tfds.acquire.outcome import OutcomeClass, Reason
from kinetics_tfds.acquire.store.clip_store import Store
from kinetics_tfds.annotations.clip import Clip, Split

if TYPE_CHECKING:
    import pyarrow

FOLDER = "ledger"
_SYNC_SECONDS = 1.0
_MESSAGE_LIMIT = 2000  # characters: a web page that came as an error message need not be kept whole


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One attempt at one clip.

    Attributes:
        split: of the annotation row.
        youtube_id: of the row.
        time_start: of the row, seconds.
        time_end: of the row, seconds.
        source: the source's name in the config.
        outcome_class: what to do next.
        reason: why.
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
        cut: how it was cut: `reencoded`, `copied`, or `as_is` where the source had it trimmed.
        duration: playable seconds that were found in it.
    """

    split: str
    youtube_id: str
    time_start: float
    time_end: float
    source: str
    outcome_class: OutcomeClass
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
    def key(self) -> str:
        """Names the row: `{split}/{id}`."""
        return clip_key(Clip(Split(self.split), self.youtube_id, self.time_start, self.time_end))


def clip_key(clip: Clip) -> str:
    """Returns what names a row in the ledger.

    >>> clip_key(Clip(Split.TEST, "-abc_DEF123", 7, 17))
    'test/-abc_DEF123_000007_000017'
    """
    return f"{clip.split}/{clip.id}"


class LedgerWriter:
    """Appends records; safe for several threads of one process."""

    def __init__(self, store: Store) -> None:
        stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
        host = "".join(c if c.isalnum() or c in "-_" else "_" for c in socket.gethostname())[:40]
        self._appender = store.appender(f"{FOLDER}/{stamp}-{host}-{os.getpid()}-{secrets.token_hex(4)}.jsonl")
        self._lock = threading.Lock()
        self._appending = threading.Lock()
        self._waiting: list[bytes] = []
        self._must_sync = False  # whether one of those waiting is about a stored clip
        self._synced = 0.0
        self._taken = self._safe = 0  # how many calls were taken, and how many of them are in the file

    def write(self, records: Iterable[Record]) -> None:
        """Writes records; when this returns they survive the end of this process, however sudden.

        Those of stored clips survive a power cut, too. The others follow within about a second: what a power cut can
        cost are failures of its last moments, which are then tried again. Syncing for each of them would be most of the
        time that a row costs.

        Threads that come while another one writes are written together by the first of them.
        """
        made = [(_line(record), record.outcome_class is OutcomeClass.DONE) for record in records]
        if not made:
            return
        with self._lock:
            self._waiting += [line for line, _ in made]
            self._must_sync |= any(stored for _, stored in made)
            self._taken += 1
            mine = self._taken
        with self._appending:
            if self._safe >= mine:
                return
            with self._lock:
                data, upto, must_sync = b"".join(self._waiting), self._taken, self._must_sync
                self._waiting.clear()
                self._must_sync = False
            sync = must_sync or time.monotonic() - self._synced > _SYNC_SECONDS
            self._appender.append(data, sync)
            if sync:
                self._synced = time.monotonic()
            self._safe = upto

    def close(self) -> None:
        """Closes the file; all that was written is safe then."""
        self._appender.close()

    def __enter__(self) -> LedgerWriter:
        return self

    def __exit__(self, *unused: object) -> None:
        self.close()


def _line(record: Record) -> bytes:
    values = {
        field.name: value
        for field in dataclasses.fields(record)
        if (value := getattr(record, field.name)) not in (None, "")
    }
    if len(record.message) > _MESSAGE_LIMIT:
        values["message"] = record.message[:_MESSAGE_LIMIT] + "…"
    # Errors may carry lone surrogates; JSON escapes keep them, and every other odd character, on one ASCII line.
    return json.dumps(values, separators=(",", ":")).encode("ascii") + b"\n"


_FIELDS = frozenset(field.name for field in dataclasses.fields(Record))
# Texts that thousands of records have in common; a report holds all of them at once.
_COMMON = frozenset({"split", "source", "fetcher", "run", "cut", "message"})


def _shared(key: str, value: Any) -> Any:
    return sys.intern(value) if key in _COMMON and type(value) is str else value


def parse_line(line: bytes) -> Record | None:
    """Returns the record of one line; None for a torn or foreign one."""
    try:
        values = json.loads(line)
        return Record(
            **{
                **{key: _shared(key, value) for key, value in values.items() if key in _FIELDS},
                "outcome_class": OutcomeClass(values["outcome_class"]),
                "reason": Reason(values["reason"]),
            }
        )
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def read_ledger(store: Store) -> Iterator[Record]:
    """Yields all records of a store, file by file, each file in the order of its writing.

    A last line that a crash tore is left out; so is any line that is no record.
    """
    for name in store.list_hidden(FOLDER):
        for line in store.read_lines(name):
            record = parse_line(line)
            if record is not None:
                yield record


def to_table(records: Iterable[Record]) -> pyarrow.Table:
    """Returns records as one Arrow table, sorted by time; a column for each field of `Record`, `time` in UTC."""
    import pyarrow as pa

    seconds = pa.float64()
    types = {
        "time_start": seconds,
        "time_end": seconds,
        "attempt": pa.int32(),
        "bytes": pa.int64(),
        "duration": seconds,
    }
    rows = [dataclasses.asdict(record) for record in records]
    for row in rows:
        row["time"] = round(row["time"] * 1e6)
    schema = pa.schema(
        (field.name, pa.timestamp("us", "UTC") if field.name == "time" else types.get(field.name, pa.string()))
        for field in dataclasses.fields(Record)
    )
    return pa.Table.from_pylist(rows, schema=schema).sort_by("time")
