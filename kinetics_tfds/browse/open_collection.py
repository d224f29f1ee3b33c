"""From what a user names to the collection that the page shows."""

from __future__ import annotations

import os
from collections.abc import Sequence

from kinetics_tfds.annotations.read import read_annotations
from kinetics_tfds.annotations.versions import VERSIONS, get_version
from kinetics_tfds.browse.collection import Collection
from kinetics_tfds.browse.prepared_dataset import PreparedDataset
from kinetics_tfds.browse.row_collections import ClipStoreFiles, VersionRows
from kinetics_tfds.clip_sets.clip_set import version_of_lists
from kinetics_tfds.clips.inputs import find_lists
from kinetics_tfds.errors import BrowseError
from kinetics_tfds.file_systems import is_local
from kinetics_tfds.prepared.dataset import find_prepared, is_prepared_folder


def open_collection(
    what: str, data_dir: str | None = None, lists: Sequence[str] = (), version: str | None = None
) -> Collection:
    """Returns what the page is to show.

    Args:
        what: a prepared dataset (`kinetics600/jpeg256`) or its folder, a clip store or folder of clips, or the name of
            a version.
        data_dir: the root of datasets.
        lists: annotation files, or folders of some.
        version: of Kinetics, for a folder whose lists do not tell it.

    Raises:
        KineticsError: it is none of these, or cannot be read.
    """
    if is_prepared_folder(what):
        return PreparedDataset(what)
    if what in VERSIONS and not os.path.isdir(what):
        if not lists:
            raise BrowseError(
                f"{what} names the rows of a version, but no lists are given.",
                f"Add --annotations=FOLDER with its lists, or name a dataset, such as {what}/jpeg256.",
            )
        return VersionRows(get_version(what), read_annotations(what, find_lists(lists)).clips)
    if not is_local(what) or os.path.isdir(os.path.expanduser(what)):
        found = version_of_lists(what, version, find_lists(lists or [what]))
        return ClipStoreFiles(what, found, lists)
    return PreparedDataset(find_prepared(what, data_dir))
