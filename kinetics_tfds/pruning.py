"""Versions of a dataset without some of its videos: for those who ask that theirs be removed, and for shrunken lists.

Neither lists nor clips are needed: all is planned from the manifest, and records are copied.
"""

from __future__ import annotations

import collections
import os
from collections.abc import Collection
from typing import Any

import pyarrow.compute as pc
import tensorflow_datasets as tfds
from etils import epath

from kinetics_tfds.config import KineticsConfig
from kinetics_tfds.errors import ClipsError, ConfigError
from kinetics_tfds.features import RECORD_REVISION
from kinetics_tfds.prepared import versions
from kinetics_tfds.prepared.dataset import Prepared, open_prepared
from kinetics_tfds.prepared.earlier import Predecessor, plan_without
from kinetics_tfds.prepared.removals import Removal
from kinetics_tfds.shards.manifest import read_manifest
from kinetics_tfds.versioned_builder import remove_predecessor


def prune(
    folder: epath.PathLike,
    videos: Collection[str],
    *,
    reason: str,
    keep_ids: bool = True,
    replace: bool = False,
    beam_options: Any = None,
) -> epath.Path:
    """Makes a version of a dataset without some videos, and a record of what was removed.

    The same call, made again after it was stopped, goes on where it was.

    Args:
        folder: the dataset's.
        videos: YouTube ids; those that it does not hold are passed over.
        reason: for the record, in your words.
        keep_ids: whether the record, and the manifest, may name the videos. Without them, an update takes the videos
            back in as long as their clips and rows exist.
        replace: whether to remove the version that was pruned.
        beam_options: Beam's pipeline options.

    Returns:
        The new version's folder; the old one's where it holds none of the videos.

    Raises:
        ClipsError: nothing would be left.
        ConfigError: the dataset's records are of another revision than this code writes.
    """
    earlier = open_prepared(folder)
    held = _held(earlier, videos)
    if not held:
        if replace:
            _finish_replacing(earlier, videos)
        return earlier.folder
    if earlier.identity.record_revision != RECORD_REVISION:
        raise ConfigError(
            f"The records of {os.fspath(earlier.folder)} are of revision {earlier.identity.record_revision}, and this "
            f"code writes {RECORD_REVISION}.",
            "Prune it with the release of this project that built it, or build it again.",
        )
    plans = plan_without(earlier, held.keys(), keep_rows=keep_ids)
    if not any(plan.clips for plan in plans.values()):
        raise ClipsError(
            f"No clip of {os.fspath(earlier.folder)} would be left.",
            "Delete the dataset instead, or name fewer videos.",
        )
    newest = versions.newest_version(earlier.folder.parent, earlier.identity.version)
    version = versions.next_version(newest or earlier.identity.version)
    splits = collections.Counter(split for rows in held.values() for split in rows)
    removal = Removal(version, reason, len(held), dict(sorted(splits.items())), sorted(held) if keep_ids else None)
    builder = _make_builder(earlier, version)
    builder.predecessor = Predecessor(earlier, plans=plans, removal=removal)
    builder.download_and_prepare(download_config=tfds.download.DownloadConfig(beam_options=beam_options))
    if replace:
        remove_predecessor(earlier.folder.parent, version)
    return epath.Path(builder.data_path)


def _held(prepared: Prepared, videos: Collection[str]) -> dict[str, list[str]]:
    """Returns the videos that a manifest knows and does not leave out, with the split of each of their records."""
    rows = read_manifest(prepared.folder, ("split", "youtube_id", "state"))
    rows = rows.filter(pc.field("youtube_id").isin(list(videos)) & (pc.field("state") != "excluded"))
    held: dict[str, list[str]] = {}
    for row in rows.to_pylist():
        held.setdefault(row["youtube_id"], []).extend([row["split"]] if row["state"] == "written" else [])
    return held


def _finish_replacing(pruned: Prepared, videos: Collection[str]) -> None:
    """Removes the version before a pruned one where a stop came between; one without those videos is kept."""
    folder, version = pruned.folder.parent, pruned.identity.version
    before = versions.version_before(folder, version)
    if before is not None and _held(open_prepared(folder / before), videos):
        remove_predecessor(folder, version)


def _make_builder(earlier: Prepared, version: str) -> Any:
    settings = {"name": earlier.folder.parent.name, "max_failure_rate": 1.0, **earlier.identity.settings}
    builder_cls: Any = tfds.builder_cls(earlier.identity.dataset)
    return builder_cls(
        data_dir=earlier.folder.parents[2],
        config=KineticsConfig(**settings),
        version=version,
        file_format=earlier.identity.file_format,
    )
