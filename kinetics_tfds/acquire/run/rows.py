"""Which annotation rows a run is about, and that the store holds the lists they come from.

A build takes the lists that lie with the clips. Lists that a run was given, or downloaded, are therefore kept in the
store: the store alone is then all that `tfds build` needs, and both are about the same rows.
"""

from __future__ import annotations

import os
import pathlib
import posixpath
import shutil
import tempfile
from collections.abc import Sequence

from kinetics_tfds.acquire.sources.download import download, outcome_of
from kinetics_tfds.acquire.store.clip_store import ClipStore
from kinetics_tfds.annotations.annotation_set import AnnotationSet
from kinetics_tfds.annotations.names import is_annotation_file
from kinetics_tfds.annotations.read import possible_files, read_annotations
from kinetics_tfds.annotations.versions import KineticsVersion
from kinetics_tfds.clips.inputs import annotation_files, find_lists
from kinetics_tfds.errors import AnnotationError

KEPT_IN = "annotations"


def read_rows(
    version: KineticsVersion, store: ClipStore, given: Sequence[str] = (), keep: bool = True
) -> AnnotationSet:
    """Reads the rows of a version: from the given files, or those in the store, or the official ones.

    Args:
        version: of Kinetics.
        store: the clip store.
        given: annotation files, or folders that hold some.
        keep: copy lists that are not in the store into it. Off for reports, which change nothing.

    Raises:
        AnnotationError: a list cannot be used, or there is none and none can be downloaded.
    """
    with tempfile.TemporaryDirectory(prefix="kinetics-lists-") as folder:
        scratch = pathlib.Path(folder)
        local = possible_files(version, annotation_files(store.listing(), scratch / "lists"))
        if given:
            files = find_lists(given)
        elif local:
            return read_annotations(version, local)
        else:
            files = [_download(url, scratch) for url in version.annotation_urls]
        rows = read_annotations(version, files)
        if keep and not local:
            for file in files:
                _keep(file, version, store, scratch)
        return rows


def _download(url: str, scratch: pathlib.Path) -> str:
    target = scratch / posixpath.basename(url)
    try:
        download(url, target)
    except Exception as error:  # the network, a proxy: their libraries have a class for each
        raise AnnotationError(
            f"The store holds no annotation file, and {url} cannot be downloaded: {outcome_of(error).message}",
            "Name annotation files with --annotations, put them into the store, or try again with a connection.",
        ) from error
    return str(target)


def _keep(file: str, version: KineticsVersion, store: ClipStore, scratch: pathlib.Path) -> None:
    name = os.path.basename(file)
    if not is_annotation_file(name):
        name = f"{version.name}_{name}"
    copy = scratch / f"keep-{name}"
    shutil.copyfile(file, copy)
    store.publish(copy, f"{KEPT_IN}/{version.name}/{name}")
