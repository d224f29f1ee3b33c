"""From the text of a list to raw rows, whatever the list's form: CSV, tabs, spaces, with or without a header, JSON.

Nothing is judged here but the form: values stay text.
"""

from __future__ import annotations

import csv
import io
import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import IO, NamedTuple

from kinetics_tfds.annotations.clip import VIDEO_ID
from kinetics_tfds.annotations.json_rows import read_json
from kinetics_tfds.annotations.names import parse_split
from kinetics_tfds.errors import AnnotationError


class RawRow(NamedTuple):
    """The text of one row; an absent label or split is the empty string."""

    line: int
    label: str
    youtube_id: str
    time_start: str
    time_end: str
    split: str


# Called with a line's number and what is wrong, for a line that is no row.
OnBadLine = Callable[[int, str], None]


class NotAListError(Exception):
    """A file that belongs to something else and can be passed over: a loader's list of paths, an index of tars."""


_HEAD = 1 << 16  # characters
_LONGEST_LINE = 1 << 16
_SAMPLE_LINES = 50
_LONGEST_PATH_ROW = 4096
_MOST_LINES = 4_000_000
_NUMBER = r"-?(?:\d+(?:\.\d*)?|nan|inf)"
_SPACED = re.compile(
    rf"(?:(?P<label>.+?)\s+)?(?P<id>{VIDEO_ID.pattern})\s+(?P<start>{_NUMBER})\s+(?P<end>{_NUMBER})(?:\s+(?P<tail>.+))?",
    re.IGNORECASE,
)
_PATH_ROW = re.compile(
    r"https?://\S+|\S.*\.(?:mp4|mkv|webm|avi|mov|m4v|3gp|mpg)\b.*|\S+(?:[\s,]+\d+){1,2}", re.IGNORECASE
)

# Headers, letters only. The long ones are those of the first release of Kinetics-400.
_HEADERS = {
    "label": ("label", "classlabel", "class"),
    "youtube_id": ("youtubeid", "youtubeidentifier", "videoid", "id"),
    "time_start": ("timestart", "starttime", "start"),
    "time_end": ("timeend", "endtime", "end"),
    "split": ("split", "subset"),
}
_NEEDED = ("youtube_id", "time_start", "time_end")


class _Columns(NamedTuple):
    """Where each value is; -1 where the list has no such column."""

    label: int
    youtube_id: int
    time_start: int
    time_end: int
    split: int


def read_rows(text: IO[str], path: str, on_bad_line: OnBadLine) -> Iterator[RawRow]:
    """Reads the rows of one list.

    Args:
        text: the list, opened with newline="".
        path: for messages.
        on_bad_line: called for each line that has not the form of the others.

    Raises:
        AnnotationError: the text is no list of annotations.
        NotAListError: it is a list of another kind.
        UnicodeDecodeError, csv.Error: it is damaged.
    """
    # By size, not by lines: a JSON list is one line of 160 MB.
    head = text.read(_HEAD)
    start = head.lstrip()[:1]
    if start == "<":
        raise AnnotationError(
            f"{path} is a web page or a server's error message, not a list.", "Delete it and download the list again."
        )
    if start == "{":
        pieces = itertools.chain([head], iter(lambda: text.read(_HEAD), ""))
        return (RawRow(*row) for row in read_json(pieces, path, on_bad_line))
    head += text.readline(_LONGEST_LINE)
    sample = [line for line in io.StringIO(head, newline="") if line.strip()][:_SAMPLE_LINES]
    lines = itertools.chain(io.StringIO(head, newline=""), iter(lambda: text.readline(_LONGEST_LINE), ""))
    return _read_table(_counted(lines, path), sample, path, on_bad_line)


def _counted(lines: Iterable[str], path: str) -> Iterator[str]:
    """Stops at more lines than any list has: 3 MB of compressed line feeds unpack to half a billion."""
    for number, line in enumerate(lines):
        if number == _MOST_LINES:
            raise AnnotationError(
                f"{path} has more than {_MOST_LINES:,} lines; the longest list of Kinetics has 650,000.",
                "Check where the file comes from, and download it again from an official source.",
            )
        yield line


def _read_table(lines: Iterable[str], sample: Sequence[str], path: str, on_bad_line: OnBadLine) -> Iterator[RawRow]:
    if not sample:
        raise AnnotationError(f"{path} is empty.", "Delete it, or download it again.")
    for delimiter in (",", "\t", ";"):
        fields = [[field.strip() for field in row] for row in csv.reader(sample, delimiter=delimiter)]
        if columns := _columns_of_header(fields[0], path):
            return _read_delimited(lines, delimiter, columns, True, on_bad_line)
        if columns := _columns_of_values(fields):
            return _read_delimited(lines, delimiter, columns, False, on_bad_line)
    header = _columns_of_header(sample[0].split(), path) is not None
    if any(_match_spaced(line) for line in sample) or (header and len(sample) == 1):
        return _read_spaced(lines, header, on_bad_line)
    if all(_PATH_ROW.fullmatch(line.strip()[:_LONGEST_PATH_ROW]) for line in sample):
        raise NotAListError("a list of files, not of annotation rows")
    raise AnnotationError(
        f"{path} has no rows of a known form; its first line is {sample[0].strip()[:100]!r}.",
        "A list has the columns label,youtube_id,time_start,time_end,split (docs/annotations.md). "
        "Mend or rename the file, or move it away if it is no list.",
    )


def _columns_of_header(fields: Sequence[str], path: str) -> _Columns | None:
    """Finds the columns by their headers; None if this is no header."""
    words = [re.sub(r"[^a-z]", "", field.lower()) for field in fields]
    found = {name: next((words.index(w) for w in known if w in words), -1) for name, known in _HEADERS.items()}
    missing = [name for name in _NEEDED if found[name] < 0]
    if len(missing) == len(_NEEDED) or (len(words) == 1 and missing):
        return None
    if missing:
        raise AnnotationError(
            f"{path} has no column {' and no column '.join(missing)}; its header is {','.join(fields)!r}.",
            "A list needs the columns youtube_id, time_start and time_end.",
        )
    return _Columns(**found)


def _columns_of_values(rows: Sequence[Sequence[str]]) -> _Columns | None:
    """Finds the columns of a list without a header by what most of its first rows hold."""
    width = max(map(len, rows))

    def mostly(column: int, holds: Callable[[str], object]) -> bool:
        return sum(len(row) > column and bool(holds(row[column])) for row in rows) * 5 >= len(rows) * 4

    is_number = re.compile(_NUMBER).fullmatch
    for i in range(width - 2):
        if mostly(i, VIDEO_ID.fullmatch) and mostly(i + 1, is_number) and mostly(i + 2, is_number):
            rest = [column for column in range(width) if not i <= column <= i + 2]
            split = next((column for column in rest if mostly(column, parse_split)), -1)
            texts = {c: sum(bool(row[c]) and not is_number(row[c]) for row in rows if len(row) > c) for c in rest}
            texts.pop(split, None)
            label = max(texts, key=texts.__getitem__, default=-1)
            return _Columns(label if texts.get(label) else -1, i, i + 1, i + 2, split)
    return None


def _read_delimited(
    lines: Iterable[str], delimiter: str, columns: _Columns, header: bool, on_bad_line: OnBadLine
) -> Iterator[RawRow]:
    label, youtube_id, start, end, split = columns
    width = max(columns) + 1
    reader = csv.reader(_closed_quotes(lines, on_bad_line), delimiter=delimiter, skipinitialspace=True)
    for row in reader:
        if header and row:
            header = False
        elif len(row) >= width:
            yield RawRow(
                reader.line_num,
                row[label] if label >= 0 else "",
                row[youtube_id],
                row[start],
                row[end],
                row[split] if split >= 0 else "",
            )
        elif any(row):
            on_bad_line(reader.line_num, f"{len(row)} fields where {width} are needed; is the file cut off?")


def _closed_quotes(lines: Iterable[str], on_bad_line: OnBadLine) -> Iterator[str]:
    """Blanks out lines with a quote that is not closed: it would swallow the rows after it up to the next quote."""
    for number, line in enumerate(lines, 1):
        if '"' in line and line.count('"') % 2:
            on_bad_line(number, "a quote that is not closed")
            line = "\n"
        yield line


def _match_spaced(line: str) -> re.Match[str] | None:
    # With one space between words, each of them is looked at once.
    return _SPACED.fullmatch(" ".join(line.split()))


def _read_spaced(lines: Iterable[str], header: bool, on_bad_line: OnBadLine) -> Iterator[RawRow]:
    """Rows whose values are separated by spaces, as are the words of their labels."""
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text:
            continue
        if header:
            header = False
            continue
        match = _match_spaced(text)
        if match is None:
            on_bad_line(number, f"not of the form of the other rows: {text[:80]!r}")
            continue
        label, tail = match["label"] or "", match["tail"] or ""
        # The label may come last, before the split; "holdout test" is two words.
        words = tail.split()
        size = next((n for n in (2, 1) if len(words) >= n and parse_split(" ".join(words[-n:]))), 0)
        split = " ".join(words[len(words) - size :])
        label = label or " ".join(words[: len(words) - size])
        yield RawRow(number, label.strip("\"'"), match["id"], match["start"], match["end"], split)
