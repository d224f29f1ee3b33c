"""Rows of one video: a file named by the id alone may be meant for any of them, also for one that is stored already."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from kinetics_tfds.annotations.clip import Clip

# For each video that several rows are about, all of them.
Siblings = Mapping[str, tuple[Clip, ...]]


def find_siblings(rows: Iterable[Clip]) -> Siblings:
    """Returns the videos that several rows are about, with all of their rows.

    >>> from kinetics_tfds.annotations.clip import Split
    >>> rows = [Clip(Split.TRAIN, id, 0, 10) for id in ("a", "b")] + [Clip(Split.TRAIN, "a", 20, 30)]
    >>> [(video, len(group)) for video, group in find_siblings(rows).items()]
    [('a', 2)]
    """
    rows = tuple(rows)
    seen: set[str] = set()
    several: dict[str, list[Clip]] = {}
    for row in rows:
        if row.youtube_id in seen:
            several[row.youtube_id] = []
        seen.add(row.youtube_id)
    for row in rows:
        if row.youtube_id in several:
            several[row.youtube_id].append(row)
    return {video: tuple(group) for video, group in several.items()}


def others_of(clips: Collection[Clip], siblings: Siblings) -> tuple[Clip, ...]:
    """Returns the rows of the same videos that are not among `clips`."""
    given = set(clips)
    others = {other: None for clip in clips for other in siblings.get(clip.youtube_id, ())}
    return tuple(other for other in others if other not in given)
