"""What reading annotation files gives: clips, and an account of every row that is not among them."""

from __future__ import annotations

import collections
import dataclasses
import enum
import hashlib
from collections.abc import Iterable, Mapping

from kinetics_tfds.annotations.clip import Clip, Split
from kinetics_tfds.annotations.versions import KineticsVersion
from kinetics_tfds.printable import printable


class WarningKind(enum.StrEnum):
    """What was odd about rows. The words are fixed: scripts may rely on them."""

    # These rows are left out.
    BAD_LINE = "bad_line"  # not of the form of the other rows
    BAD_ID = "bad_id"  # not 11 characters of [A-Za-z0-9_-]
    BAD_TIMES = "bad_times"  # no number, not finite, negative, or an end that is not after the start
    UNKNOWN_LABEL = "unknown_label"  # a class that the version does not have
    BAD_SPLIT = "bad_split"  # a word that means no split of the version
    OTHER_SPLIT = "other_split"  # a row of another split than the one that the file is named for
    DUPLICATE = "duplicate"  # the clip stands in the same file before
    # These are kept.
    SPELLING = "spelling"  # a class in another spelling than the version's; one warning a file and spelling
    IN_TWO_SPLITS = "in_two_splits"  # a clip that two splits hold; one warning a pair of splits

    @property
    def kept(self) -> bool:
        """Whether the clips of such rows are in the set all the same."""
        return self in (WarningKind.DUPLICATE, WarningKind.SPELLING, WarningKind.IN_TWO_SPLITS)


@dataclasses.dataclass(frozen=True, slots=True)
class RowWarning:
    """Something odd about a row, or about several for the same cause.

    Attributes:
        kind: what sort of thing.
        path: the file; for a member of an archive `{archive}:{member}`.
        line: of the first such row, from 1.
        detail: one line for people.
        count: rows.
    """

    kind: WarningKind
    path: str
    line: int
    detail: str
    count: int = 1

    def __str__(self) -> str:
        times = f" ({self.count:,} rows)" if self.count > 1 else ""
        return printable(f"{self.path}, line {self.line}: {self.kind}: {self.detail}{times}")


@dataclasses.dataclass(frozen=True, slots=True)
class SourceFile:
    """One file, or one member of an archive. rows = clips + repeated + left_out.

    Attributes:
        path: the file; for a member of an archive `{archive}:{member}`.
        rows: rows it has.
        clips: rows that gave a clip that no file before had.
        repeated: rows whose clip was there already, from this file or one before.
        left_out: rows that were left out, each with a warning.
        note: why the file was not read or gave nothing; empty if all is well.
    """

    path: str
    rows: int = 0
    clips: int = 0
    repeated: int = 0
    left_out: int = 0
    note: str = ""


@dataclasses.dataclass(frozen=True)
class AnnotationSet:
    """The clips of one version, as a set of files lists them.

    Attributes:
        version: the version they were read as.
        clips: each (split, id, start, end) once, in the order of the files' names and rows.
        warnings: odd rows.
        sources: the files.
    """

    version: KineticsVersion
    clips: tuple[Clip, ...]
    warnings: tuple[RowWarning, ...] = ()
    sources: tuple[SourceFile, ...] = ()

    def of_split(self, split: Split) -> tuple[Clip, ...]:
        """Returns the clips of one split."""
        return tuple(clip for clip in self.clips if clip.split is split)

    def split_counts(self) -> dict[Split, int]:
        """Returns how many clips each split has; splits without any are absent."""
        counts = collections.Counter(clip.split for clip in self.clips)
        return {split: counts[split] for split in Split if split in counts}

    def warning_counts(self) -> dict[WarningKind, int]:
        """Returns how many rows each kind of warning is about."""
        counts: collections.Counter[WarningKind] = collections.Counter()
        for warning in self.warnings:
            counts[warning.kind] += warning.count
        return dict(counts)

    def digest(self) -> str:
        """Returns a hash of version and clips that does not depend on files or their order.

        Returns:
            64 hexadecimal digits: SHA-256 of the version's name and one line a clip, sorted.
        """
        lines = sorted(_line(clip) for clip in self.clips)
        sha = hashlib.sha256(f"{self.version.name}\n".encode())
        for line in lines:
            sha.update(line.encode())
        return sha.hexdigest()

    def describe(self, max_warnings: int = 10) -> str:
        """Returns a few lines for people: clips by split, files, the first warnings of each kind."""
        lines = [f"{self.version.title}: {_counts(self.split_counts())}"]
        for source in self.sources:
            note = f" - {source.note}" if source.note else ""
            lines.append(
                f"  {printable(source.path)}: {source.rows:,} rows, {source.clips:,} new clips, "
                f"{source.repeated:,} repeated, {source.left_out:,} left out{note}"
            )
        if self.warnings:
            lines.append(f"Odd rows: {_counts(self.warning_counts())}")
            shown: collections.Counter[WarningKind] = collections.Counter()
            for warning in self.warnings:
                shown[warning.kind] += 1
                if shown[warning.kind] <= max_warnings:
                    lines.append(f"  {warning}")
        return "\n".join(lines)


def _line(clip: Clip) -> str:
    label = "" if clip.label is None else clip.label
    return f"{clip.split}\t{clip.youtube_id}\t{clip.time_start!r}\t{clip.time_end!r}\t{label}\n"


def _counts(counts: Mapping[Split, int] | Mapping[WarningKind, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items()) or "none"


def summarise(sources: Iterable[SourceFile]) -> str:
    """Returns the files and why each was not read, for an error."""
    return "; ".join(f"{source.path}: {source.note or f'{source.rows} rows'}" for source in sources)
