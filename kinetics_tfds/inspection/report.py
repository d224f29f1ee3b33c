"""The inspection of a dataset: every flagged clip, in a Parquet file beside the shards."""

from __future__ import annotations

import collections
import dataclasses
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa
from etils import epath

from kinetics_tfds.inspection.flags import Flag
from kinetics_tfds.inspection.inspect_shard import inspect_shard
from kinetics_tfds.inspection.near_duplicates import Pair, find_near_duplicates, group
from kinetics_tfds.parquet import open_parquet, write_parquet
from kinetics_tfds.prepared.dataset import Prepared

# Hidden: it is no part of the dataset, and may be made anew.
FILE_NAME = ".inspection.parquet"
SCHEMA = pa.schema(
    [
        ("split", pa.string()),
        ("id", pa.string()),
        ("flags", pa.list_(pa.string())),
        ("duplicate_of", pa.list_(pa.string())),  # keys, `{split}/{id}`, of the clips that show the same
    ]
)


@dataclasses.dataclass(frozen=True)
class Inspection:
    """What was found.

    Attributes:
        clips: how many were inspected.
        flags: the flags of each flagged clip, by key, `{split}/{id}`.
        duplicates: the keys of its near-duplicates, by key.
        leaks: pairs of near-duplicates in different splits, as keys.
    """

    clips: int
    flags: Mapping[str, tuple[Flag, ...]]
    duplicates: Mapping[str, tuple[str, ...]]
    leaks: tuple[tuple[str, str], ...]

    def counts(self) -> dict[Flag, int]:
        """Returns how many clips have each flag."""
        counts = collections.Counter(flag for flags in self.flags.values() for flag in flags)
        return {flag: counts[flag] for flag in Flag}

    def to_json(self) -> dict[str, Any]:
        """Returns plain JSON values."""
        return {
            "clips": self.clips,
            "counts": {str(flag): count for flag, count in self.counts().items()},
            "leaks": [list(pair) for pair in self.leaks],
            "flagged": {key: [str(flag) for flag in flags] for key, flags in self.flags.items()},
            "duplicates": {key: list(keys) for key, keys in self.duplicates.items()},
        }


def inspect_on_this_machine(
    prepared: Prepared, workers: int, on_shard: Callable[[int], None] = lambda clips: None
) -> Inspection:
    """Inspects a dataset in worker processes.

    Args:
        prepared: the dataset.
        workers: how many processes.
        on_shard: called after each shard with the number of its clips.
    """
    import math

    from kinetics_tfds.workers import WorkerPool

    results = []
    with WorkerPool(workers, memory_bytes=None, preload=[inspect_shard.__module__]) as pool:
        futures = [
            (split, pool.submit(inspect_shard, os.fspath(prepared.folder), split, number, seconds=math.inf))
            for split, number in prepared.shard_numbers()
        ]
        for split, future in futures:
            result = {"split": split, **future.result()}
            on_shard(len(result["clips"]))
            results.append(result)
    return summarise(results)


def summarise(results: Iterable[Mapping[str, Any]]) -> Inspection:
    """Puts the results of all shards together, and finds near-duplicates among them.

    Args:
        results: of `inspect_shard`, each with its `split`.
    """
    keys: list[str] = []
    own_flags: list[list[str]] = []
    hashes: list[list[int]] = []
    for result in results:
        for clip in result["clips"]:
            keys.append(f"{result['split']}/{clip['id']}")
            own_flags.append(clip["flags"])
            hashes.append([int(text, 16) for text in clip["hashes"]])
    pairs = find_near_duplicates(hashes)
    groups = group(pairs)
    flags = {
        keys[place]: (*map(Flag, own_flags[place]), *([Flag.NEAR_DUPLICATE] if place in groups else []))
        for place in range(len(keys))
        if own_flags[place] or place in groups
    }
    duplicates = {keys[place]: _others(place, found, keys) for place, found in groups.items()}
    leaks = sorted((keys[pair.a], keys[pair.b]) for pair in pairs if _split(keys[pair.a]) != _split(keys[pair.b]))
    return Inspection(len(keys), flags, duplicates, tuple(leaks))


def _others(place: int, pairs: Sequence[Pair], keys: Sequence[str]) -> tuple[str, ...]:
    return tuple(sorted(keys[pair.b if pair.a == place else pair.a] for pair in pairs))


def _split(key: str) -> str:
    return key.partition("/")[0]


def write_inspection(prepared: Prepared, inspection: Inspection) -> epath.Path:
    """Writes the flagged clips beside the shards, and returns the file."""
    rows = [
        {
            "split": _split(key),
            "id": key.partition("/")[2],
            "flags": [str(flag) for flag in flags],
            "duplicate_of": list(inspection.duplicates.get(key, ())),
        }
        for key, flags in sorted(inspection.flags.items())
    ]
    path = prepared.folder / FILE_NAME
    write_parquet(path, pa.Table.from_pylist(rows, schema=SCHEMA))
    return path


def read_inspection(folder: epath.PathLike) -> pa.Table | None:
    """Returns the table that `write_inspection` wrote, None where the dataset was not inspected."""
    path = epath.Path(folder) / FILE_NAME
    if not path.exists():
        return None
    with open_parquet(path) as file:
        return file.read()
