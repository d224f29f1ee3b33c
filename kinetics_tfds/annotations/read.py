"""Reading annotation files of any form into one set of clips.

One odd row does not stop a build: it is left out, counted and listed. A file that is odd throughout does stop it, and
so do rows that contradict each other, because no rule could tell which of them is right.
"""

from __future__ import annotations

import array
import bisect
import collections
import csv
import dataclasses
import itertools
import os
import tarfile
import zipfile
import zlib
from collections.abc import Sequence

from kinetics_tfds.annotations import names
from kinetics_tfds.annotations.annotation_set import AnnotationSet, RowWarning, SourceFile, WarningKind, summarise
from kinetics_tfds.annotations.checks import RowChecker, RowError
from kinetics_tfds.annotations.classes import find_class
from kinetics_tfds.annotations.clip import Clip, Split
from kinetics_tfds.annotations.files import OpenList, open_lists
from kinetics_tfds.annotations.rows import NotAListError, read_rows
from kinetics_tfds.annotations.versions import VERSIONS, KineticsVersion, get_version
from kinetics_tfds.errors import AnnotationError

# A file is refused if more rows than this are left out, whichever is more.
MAX_LEFT_OUT_ROWS = 5
MAX_LEFT_OUT_SHARE = 0.01
_MOST_LEFT_OUT_ROWS = 50_000

_DAMAGE = (OSError, EOFError, zlib.error, tarfile.TarError, zipfile.BadZipFile, csv.Error, RuntimeError)

PathLike = str | os.PathLike[str]


def read_annotations(version: str | KineticsVersion, files: Sequence[PathLike]) -> AnnotationSet:
    """Reads the rows of one version from files of any official or mirrored form.

    Files that their names give to another version are passed over. Lists may overlap: a clip that several files hold is
    read once, and a label that one of them leaves out is taken from the other. Rows whose times agree to the second are
    one clip, since a file name and a record's id cannot tell them apart.

    Args:
        version: the version, or its name.
        files: CSV, JSON and text lists, .zip and .tar.gz archives of them; local, or
            URLs that fsspec or epath can open.

    Returns:
        The clips, and what was odd (docs/annotations.md lists all that can be).

    Raises:
        AnnotationError: a file cannot be read, is no list, or has too many rows that cannot be used; two rows give one
            clip different labels; or no file of this version is left.
    """
    version = get_version(version)
    paths = sorted(os.fspath(path) for path in files)
    if not paths:
        raise AnnotationError(
            f"No annotation files of {version} were given.",
            "Name at least one: CSV, JSON or text lists, or archives of them.",
        )
    merger = _Merger(version)
    for path, other in zip(paths, _other_versions(version, paths), strict=True):
        if other:
            merger.sources.append(SourceFile(path, note=f"of {other}, not read"))
        else:
            _read_file(path, version, merger)
    return merger.finish()


def files_of_version(version: str | KineticsVersion, files: Sequence[PathLike]) -> list[str]:
    """Returns the files to read `version` from where several versions' lists lie together.

    Those that their names, or the nearest folder that names a version, give to it; where there are none, those that
    name no version at all.
    """
    named: dict[str | None, list[str]] = collections.defaultdict(list)
    for file in files:
        path = os.fspath(file)
        named[_named_version(path)].append(path)
    return named[get_version(version).name] or named[None]


def possible_files(version: str | KineticsVersion, files: Sequence[PathLike]) -> list[str]:
    """Returns the files that `read_annotations` would read: all but those that are named for another version."""
    paths = [os.fspath(path) for path in files]
    others = _other_versions(get_version(version), paths)
    return [path for path, other in zip(paths, others, strict=True) if other is None]


def _named_version(path: str) -> str | None:
    return names.version_of(os.path.basename(path)) or names.version_of_folders(path)


def _other_versions(version: KineticsVersion, paths: Sequence[str]) -> list[str | None]:
    """Returns, for each file, the other version that it belongs to, None if it may be of this one."""
    # The folder counts only where it chooses between several: all of a user's data may lie in /data/kinetics400.
    folders_choose = any(_named_version(path) == version.name for path in paths)
    named = [_named_version(path) if folders_choose else names.version_of(os.path.basename(path)) for path in paths]
    return [None if other == version.name else other for other in named]


def _read_file(path: str, version: KineticsVersion, merger: _Merger) -> None:
    try:
        for opened in open_lists(path):
            member = opened.path.removeprefix(path).removeprefix(":")
            other = names.version_of(os.path.basename(member)) or names.version_of_folders(member)
            if other not in (None, version.name) and names.version_of(os.path.basename(path)) != version.name:
                merger.sources.append(SourceFile(opened.path, note=f"of {other}, not read"))
            else:
                _read_list(opened, version, merger)
    except UnicodeDecodeError as error:
        raise AnnotationError(
            f"{path} is not UTF-8 text (byte {error.start}: {error.reason}).", "Save it as CSV in UTF-8."
        ) from error
    except FileNotFoundError as error:
        raise AnnotationError(f"There is no annotation file {path}.", "Check the path.") from error
    except _DAMAGE as error:
        raise AnnotationError(
            f"{path} cannot be read, or is damaged: {error or type(error).__name__}.",
            "Check that it is a file and complete; if so, download it again.",
        ) from error


def _read_list(opened: OpenList, version: KineticsVersion, merger: _Merger) -> None:
    path, text = opened
    checker = RowChecker(version, names.split_of(path))
    left_out: list[RowWarning] = []
    merger.start_file()

    def leave_out(line: int, detail: str, kind: WarningKind = WarningKind.BAD_LINE) -> None:
        left_out.append(RowWarning(kind, path, line, detail))
        if len(left_out) > _MOST_LEFT_OUT_ROWS:  # whatever follows, these are more than a hundredth of any list
            _refuse_other_version(SourceFile(path), checker, version)
            _refuse_odd_file(SourceFile(path, rows=line), left_out, version)

    try:
        for row in read_rows(text, path, leave_out):
            try:
                merger.add(checker.clip(row), row.line, path)
            except RowError as problem:
                leave_out(row.line, problem.detail, problem.kind)
    except NotAListError as reason:
        merger.sources.append(SourceFile(path, note=f"{reason}, not read"))
        return
    source = merger.end_file(path, left_out)
    _refuse_other_version(source, checker, version)
    _refuse_odd_file(source, left_out, version)
    for raw, count in checker.spellings.items():
        detail = f"{version} writes {raw!r} as {checker.spelling(raw)!r}"
        merger.warnings.append(RowWarning(WarningKind.SPELLING, path, 0, detail, count))


def _refuse_other_version(source: SourceFile, checker: RowChecker, version: KineticsVersion) -> None:
    """Stops at a list whose classes are all another version's, and not all this one's."""
    if not checker.unknown_labels:
        return
    labels = checker.unknown_labels | checker.known_labels
    fitting = [other for other in VERSIONS.values() if all(find_class(label, other) for label in labels)]
    if fitting:
        unknown = sorted(checker.unknown_labels)
        raise AnnotationError(
            f"{source.path} is a list of {' or '.join(map(str, fitting))}, not of {version}, which has no class "
            f"{unknown[0]!r} ({len(unknown)} such classes).",
            f"Move it away, or put the version into its name (like kinetics-{fitting[0].name[8:]}_train.csv), so that "
            "it is passed over.",
        )


def _refuse_odd_file(source: SourceFile, left_out: Sequence[RowWarning], version: KineticsVersion) -> None:
    allowed = max(MAX_LEFT_OUT_ROWS, int(source.rows * MAX_LEFT_OUT_SHARE))
    if len(left_out) <= allowed and (source.clips or source.repeated or not left_out):
        return
    kinds = collections.Counter(warning.kind for warning in left_out)
    counts = ", ".join(f"{kind} {count:,}" for kind, count in kinds.most_common())
    if kinds.most_common(1)[0][0] in (WarningKind.OTHER_SPLIT, WarningKind.BAD_SPLIT):
        next_step = (
            f"Name the file after the split of its rows ({', '.join(version.splits)}), or mend its split column."
        )
    else:
        next_step = f"Check that it is a list of {version}; mend it or download it again."
    raise AnnotationError(
        f"{source.path}: {len(left_out):,} of {source.rows:,} rows cannot be used ({counts}). "
        f"The first: line {left_out[0].line}: {left_out[0].detail}.",
        next_step,
    )


@dataclasses.dataclass(frozen=True)
class _Conflict:
    clip: Clip
    place: str
    other: Clip
    other_place: str


class _Merger:
    """Collects the clips of all files, each once."""

    def __init__(self, version: KineticsVersion) -> None:
        self._version = version
        self._clips: list[Clip] = []
        self._lines = array.array("L")  # of each clip
        self._first_of_file: list[int] = []  # the place in `_clips` where each file begins
        self._paths: list[str] = []
        self._repeated = 0
        self._index: dict[Split, dict[tuple[str, int, int], int]] = {split: {} for split in Split}
        self._conflicts: list[_Conflict] = []
        self.warnings: list[RowWarning] = []
        self.sources: list[SourceFile] = []

    def start_file(self) -> None:
        """Prepares for the rows of another file."""
        self._first_of_file.append(len(self._clips))
        self._repeated = 0

    def add(self, clip: Clip, line: int, path: str) -> None:
        """Adds one row's clip, or finds that it is there."""
        index = self._index[clip.split]
        key = (clip.youtube_id, round(clip.time_start), round(clip.time_end))
        place = index.setdefault(key, len(self._clips))
        if place == len(self._clips):
            self._clips.append(clip)
            self._lines.append(line)
        else:
            self._meet(place, clip, line, path)

    def _meet(self, place: int, clip: Clip, line: int, path: str) -> None:
        """A clip that was read before comes again."""
        self._repeated += 1
        before = self._clips[place]
        if before.label is None:
            self._clips[place] = dataclasses.replace(before, label=clip.label)
        elif clip.label not in (None, before.label):
            self._conflicts.append(_Conflict(before, self._place(place, path), clip, f"{path}, line {line}"))
        if place >= self._first_of_file[-1]:
            detail = f"the clip {clip.id} of {clip.split} stands in line {self._lines[place]} before"
            self.warnings.append(RowWarning(WarningKind.DUPLICATE, path, line, detail))

    def end_file(self, path: str, left_out: Sequence[RowWarning]) -> SourceFile:
        """Closes a file's account."""
        self._paths.append(path)
        clips = len(self._clips) - self._first_of_file[-1]
        rows = clips + self._repeated + len(left_out)
        note = "" if rows else "no rows"
        source = SourceFile(path, rows, clips, self._repeated, len(left_out), note)
        self.sources.append(source)
        self.warnings += left_out
        return source

    def finish(self) -> AnnotationSet:
        """Returns the set, unless rows contradict each other or there are none."""
        if self._conflicts:
            raise self._conflict_error()
        if not self._clips:
            raise AnnotationError(
                f"The annotation files hold no rows of {self._version} ({summarise(self.sources)}).",
                f"Give lists of {self._version}. If one of these is, take the other version's name out of its path.",
            )
        self._find_shared()
        return AnnotationSet(self._version, tuple(self._clips), tuple(self.warnings), tuple(self.sources))

    def _place(self, place: int, path: str = "") -> str:
        file = bisect.bisect_right(self._first_of_file, place) - 1
        known = self._paths[file] if file < len(self._paths) else path
        return f"{known}, line {self._lines[place]}"

    def _conflict_error(self) -> AnnotationError:
        shown = "; ".join(
            f"{c.clip.id} is {c.clip.label!r} in {c.place}, but {c.other.label!r} in {c.other_place}"
            for c in self._conflicts[:3]
        )
        return AnnotationError(
            f"{len(self._conflicts):,} clips have two labels: {shown}.",
            "Remove the rows or the file that is wrong. Lists of two versions that lie together are a likely cause: "
            "put the version into the files' names (like kinetics-600_val.csv).",
        )

    def _find_shared(self) -> None:
        for one, other in itertools.combinations(Split, 2):
            shared = sorted(self._index[one].keys() & self._index[other].keys())
            if shared:
                place = self._index[other][shared[0]]
                path, _, line = self._place(place).rpartition(", line ")
                detail = f"clips are in {one} and in {other}, the first {self._clips[place].id}"
                self.warnings.append(RowWarning(WarningKind.IN_TWO_SPLITS, path, int(line), detail, len(shared)))
