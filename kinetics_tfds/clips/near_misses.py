"""Why media files match no row: the nearest row, for names that are off by a little."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterable, Sequence

from kinetics_tfds.annotations.clip import Clip
from kinetics_tfds.clips.layouts import read_name

_KNOWN_PART = 10  # characters of an id that must agree where one is lost at either end


def explain_unclaimed(paths: Iterable[str], missing: Sequence[Clip]) -> list[str]:
    """Returns one line per file: its path, and why no row names it.

    Args:
        paths: media files without a row, relative to the folder of clips.
        missing: the rows without a file.

    >>> from kinetics_tfds.annotations.clip import Split
    >>> row = Clip(Split.TRAIN, "-abcdefghi0", 5, 15, "archery")
    >>> for line in explain_unclaimed(["a/-abcdefghi0_000004_000014.mp4", "-ABCDEFGHI0_000005_000015.mp4"], [row]):
    ...     print(line)
    a/-abcdefghi0_000004_000014.mp4: off by 1 s from -abcdefghi0_000005_000015 (train, archery)
    -ABCDEFGHI0_000005_000015.mp4: other upper and lower case than -abcdefghi0_000005_000015 (train, archery)
    """
    rows = _Rows(missing)
    return [f"{path}: {rows.explain(path)}" for path in paths]


class _Rows:
    """The rows without a file, by whole and by part of their ids."""

    def __init__(self, clips: Sequence[Clip]) -> None:
        self._by_id: dict[str, list[Clip]] = {}
        self._by_folded: dict[str, Clip] = {}
        self._by_part: dict[str, Clip] = {}
        for clip in clips:
            self._by_id.setdefault(clip.youtube_id, []).append(clip)
            self._by_folded.setdefault(clip.youtube_id.lower(), clip)
            self._by_part.setdefault(clip.youtube_id[:_KNOWN_PART], clip)
            self._by_part.setdefault(clip.youtube_id[-_KNOWN_PART:], clip)

    def explain(self, path: str) -> str:
        name = read_name(path)
        if name is None:
            stem, _ = os.path.splitext(posixpath.basename(path))
            near = self._by_part.get(stem[:_KNOWN_PART]) or self._by_part.get(stem.split("_00")[0][-_KNOWN_PART:])
            return f"a character less or more than {_row(near)}" if near else "its name holds no YouTube id"
        clips = self._by_id.get(name.youtube_id)
        if clips and name.time_start is not None and name.time_end is not None:
            start, end = name.time_start, name.time_end
            near = min(clips, key=lambda clip: abs(clip.time_start - start) + abs(clip.time_end - end))
            off = max(abs(near.time_start - start), abs(near.time_end - end))
            return f"off by {off:g} s from {_row(near)}"
        if clips:
            return f"another clip of the video of {_row(clips[0])}"
        near = self._by_folded.get(name.youtube_id.lower())
        if near:
            return f"other upper and lower case than {_row(near)}"
        return "no missing row is of this video"


def _row(clip: Clip) -> str:
    return f"{clip.id} ({clip.split}, {clip.label or 'no label'})"
