"""What all exports have in common: which records go to which shard, whole files only, going on after a stop."""

from __future__ import annotations

import dataclasses
import difflib
import importlib
import itertools
import json
import os
import uuid
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from etils import epath

from kinetics_tfds.annotations.versions import get_version
from kinetics_tfds.errors import ConfigError, PlanMismatchError, VerifyError
from kinetics_tfds.exports.record import ClipRecord, read_record
from kinetics_tfds.prepared.dataset import Prepared, open_prepared
from kinetics_tfds.shards.records import read_records
from kinetics_tfds.slices import even_slice

# What `--format` may say; each module has a `FORMAT`.
FORMATS: Mapping[str, str] = {
    "sequence_examples": "kinetics_tfds.exports.sequence_examples",
    "webdataset": "kinetics_tfds.exports.webdataset",
    "hugging_face": "kinetics_tfds.exports.hugging_face",
}


class ExportFormat(Protocol):
    """A way to write shards. A new one is a module with a `FORMAT`, named in `FORMATS`."""

    def shard_name(self, export: Export, index: int) -> str:
        """Returns the path of a shard below the target."""
        ...

    def write(self, path: epath.Path, records: Iterator[ClipRecord], export: Export, prepared: Prepared) -> None:
        """Writes one shard to a new file."""
        ...

    def finish(self, export: Export, prepared: Prepared) -> None:
        """Writes what describes the shards, once all of them exist."""
        ...


@dataclasses.dataclass(frozen=True)
class Export:
    """What to export where; small enough to send to every worker.

    Attributes:
        source: folder of the prepared dataset.
        target: folder of the shards to write.
        format: one of `FORMATS`.
        split: the split to export.
        name: what shard names begin with.
        num_shards: how many.
        audio: whether to export the audio, where the dataset stores any.
    """

    source: str
    target: str
    format: str
    split: str
    name: str
    num_shards: int
    audio: bool = True

    def path(self, index: int) -> epath.Path:
        """Returns the file of one shard."""
        return epath.Path(self.target) / find_format(self.format).shard_name(self, index)


def find_format(name: str) -> ExportFormat:
    """Returns the format of that name.

    Raises:
        ConfigError: no such format exists.
    """
    if name not in FORMATS:
        nearest = difflib.get_close_matches(name, FORMATS, n=1, cutoff=0)[0]
        raise ConfigError(f"No format {name!r} exists.", f"Did you mean {nearest!r}? Formats: {', '.join(FORMATS)}.")
    return importlib.import_module(FORMATS[name]).FORMAT


def prepare_export(export: Export) -> list[int]:
    """Checks that the export can be made, and returns the shards that are still to be written.

    Raises:
        ConfigError: an unknown split or format, or a bad number of shards.
        PlanMismatchError: the target holds shards of that name from another export.
    """
    find_format(export.format)
    prepared = open_prepared(export.source)
    if export.split not in prepared.identity.splits:
        raise ConfigError(
            f"The dataset has no split {export.split!r}.", f"Use one of {', '.join(prepared.identity.splits)}."
        )
    if not 1 <= export.num_shards <= 99_999:
        raise ConfigError(f"num_shards is {export.num_shards}.", "Set it to 1 to 99999.")
    _write_note(export, prepared.identity.fingerprint)
    return [index for index in range(export.num_shards) if not export.path(index).exists()]


def export_shard(prepared: Prepared, export: Export, index: int) -> int:
    """Writes one shard, whole or not at all, and returns how many clips it holds.

    Args:
        prepared: the dataset, opened once for all shards that a process writes.
        export: what to export where.
        index: the output shard's number.

    Raises:
        VerifyError: a record of the dataset is damaged.
    """
    names = get_version(prepared.identity.dataset).class_names
    written = 0

    def records() -> Iterator[ClipRecord]:
        nonlocal written
        for data in _records_of_shard(prepared, export, index):
            record = read_record(data, names)
            yield record if export.audio else dataclasses.replace(record, audio=None)
            written += 1

    final = export.path(index)
    final.parent.mkdir(parents=True, exist_ok=True)
    # Two workers may be given the same shard: each has its own temporary file, and the last rename wins.
    temporary = final.parent / f".{final.name}.{uuid.uuid4().hex}.partial"
    try:
        find_format(export.format).write(temporary, records(), export, prepared)
        temporary.replace(final)
    finally:
        temporary.unlink(missing_ok=True)
    return written


def finish_export(prepared: Prepared, export: Export) -> None:
    """Writes what describes the shards; all of them must exist."""
    find_format(export.format).finish(export, prepared)


def _records_of_shard(prepared: Prepared, export: Export, index: int) -> Iterator[bytes]:
    lengths = prepared.lengths(export.split)
    part = even_slice(sum(lengths), index, export.num_shards)
    before = 0  # records of the shards before this one
    for number, length in enumerate(lengths):
        low, high = max(part.start - before, 0), min(part.stop - before, length)
        before += length
        if low >= high:
            continue
        shard = prepared.shard(export.split, number)
        for record, raw in enumerate(itertools.islice(read_records(shard.path, shard.file_format), low, high), low):
            if raw.data is None or raw.problem:
                raise VerifyError(
                    f"{shard.name} record {record}: {raw.problem}.", "`kinetics verify` lists everything that is wrong."
                )
            yield raw.data


def _write_note(export: Export, fingerprint: str) -> None:
    """Notes what the target's shards are made from, so that two datasets never mix under one name.

    The note's name begins with a dot: readers that take every file whose name begins with the split's would read it.
    """
    target = epath.Path(export.target)
    target.mkdir(parents=True, exist_ok=True)
    path = target / f".{export.name}.{export.format}.json"
    note = {"fingerprint": fingerprint, "split": export.split, "num_shards": export.num_shards, "audio": export.audio}
    if path.exists():
        there: dict[str, Any] = json.loads(path.read_text())
        different = [name for name in note if there.get(name) != note[name]]
        if different:
            raise PlanMismatchError(
                f"{os.fspath(target)} holds shards of {export.name} that were exported with another "
                f"{', another '.join(different)}.",
                "Export into another folder or under another --name, or delete those shards and the note beside them.",
            )
        return
    path.write_text(json.dumps(note, indent=2) + "\n")
