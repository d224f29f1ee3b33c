"""What two sets of clips share: videos, clips, footage; and whether they call it by the same class.

Versions of Kinetics were made from each other, and splits were dealt anew: validation clips of one are training clips
of another. A model that is trained on the one must not be evaluated on the other.
"""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Iterable, Mapping, Sequence

from kinetics_tfds.annotations.annotation_set import AnnotationSet
from kinetics_tfds.annotations.classes import map_class
from kinetics_tfds.annotations.clip import Clip, Split
from kinetics_tfds.annotations.names import parse_split
from kinetics_tfds.annotations.read import PathLike, files_of_version, read_annotations
from kinetics_tfds.annotations.versions import VERSIONS, KineticsVersion, get_version
from kinetics_tfds.errors import AnnotationError


@dataclasses.dataclass(frozen=True)
class ClipSetName:
    """Which clips are meant: those of a version, or of one split of it.

    Attributes:
        version: the version.
        split: None for all splits.
    """

    version: KineticsVersion
    split: Split | None = None

    def __str__(self) -> str:
        return f"{self.version}/{self.split}" if self.split else str(self.version)

    def choose(self, annotations: AnnotationSet) -> tuple[Clip, ...]:
        """Returns the clips that are meant.

        Raises:
            AnnotationError: the lists hold none.
        """
        clips = annotations.clips if self.split is None else annotations.of_split(self.split)
        if not clips:
            held = ", ".join(annotations.split_counts())
            raise AnnotationError(
                f"The annotation files hold no clip of {self}; they hold {held}.", f"Add the list of {self}."
            )
        return clips


def parse_clip_set(text: str) -> ClipSetName:
    """Reads `kinetics400/validation`, or `kinetics400` for all splits; any word of the lists for the split.

    Raises:
        AnnotationError: there is no such version or split.

    >>> str(parse_clip_set("kinetics700_2020/val"))
    'kinetics700_2020/validation'
    """
    name, slash, word = text.strip().partition("/")
    version = get_version(name)
    split = parse_split(word)
    if slash and split not in version.splits:
        raise AnnotationError(f"{version} has no split {word!r}.", f"Its splits: {', '.join(version.splits)}.")
    return ClipSetName(version, split)


def read_one_version(version: KineticsVersion, files: Sequence[PathLike]) -> AnnotationSet:
    """Reads one version's rows from among the lists of several.

    Raises:
        AnnotationError: as `read_annotations` does, and if no file is named for the version or for none.
    """
    own = files_of_version(version, files)
    if not own:
        raise AnnotationError(
            f"None of {len(files)} annotation files is of {version}.",
            f"Add its lists, with {version} in their names or their folder's: {version.annotation_urls[0]}",
        )
    return read_annotations(version, own)


def is_clip_set(text: str) -> bool:
    """Returns whether a text begins with a version's name, as `parse_clip_set` wants it."""
    return text.strip().partition("/")[0] in VERSIONS


@dataclasses.dataclass(frozen=True)
class Overlap:
    """What two sets of clips share.

    Attributes:
        a: the first set.
        b: the second.
        clips: how many clips each has.
        videos: how many videos each has.
        shared_videos: ids that both have, sorted.
        same_clips: clips with the same video and the same times (to the second) in both, as pairs (of a, of b).
        same_footage: clips of one video whose times overlap, those of `same_clips` among them, as pairs.
        relabelled: pairs of `same_footage` whose classes are not the same, or that b has no name for.
    """

    a: ClipSetName
    b: ClipSetName
    clips: tuple[int, int]
    videos: tuple[int, int]
    shared_videos: tuple[str, ...]
    same_clips: tuple[tuple[Clip, Clip], ...]
    same_footage: tuple[tuple[Clip, Clip], ...]
    relabelled: tuple[tuple[Clip, Clip], ...]


def find_overlap(a: ClipSetName, clips_a: Sequence[Clip], b: ClipSetName, clips_b: Sequence[Clip]) -> Overlap:
    """Compares two sets of clips.

    Args:
        a: what `clips_a` are called; its version is that of their labels.
        clips_a: the clips.
        b: what `clips_b` are called.
        clips_b: the clips.
    """
    by_video_a, by_video_b = _by_video(clips_a), _by_video(clips_b)
    shared = sorted(by_video_a.keys() & by_video_b.keys())
    footage = [
        (one, other)
        for video in shared
        for one in by_video_a[video]
        for other in by_video_b[video]
        if one.time_start < other.time_end and other.time_start < one.time_end
    ]
    return Overlap(
        a=a,
        b=b,
        clips=(len(clips_a), len(clips_b)),
        videos=(len(by_video_a), len(by_video_b)),
        shared_videos=tuple(shared),
        same_clips=tuple(pair for pair in footage if pair[0].id == pair[1].id),
        same_footage=tuple(footage),
        relabelled=tuple(pair for pair in footage if _is_relabelled(a.version, b.version, *pair)),
    )


def _by_video(clips: Iterable[Clip]) -> Mapping[str, list[Clip]]:
    videos: dict[str, list[Clip]] = collections.defaultdict(list)
    for clip in clips:
        videos[clip.youtube_id].append(clip)
    return videos


def _is_relabelled(version_a: KineticsVersion, version_b: KineticsVersion, one: Clip, other: Clip) -> bool:
    if one.label is None or other.label is None:
        return False
    return map_class(one.label, version_a, version_b) != other.label
