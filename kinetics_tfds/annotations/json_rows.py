"""DeepMind's JSON lists: one object keyed by video id, read entry by entry, since it may have 160 MB."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from kinetics_tfds.errors import AnnotationError

_MAX_ENTRY = 1 << 20  # characters; a real entry has about 250
_DECODER = json.JSONDecoder(parse_int=str, parse_float=str)  # Python refuses to make numbers of thousands of digits
_KEY = re.compile(r'\s*(?P<opener>[{,])\s*(?P<key>"[^"\\]{0,200}")\s*:\s*')
_END = re.compile(r"\s*\{?\s*\}\s*")


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
    for line, youtube_id, entry in _entries(iter(pieces), path):
        try:
            annotation = entry["annotations"]
            start, end = annotation["segment"]
            label, subset = annotation.get("label") or "", entry.get("subset") or ""
            yield line, str(label), youtube_id, str(start), str(end), str(subset)
        except (KeyError, TypeError, ValueError, AttributeError):
            on_bad_line(line, f"the entry {youtube_id!r} has no annotations with a segment of two times")


def _entries(pieces: Iterator[str], path: str) -> Iterator[tuple[int, str, Any]]:
    """Yields line, key and value of each entry; whatever cannot be read yet is tried again with the next piece."""
    buffer, at, line, opener = "", 0, 1, "{"
    while True:
        key = _KEY.match(buffer, at)
        if key is not None and key["opener"] == opener:
            try:
                value, end = _DECODER.raw_decode(buffer, key.end())
            except (json.JSONDecodeError, RecursionError):
                pass
            else:
                yield line + buffer.count("\n", at, key.start("key")), json.loads(key["key"]), value
                line += buffer.count("\n", at, end)
                at, opener = end, ","
                continue
        piece = next(pieces, "")
        buffer, at = buffer[at:] + piece, 0
        if not piece and _END.fullmatch(buffer):
            return
        if not piece or len(buffer) > _MAX_ENTRY + len(piece):
            found = buffer.strip()[:60]
            raise AnnotationError(
                f"{path}, line {line}: not a JSON list of Kinetics, or cut off: {found!r} is no whole entry.",
                "Download it again, or give the CSV list instead.",
            )
