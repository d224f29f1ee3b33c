"""DeepMind's JSON lists: one object keyed by video id, read entry by entry, since it may have 160 MB."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from kinetics_tfds.errors import AnnotationError

_MAX_ENTRY = 1 << 20  # characters; a real entry has about 250
_SPACE = " \t\r\n"
_DECODER = json.JSONDecoder()


def read_json(
    pieces: Iterable[str], path: str, on_bad_line: Callable[[int, str], None]
) -> Iterator[tuple[int, str, str, str, str, str]]:
    """Reads `{id: {"annotations": {"label": …, "segment": [s, e]}, "subset": …}}`; test entries have no label.

    Args:
        pieces: the text, in pieces of any length.
        path: for messages.
        on_bad_line: called for each entry that has not this form.

    Yields:
        line, label, id, start, end, split, as text.

    Raises:
        AnnotationError: the text is no JSON object, or ends too early.
    """
    for line, youtube_id, entry in _entries(_Text(pieces, path)):
        try:
            annotation = entry["annotations"]
            start, end = annotation["segment"]
            yield line, annotation.get("label") or "", youtube_id, str(start), str(end), entry.get("subset") or ""
        except (KeyError, TypeError, ValueError, AttributeError):
            on_bad_line(line, f"the entry {youtube_id!r} has no annotations with a segment of two times")


class _Text:
    """A window that moves over the text."""

    def __init__(self, pieces: Iterable[str], path: str) -> None:
        self._pieces = iter(pieces)
        self._path = path
        self._buffer = ""
        self._at = 0
        self.line = 1

    def peek(self) -> str:
        """The next character that is not space, or "" at the end."""
        while True:
            while self._at < len(self._buffer):
                character = self._buffer[self._at]
                if character not in _SPACE:
                    return character
                self.line += character == "\n"
                self._at += 1
            if not self._fill():
                return ""

    def take(self, expected: str) -> None:
        """Passes over one character that has to be there."""
        if self.peek() != expected:
            raise self.error(f"{expected!r} expected, {self.peek() or 'the end'!r} found")
        self._at += 1

    def value(self) -> Any:
        """Reads one JSON value."""
        self.peek()
        while True:
            try:
                value, end = _DECODER.raw_decode(self._buffer, self._at)
                if end < len(self._buffer) or not self._fill():  # a number may go on in the next piece
                    self.line += self._buffer.count("\n", self._at, end)
                    self._at = end
                    return value
            except (json.JSONDecodeError, RecursionError) as error:
                if len(self._buffer) - self._at > _MAX_ENTRY or not self._fill():
                    raise self.error(str(error)) from error

    def error(self, detail: str) -> AnnotationError:
        """Says where the text is no JSON list."""
        return AnnotationError(
            f"{self._path}, line {self.line}: not a JSON list of Kinetics, or cut off ({detail}).",
            "Download it again, or give the CSV list instead.",
        )

    def _fill(self) -> bool:
        piece = next(self._pieces, "")
        self._buffer, self._at = self._buffer[self._at :] + piece, 0
        return bool(piece)


def _entries(text: _Text) -> Iterator[tuple[int, str, Any]]:
    text.take("{")
    while text.peek() == '"':
        line, youtube_id = text.line, text.value()
        text.take(":")
        yield line, youtube_id, text.value()
        if text.peek() != ",":
            break
        text.take(",")
    text.take("}")
    if rest := text.peek():
        raise text.error(f"{rest!r} after its end")
