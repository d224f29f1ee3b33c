"""What a build starts from: annotation rows, and the files that hold their clips."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from etils import epath

from kinetics_tfds.annotations import AnnotationSet, is_annotation_file, possible_files, read_annotations
from kinetics_tfds.annotations.versions import KineticsVersion
from kinetics_tfds.clips.listing import Listing, list_folder
from kinetics_tfds.clips.match import Matches, match_clips


@dataclasses.dataclass(frozen=True)
class Inputs:
    """Rows and files of one Kinetics version.

    Attributes:
        root: the folder of clips.
        annotations: the rows.
        listing: the folder's files.
        matches: which file holds which row's clip.
    """

    root: str
    annotations: AnnotationSet
    listing: Listing
    matches: Matches

    @property
    def annotation_files(self) -> list[epath.Path]:
        """The annotation files in the folder, of this version and of others."""
        return _annotation_files(self.root, self.listing)


def read_inputs(
    root: str, version: KineticsVersion, download: Callable[[Sequence[str]], Sequence[Any]] | None = None
) -> Inputs:
    """Lists a folder once, reads the annotation files in it and finds every row's clip.

    Args:
        root: the folder of clips, local or remote, in any layout.
        version: of Kinetics.
        download: fetches the official lists, given their URLs, where the folder holds none.

    Raises:
        ClipsError: the folder cannot be listed.
        AnnotationError: an annotation file cannot be used, or there is none and none can be fetched.
    """
    listing = list_folder(root)
    files: list[Any] = _annotation_files(root, listing)
    if not possible_files(version, files) and download is not None:
        files = list(download(version.annotation_urls))
    annotations = read_annotations(version, files)
    return Inputs(root, annotations, listing, match_clips(annotations.clips, listing, version))


def _annotation_files(root: str, listing: Listing) -> list[epath.Path]:
    return [epath.Path(root) / path for path in listing.others if is_annotation_file(path)]
