"""Which videos to leave out of a build, so that nothing another model is evaluated on is trained on."""

from __future__ import annotations

import os
from collections.abc import Sequence

from kinetics_tfds.annotations.clip import VIDEO_ID
from kinetics_tfds.annotations.overlap import is_clip_set, parse_clip_set, read_one_version
from kinetics_tfds.annotations.read import PathLike
from kinetics_tfds.errors import AnnotationError
from kinetics_tfds.file_systems import open_file

_MAX_LIST_BYTES = 1 << 26  # 5 million ids


def excluded_videos(exclude: Sequence[str], files: Sequence[PathLike] = ()) -> frozenset[str]:
    """Returns the YouTube ids that the setting `exclude` of a config means: whole videos, of which no second is unseen.

    Args:
        exclude: sets of clips like `kinetics400/validation`, or paths of text files with one YouTube id a line.
        files: annotation files, those of the named versions among them. Files that name no version are used for one
            that no file names.

    Raises:
        AnnotationError: no such set, no list of it among `files`, or a list of ids that cannot be read.
    """
    videos: set[str] = set()
    for reference in exclude:
        if is_clip_set(reference):
            wanted = parse_clip_set(reference)
            clips = wanted.choose(read_one_version(wanted.version, files))
            videos.update(clip.youtube_id for clip in clips)
        else:
            videos.update(read_id_list(reference))
    return frozenset(videos)


def read_id_list(path: PathLike) -> frozenset[str]:
    """Reads a text file with one YouTube id a line; empty lines and lines that start with `#` do not count.

    Raises:
        AnnotationError: the file cannot be read, or a line is no id.
    """
    name = os.fspath(path)
    try:
        with open_file(path) as file:
            text = file.read(_MAX_LIST_BYTES).decode()
    except (OSError, UnicodeDecodeError) as error:
        raise AnnotationError(
            f"{name!r} names no clips to exclude: it is no version of Kinetics, and no text file that can be read "
            f"({error}).",
            "Write a set of clips like 'kinetics400/validation', or the path of a file with one YouTube id a line.",
        ) from error
    videos = set()
    for number, line in enumerate(text.splitlines(), 1):
        video = line.strip()
        if not video or video.startswith("#"):
            continue
        if not VIDEO_ID.fullmatch(video):
            raise AnnotationError(
                f"{name}, line {number}: {video[:80]!r} is no YouTube id of 11 characters.", "Write one id a line."
            )
        videos.add(video)
    return frozenset(videos)
