"""Snapshots: small files that say exactly which clips somebody has, to acquire or to compare against."""

from __future__ import annotations

import dataclasses
import hashlib
import posixpath
from collections.abc import Iterable, Mapping, Sequence

from kinetics_tfds.acquire.reports.clip_status import find_statuses
from kinetics_tfds.acquire.store.clip_store import ClipStore
from kinetics_tfds.annotations.clip import Clip, clip_columns, clip_schema
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
        cut: `reencoded`, `as_is`; empty where that is not known.
    """

    clip: Clip
    sha256: str
    bytes: int
    source: str
    cut: str


def take_snapshot(
    clips: Sequence[Clip], store: ClipStore, version: KineticsVersion, rehash: bool = False, check: bool = False
) -> list[Entry]:
    """Returns an entry for each row of a version whose clip is in the store, sorted.

    `rehash` reads every file anew instead of trusting the ledger; `check` decodes it, and leaves it out if damaged.
    """
    there = [(row, row.path) for row in find_statuses(clips, store, version, check) if row.path is not None]
    sizes = store.sizes(path for _, path in there)
    entries = []
    for row, path in there:
        attempt = row.attempt
        if rehash or attempt is None or attempt.sha256 is None or attempt.bytes != sizes[path]:
            with open_file(posixpath.join(store.root, path)) as file:
                sha256 = hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]
        else:
            sha256 = attempt.sha256
        source, cut = (attempt.source, attempt.cut or "") if attempt is not None else ("", "")
        entries.append(Entry(row.clip, sha256, sizes[path], source, cut))
    return sorted(entries, key=lambda entry: entry.clip.key)


def digest(entries: Iterable[Entry]) -> str:
    """Returns the sha256 of all rows and hashes: equal for equal clips, whatever their order."""
    lines = sorted(f"{entry.clip.key} {entry.clip.label or ''} {entry.sha256}\n" for entry in entries)
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

    from kinetics_tfds.parquet import write_parquet

    _check_suffix(path)
    types = {"sha256": pa.string(), "bytes": pa.int64(), "source": pa.string(), "cut": pa.string()}
    columns = clip_columns(entry.clip for entry in entries)
    columns |= {name: [getattr(entry, name) for entry in entries] for name in types}
    schema = clip_schema(*types.items())
    try:
        if path.endswith(".csv"):
            pyarrow.csv.write_csv(pa.table(columns, schema=schema), path)
        else:
            write_parquet(path, pa.table(columns, schema=schema.with_metadata(dict(about))))
    except OSError as error:
        raise AcquireError(f"The snapshot {path!r} cannot be written: {error}", "Choose another place.") from error


def read_snapshot(path: str) -> list[Entry]:
    """Reads a snapshot.

    Raises:
        AcquireError: the file does not exist, or is no snapshot.
    """
    import pyarrow as pa
    import pyarrow.csv

    from kinetics_tfds.parquet import open_parquet

    _check_suffix(path)
    try:
        if path.endswith(".csv"):
            types = {name: pa.string() for name in ("split", "youtube_id", "label", "sha256", "source", "cut")}
            convert = pyarrow.csv.ConvertOptions(column_types=types, strings_can_be_null=False)
            rows = pyarrow.csv.read_csv(path, convert_options=convert).to_pylist()
        else:
            rows = open_parquet(path).read().to_pylist()
        return [
            Entry(Clip.from_row(row), row["sha256"], row["bytes"], row["source"] or "", row["cut"] or "")
            for row in rows
        ]
    except (OSError, KeyError, ValueError, pa.ArrowException) as error:
        raise AcquireError(
            f"{path!r} cannot be read as a snapshot: {error}", "Name a file that `kinetics snapshot` wrote."
        ) from error


def _check_suffix(path: str) -> None:
    if not path.endswith(_SUFFIXES):
        raise AcquireError(f"The snapshot {path!r} is neither .parquet nor .csv.", "Name it so.")


def restrict_to_snapshot(clips: Iterable[Clip], path: str) -> list[Clip]:
    """Returns the rows that a snapshot has."""
    wanted = {entry.clip.key for entry in read_snapshot(path)}
    return [clip for clip in clips if clip.key in wanted]
