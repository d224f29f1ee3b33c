"""The work list of a pass: its units in shard files, so that no Beam graph and no message grows with the rows."""

from __future__ import annotations

import dataclasses
import json
import zlib
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from kinetics_tfds.acquire.ledger.attempts_by_clip import AttemptsByClip
from kinetics_tfds.acquire.source import Unit
from kinetics_tfds.acquire.store.clip_store import ClipStore
from kinetics_tfds.annotations.clip import Clip

FOLDER = "work"
_CLIPS_PER_SHARD = 256
_MAX_SHARDS = 256


class WorkItem(NamedTuple):
    """A unit to fetch and, for each of its clips, the number of this attempt, from 1."""

    unit: Unit
    attempts: tuple[int, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class WorkList:
    """How many shard files a hidden folder has, with how many units and clips in all."""

    folder: str
    shards: int
    units: int = 0
    clips: int = 0

    def shard_name(self, number: int) -> str:
        return f"{self.folder}/work-{number:05d}-of-{self.shards:05d}.jsonl"


def write_work(
    store: ClipStore, folder: str, units: Iterable[Unit], expected_clips: int, attempts: AttemptsByClip, source: str
) -> WorkList:
    """Writes units, taken one by one, into shard files; which shard a unit goes to depends on its key alone."""
    shards = [bytearray() for _ in range(max(1, min(_MAX_SHARDS, expected_clips // _CLIPS_PER_SHARD)))]
    work = WorkList(folder, len(shards))
    for unit in units:
        values = {
            "key": unit.key,
            "clips": [clip.to_row() for clip in unit.clips],
            "attempts": [attempts.next_number(clip.key, source) for clip in unit.clips],
            "others": [clip.to_row() for clip in unit.others],
        }
        line = json.dumps(values, separators=(",", ":")).encode("ascii") + b"\n"
        shards[zlib.crc32(unit.key.encode("utf-8", "surrogatepass")) % len(shards)] += line
        work = dataclasses.replace(work, units=work.units + 1, clips=work.clips + len(unit.clips))
    for number, lines in enumerate(shards):
        store.write_hidden(work.shard_name(number), bytes(lines))
    return work


def read_work(store: ClipStore, name: str) -> Iterator[WorkItem]:
    """Yields the items of one shard file."""
    for line in store.read_lines(name):
        values = json.loads(line)
        clips, others = (tuple(map(Clip.from_row, values[field])) for field in ("clips", "others"))
        yield WorkItem(Unit(values["key"], clips, others), tuple(values["attempts"]))
