"""Snapshots: small files that say exactly which clips somebody has, to acquire or to compare against."""

from __future__ import annotations

import dataclasses
import hashlib
import posixpath
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from kinetics_tfds.acquire.ledger.records import clip_key
from kinetics_tfds.acquire.reports.clip_status import ClipStatus, find_standings
from kinetics_tfds.acquire.store.clip_store import Store
from kinetics_tfds.annotations.clip import Clip, Split
from kinetics_tfds.annotations.versions import KineticsVersion
from kinetics_tfds.errors import AcquireError
from kinetics_tfds.file_systems import open_file

_SUFFIXES = (".parquet", ".csv")


@dataclasses.dataclass(frozen=True, slots=True)
class Entry:
    """One clip of a snapshot.

    Attributes:
        clip: the annotation row.
        sha256: of the file, hexadecimal.
        bytes: its size.
        source: the source it came from; empty where that is not known.
        cut: `reencoded`, `copied`, `as_is`; empty where that is not known.
    """

    clip: Clip
    sha256: str
    bytes: int
    source: str
    cut: str


@dataclasses.dataclass(frozen=True)
class Comparison:
    """What two snapshots have in common.

    Attributes:
        same: clips with the same bytes in both.
        other_bytes: clips in both, of other bytes: cut anew, or from another source.
        only_first: clips that only the first has.
        only_second: clips that only the second has.
    """

    same: tuple[Clip, ...]
    other_bytes: tuple[Clip, ...]
    only_first: tuple[Clip, ...]
    only_second: tuple[Clip, ...]


def take_snapshot(clips: Sequence[Clip], store: Store, version: KineticsVersion, rehash: bool = False) -> list[Entry]:
    """Returns an entry for each row whose clip is in the store, sorted.

    Args:
        clips: the rows.
        store: the store.
        version: of Kinetics.
        rehash: read every file anew instead of trusting the ledger.
    """
    entries = []
    for row in find_standings(clips, store, version):
        if row.standing is not ClipStatus.THERE or row.path is None:
            continue
        record = row.record
        if record is None or record.sha256 is None or record.bytes is None or rehash:
            sha256, size = _hash(store, row.path)
        else:
            sha256, size = record.sha256, record.bytes
        source, cut = (record.source, record.cut or "") if record is not None else ("", "")
        entries.append(Entry(row.clip, sha256, size, source, cut))
    return sorted(entries, key=lambda entry: clip_key(entry.clip))


def _hash(store: Store, path: str) -> tuple[str, int]:
    with open_file(posixpath.join(store.root, path)) as f:
        digest, size = hashlib.sha256(), 0
        while block := f.read(1 << 20):
            digest.update(block)
            size += len(block)
    return digest.hexdigest(), size


def digest(entries: Iterable[Entry]) -> str:
    """Returns the sha256 of all rows and hashes: equal for equal clips, whatever their order."""
    lines = sorted(f"{clip_key(entry.clip)} {entry.clip.label or ''} {entry.sha256}\n" for entry in entries)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def write_snapshot(path: str, entries: Sequence[Entry], about: Mapping[str, str]) -> None:
    """Writes a snapshot.

    Args:
        path: ends in .parquet or .csv.
        entries: the clips.
        about: what else to say in a Parquet file's metadata (version, digest of the rows, …).

    Raises:
        AcquireError: another suffix, or the file cannot be written.
    """
    import pyarrow as pa
    import pyarrow.csv
    import pyarrow.parquet

    _check_suffix(path)
    columns: dict[str, Any] = {
        "split": [str(entry.clip.split) for entry in entries],
        "youtube_id": [entry.clip.youtube_id for entry in entries],
        "time_start": pa.array([entry.clip.time_start for entry in entries], pa.float64()),
        "time_end": pa.array([entry.clip.time_end for entry in entries], pa.float64()),
        "label": pa.array([entry.clip.label for entry in entries], pa.string()),
        "sha256": [entry.sha256 for entry in entries],
        "bytes": pa.array([entry.bytes for entry in entries], pa.int64()),
        "source": [entry.source for entry in entries],
        "cut": [entry.cut for entry in entries],
    }
    table = pa.table(columns)
    try:
        if path.endswith(".csv"):
            pyarrow.csv.write_csv(table, path)
        else:
            metadata = {f"kinetics_{key}": value for key, value in about.items()}
            pyarrow.parquet.write_table(table.replace_schema_metadata(metadata), path, compression="zstd")
    except OSError as error:
        raise AcquireError(f"The snapshot {path!r} cannot be written: {error}", "Choose another place.") from error


def read_snapshot(path: str) -> list[Entry]:
    """Reads a snapshot.

    Raises:
        AcquireError: the file is not there, or is no snapshot.
    """
    import pyarrow as pa
    import pyarrow.csv
    import pyarrow.parquet

    _check_suffix(path)
    try:
        if path.endswith(".csv"):
            types = {name: pa.string() for name in ("split", "youtube_id", "label", "sha256", "source", "cut")}
            convert = pyarrow.csv.ConvertOptions(column_types=types, strings_can_be_null=False)
            rows = pyarrow.csv.read_csv(path, convert_options=convert).to_pylist()
        else:
            rows = pyarrow.parquet.read_table(path).to_pylist()
        return [
            Entry(
                Clip(Split(row["split"]), row["youtube_id"], row["time_start"], row["time_end"], row["label"] or None),
                row["sha256"],
                row["bytes"],
                row["source"] or "",
                row["cut"] or "",
            )
            for row in rows
        ]
    except (OSError, KeyError, ValueError, pa.ArrowException) as error:
        raise AcquireError(
            f"{path!r} cannot be read as a snapshot: {error}", "Name a file that `kinetics snapshot` wrote."
        ) from error


def _check_suffix(path: str) -> None:
    if not path.endswith(_SUFFIXES):
        raise AcquireError(f"The snapshot {path!r} is neither .parquet nor .csv.", "Name it so.")


def compare(first: Sequence[Entry], second: Sequence[Entry]) -> Comparison:
    """Compares two snapshots, row by row."""
    one = {clip_key(entry.clip): entry for entry in first}
    two = {clip_key(entry.clip): entry for entry in second}
    both = sorted(one.keys() & two.keys())
    return Comparison(
        tuple(one[key].clip for key in both if one[key].sha256 == two[key].sha256),
        tuple(one[key].clip for key in both if one[key].sha256 != two[key].sha256),
        tuple(one[key].clip for key in sorted(one.keys() - two.keys())),
        tuple(two[key].clip for key in sorted(two.keys() - one.keys())),
    )


def restrict_to_snapshot(clips: Iterable[Clip], path: str) -> list[Clip]:
    """Returns the rows that a snapshot has."""
    wanted = {clip_key(entry.clip) for entry in read_snapshot(path)}
    return [clip for clip in clips if clip_key(clip) in wanted]
