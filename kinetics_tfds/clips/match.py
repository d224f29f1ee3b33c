"""Which file holds which clip.

A file whose name carries a row's times is that clip. A file named by the video's id alone may be the clip or the whole
video; only its duration tells, when it is opened. What is written here is decided from names alone, by fixed rules, and
everything that was not plain is reported.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING

from kinetics_tfds.annotations.classes import fold_label
from kinetics_tfds.annotations.clip import Clip
from kinetics_tfds.clips.entries import MEDIA_SUFFIXES, Listing
from kinetics_tfds.clips.layouts import MediaName, read_name
from kinetics_tfds.clips.media import MediaFile, Span

if TYPE_CHECKING:
    from kinetics_tfds.annotations.versions import KineticsVersion

# Two candidates for a clip are compared by these in turn; the first that differs decides. See `_Candidate.rank`.
RULES = (
    "the times in its name",
    "the split its folder names",
    "the class its folder names",
    "its container",
    "its path, in alphabetical order",
)


@dataclasses.dataclass(frozen=True, slots=True)
class Ambiguity:
    """A clip that more than one file may hold.

    Attributes:
        clip: the annotation row.
        chosen: the path of the file that won.
        others: the paths of those that lost, best first.
        why: what decided over the second best, one of `RULES`.
    """

    clip: Clip
    chosen: str
    others: tuple[str, ...]
    why: str


@dataclasses.dataclass(frozen=True, slots=True)
class LabelConflict:
    """A clip whose file lies in another class's folder. The row's label is used.

    Attributes:
        clip: the annotation row.
        path: the file.
        folder_label: the class that the folder names, as the version writes it.
    """

    clip: Clip
    path: str
    folder_label: str


@dataclasses.dataclass(frozen=True)
class Matches:
    """Where every row's clip is.

    Attributes:
        found: the file of each clip that has one, in the rows' order.
        missing: the clips that have none, in the rows' order.
        ambiguous: the clips of `found` that other files might hold too.
        unclaimed: media files that no row names: other clips of a video, other versions' clips, strangers.
        label_conflicts: the clips of `found` whose folder names another class.
    """

    found: dict[Clip, MediaFile]
    missing: tuple[Clip, ...]
    ambiguous: tuple[Ambiguity, ...]
    unclaimed: tuple[str, ...]
    label_conflicts: tuple[LabelConflict, ...] = ()


def match_clips(clips: Sequence[Clip], listing: Listing, version: KineticsVersion) -> Matches:
    """Finds the file of every clip.

    Args:
        clips: annotation rows; pass all rows of the version, so that a video's other clips are known.
        listing: the folder's files.
        version: whose class names folders may bear.

    Returns:
        What was found, what is missing, and what was not plain. Equal input gives an equal result, whatever the order
        of files on disk.
    """
    rows: dict[str, list[Clip]] = {}
    for clip in clips:
        rows.setdefault(clip.youtube_id, []).append(clip)
    # Paths are kept, and names read a second time below: half a million parsed names would weigh more than the time.
    paths: dict[str, list[str]] = {}
    unclaimed: list[str] = []
    for path in listing.media:
        name = read_name(path)
        if name is not None and name.youtube_id in rows:
            paths.setdefault(name.youtube_id, []).append(path)
        else:
            unclaimed.append(path)
    found: dict[Clip, MediaFile] = {}
    ambiguous: list[Ambiguity] = []
    conflicts: list[LabelConflict] = []
    labels = _FolderLabels(version.class_names)
    for youtube_id, own_paths in paths.items():
        group = _match_video(rows[youtube_id], own_paths, labels)
        found.update(group.found)
        ambiguous += group.ambiguous
        conflicts += group.label_conflicts
        unclaimed += group.unclaimed
    return Matches(
        found={clip: found[clip] for clip in clips if clip in found},
        missing=tuple(clip for clip in clips if clip not in found),
        ambiguous=tuple(sorted(ambiguous, key=lambda each: (each.clip.split, each.clip.id))),
        unclaimed=tuple(sorted(unclaimed)),
        label_conflicts=tuple(sorted(conflicts, key=lambda each: each.path)),
    )


def clips_of_file(path: str, rows: Sequence[Clip], class_names: tuple[str, ...]) -> dict[Clip, MediaFile]:
    """Returns which clips one file holds, by the rules of `match_clips`.

    Args:
        path: of the file, ending like media.
        rows: all rows of the file's video.
        class_names: of the version.
    """
    return _match_video(list(rows), [path], _folder_labels(class_names)).found


@functools.lru_cache(maxsize=8)
def _folder_labels(class_names: tuple[str, ...]) -> _FolderLabels:
    return _FolderLabels(class_names)


class _FolderLabels:
    """Finds the class that a file's folders name."""

    def __init__(self, class_names: Sequence[str]) -> None:
        self._by_fold = {fold_label(name): name for name in class_names}
        self._known: dict[tuple[str, ...], str | None] = {}

    def __call__(self, folders: tuple[str, ...]) -> str | None:
        """Returns the raw name of the class of the nearest folder that names one, or None."""
        if folders not in self._known:
            named = (self._by_fold.get(fold_label(folder)) for folder in folders)
            self._known[folders] = next((label for label in named if label is not None), None)
        return self._known[folders]


@dataclasses.dataclass(frozen=True, slots=True)
class _Candidate:
    """A file that may hold a clip, and how good a claim it has.

    Attributes:
        rank: smaller is better, compared in the order of `RULES`: times (0 equal, 1 equal to the second, 2 none in the
            name), split and class of its folders (0 agree, 1 none named, 2 another), container, path.
        label: the class its folders name.
    """

    rank: tuple[int, int, int, int, str]
    label: str | None

    @property
    def path(self) -> str:
        return self.rank[-1]

    @property
    def has_times(self) -> bool:
        return self.rank[0] < 2


def _match_video(clips: list[Clip], paths: list[str], labels: _FolderLabels) -> Matches:
    """Matches the clips of one video to the files that bear its id."""
    files = [(path, name) for path in paths if (name := read_name(path)) is not None]
    claimed: set[str] = set()
    chosen: dict[Clip, _Candidate] = {}
    ambiguous = []
    for clip in clips:
        candidates = []
        for path, name in files:
            candidate = _candidate(clip, clips, path, name, labels)
            if candidate is not None:
                candidates.append(candidate)
        if candidates:
            candidates.sort(key=lambda each: each.rank)
            claimed.update(each.path for each in candidates)
            chosen[clip] = candidates[0]
            if len(candidates) > 1:
                ambiguous.append(_ambiguity(clip, candidates))
    return Matches(
        found={clip: MediaFile(best.path, _span(best, chosen)) for clip, best in chosen.items()},
        missing=(),
        ambiguous=tuple(ambiguous),
        unclaimed=tuple(path for path in paths if path not in claimed),
        label_conflicts=tuple(
            LabelConflict(clip, best.path, best.label)
            for clip, best in chosen.items()
            if best.label is not None and clip.label is not None and best.label != clip.label
        ),
    )


def _candidate(
    clip: Clip, siblings: list[Clip], path: str, name: MediaName, labels: _FolderLabels
) -> _Candidate | None:
    label = labels(name.folders)
    times = compare_times(clip, name)
    if times is None or (times == 2 and _meant_for_sibling(clip, siblings, name, label)):
        return None
    split_rank = 1 if name.split is None else 0 if name.split is clip.split else 2
    label_rank = 1 if label is None or clip.label is None else 0 if label == clip.label else 2
    container = MEDIA_SUFFIXES.index(path[path.rindex(".") :].lower())
    return _Candidate((times, split_rank, label_rank, container, path), label)


def compare_times(clip: Clip, name: MediaName) -> int | None:
    """Compares the times in a file's name to a row's.

    Returns:
        0 for the row's times, 1 for its times in whole seconds (rounded or cut), 2 for none in the name, None for
        another clip's.
    """
    start, end = name.time_start, name.time_end
    if start is None or end is None:
        return 2
    if abs(start - clip.time_start) < 1e-3 and abs(end - clip.time_end) < 1e-3:
        return 0
    in_seconds = {(round(clip.time_start), round(clip.time_end)), (int(clip.time_start), int(clip.time_end))}
    return 1 if (start, end) in in_seconds else None


def _meant_for_sibling(clip: Clip, siblings: list[Clip], name: MediaName, label: str | None) -> bool:
    """Returns whether the folders of a file named by id alone say that it is another clip of the same video.

    Such a file may be trimmed. Taking it for a clip of another split or class would give that clip another's frames.
    """
    if name.split is not None and clip.split is not name.split:
        if any(other.split is name.split for other in siblings):
            return True
    elif name.split is not None:
        siblings = [other for other in siblings if other.split is name.split]
    if label is None or clip.label == label:
        return False
    return any(other.label == label for other in siblings)


def _span(best: _Candidate, chosen: dict[Clip, _Candidate]) -> Span:
    if best.has_times:
        return Span.TRIMMED
    times = {(clip.time_start, clip.time_end) for clip, other in chosen.items() if other.path == best.path}
    return Span.WHOLE if len(times) > 1 else Span.UNKNOWN


def _ambiguity(clip: Clip, candidates: list[_Candidate]) -> Ambiguity:
    best, second = candidates[0].rank, candidates[1].rank
    decided = next(index for index, pair in enumerate(zip(best, second, strict=True)) if pair[0] != pair[1])
    return Ambiguity(clip, candidates[0].path, tuple(each.path for each in candidates[1:]), RULES[decided])
