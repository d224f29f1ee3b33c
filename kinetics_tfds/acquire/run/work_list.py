"""The work list of a pass: units in files, a shard a file, so that no graph and no message grows with the rows."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import pathlib
from collections.abc import Iterable, Iterator
from typing import Any

from kinetics_tfds.acquire.ledger.attempts import AttemptsByClip
from kinetics_tfds.acquire.ledger.records import clip_key
from kinetics_tfds.acquire.outcome import Reason
from kinetics_tfds.acquire.source import Unit
from kinetics_tfds.acquire.store.clip_store import Store
from kinetics_tfds.annotations.clip import Clip, Split

_CLIPS_A_SHARD = 256
_MOST_SHARDS = 256  # files that are open at once while the list is written


@dataclasses.dataclass(frozen=True, slots=True)
class WorkItem:
    """One unit to fetch.

    Attributes:
        unit: the unit.
        attempts: for each of its clips, the number of this attempt, from 1.
    """

    unit: Unit
    attempts: tuple[int, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class WorkList:
    """The units of one pass, as written.

    Attributes:
        folder: hidden folder of the shard files.
        shards: how many there are.
        units: how many units in all.
        clips: how many clips in all.
    """

    folder: str
    shards: int
    units: int
    clips: int

    def shard_name(self, number: int) -> str:
        """Returns the hidden file of a shard."""
        return f"{self.folder}/work-{number:05d}-of-{self.shards:05d}.jsonl"


def write_work(
    store: Store,
    folder: str,
    units: Iterable[Unit],
    expected_clips: int,
    states: AttemptsByClip,
    source: str,
) -> WorkList:
    """Writes units into shard files; which shard a unit goes to depends on its key alone.

    Args:
        store: the store.
        folder: hidden folder to write into.
        units: the units; taken one by one.
        expected_clips: about how many clips they have.
        states: where rows stand, for the numbers of attempts.
        source: the source's name.
    """
    shards = max(1, min(_MOST_SHARDS, expected_clips // _CLIPS_A_SHARD))
    count = clips = 0
    made = WorkList(folder, shards, 0, 0)
    with store.scratch() as scratch, contextlib.ExitStack() as stack:
        paths = [scratch / f"{number}" for number in range(shards)]
        files = [stack.enter_context(open(path, "wb")) for path in paths]
        for unit in units:
            attempts = tuple(next_attempt(clip, states, source) for clip in unit.clips)
            files[_shard(unit.key, shards)].write(_line(WorkItem(unit, attempts)))
            count, clips = count + 1, clips + len(unit.clips)
        for number, (path, file) in enumerate(zip(paths, files, strict=True)):
            file.close()
            # No run outlives a power cut, and the next one makes its own list.
            store.write_hidden(made.shard_name(number), pathlib.Path(path).read_bytes(), sync=False)
    return dataclasses.replace(made, units=count, clips=clips)


def read_work(store: Store, name: str) -> Iterator[WorkItem]:
    """Yields the items of one shard file."""
    for line in store.read_lines(name):
        values = json.loads(line)
        rows = values["clips"]
        clips = tuple(_clip(*row[:-1]) for row in rows)
        others = tuple(_clip(*row) for row in values.get("others", ()))
        yield WorkItem(Unit(values["key"], clips, others), tuple(row[-1] for row in rows))


def _line(item: WorkItem) -> bytes:
    rows = [
        [clip.split, clip.youtube_id, clip.time_start, clip.time_end, clip.label, attempt]
        for clip, attempt in zip(item.unit.clips, item.attempts, strict=True)
    ]
    values: dict[str, Any] = {"key": item.unit.key, "clips": rows}
    if item.unit.others:
        values["others"] = [
            [clip.split, clip.youtube_id, clip.time_start, clip.time_end, clip.label] for clip in item.unit.others
        ]
    return json.dumps(values, separators=(",", ":")).encode("ascii") + b"\n"


def _clip(split: str, video: str, start: float, end: float, label: str | None) -> Clip:
    return Clip(Split(split), video, start, end, label)


def next_attempt(clip: Clip, states: AttemptsByClip, source: str) -> int:
    """Returns the number of a row's next attempt at a source, from 1."""
    state = states.get(clip_key(clip), source)
    if state is None or state.reason is Reason.STORED:  # never tried, or stored once and lost since
        return 1
    return state.attempts + 1


def _shard(key: str, shards: int) -> int:
    return int.from_bytes(hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()[:8], "big") % shards
