"""Turns finished shards into the dataset: what it was made from, the shards themselves, and the clean-up afterwards.

TFDS fills a folder of its own, `incomplete.*`, gives it the dataset's name at the very end, and removes it with all its
content when anything fails before. No finished shard is therefore ever moved into it. Where the file system has hard
links, the folder gets a second name of each shard; elsewhere the shards follow after the folder has its final name.
Until then they stay staged: whatever fails, the same command goes on from there.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import errno
import json
import os
from collections.abc import Callable, Iterable
from typing import Any

from etils import epath
from tensorflow_datasets.core import constants

from kinetics_tfds.errors import ConfigError, PlanMismatchError
from kinetics_tfds.file_systems import is_local
from kinetics_tfds.frame_table import is_frame_table
from kinetics_tfds.planning.fingerprint import BuildIdentity, compare_mappings
from kinetics_tfds.shards import checksums
from kinetics_tfds.shards.lock import build_lock, lock_path, staging_path
from kinetics_tfds.shards.staging import Staging

CONFIG_FILE = "config.json"

_AT_ONCE = 16  # links or renames; each is a request or three on a bucket
# What systems say of links that they cannot make at all.
_NO_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EXDEV, errno.EMLINK})


def write_config(folder: epath.Path, identity: BuildIdentity) -> None:
    """Writes beside the shards what the dataset was made from."""
    values = {"fingerprint": identity.fingerprint, **identity.to_json(), "checksums": checksums.FILE_NAME}
    (folder / CONFIG_FILE).write_text(json.dumps(values, indent=2) + "\n")


def read_config(folder: epath.Path) -> dict[str, Any] | None:
    """Returns what `write_config` wrote, or None where there is nothing readable."""
    try:
        values = json.loads((folder / CONFIG_FILE).read_text())
    except (OSError, ValueError):
        return None
    return values if isinstance(values, dict) else None


def has_checksums(folder: epath.Path) -> bool:
    """Returns whether the build of a dataset wrote checksums of its small files."""
    return "checksums" in (read_config(folder) or {})


def check_same_settings(folder: epath.Path, name: str, settings: dict[str, Any], defaults: dict[str, Any]) -> None:
    """Raises ConfigError where a prepared dataset was made with other settings than the config asks for.

    Args:
        folder: the prepared dataset's.
        name: the config's name.
        settings: its identity.
        defaults: the identity of a config that sets nothing: what a dataset that is older than a setting had.
    """
    there = read_config(folder)
    if there is None:
        return
    differences = compare_mappings({**defaults, **there.get("settings", {})}, settings)
    if differences:
        raise ConfigError(
            f"{os.fspath(folder)} was built with other settings under the config name {name!r}: "
            + "; ".join(differences)
            + ".",
            "Give this config another name, use those settings, or delete that folder first.",
        )


def link_shards(staging: Staging, folder: epath.Path, file_names: Iterable[str]) -> None:
    """Gives finished shards a second name in the dataset's folder; does nothing where there are no hard links."""
    if not is_local(folder):
        return

    def link(name: str) -> None:
        try:
            os.link(staging.shards / name, folder / name)
        except OSError as error:
            # Shards staged by an earlier version have no table of frames; readers make it.
            if error.errno not in _NO_LINKS and not (error.errno == errno.ENOENT and is_frame_table(name)):
                raise

    _for_each(link, file_names)


def complete(data_path: epath.Path, file_names: Iterable[str]) -> None:
    """Moves in the shards that could not be linked, and removes the staging folder, unless a build is using it.

    Args:
        data_path: the prepared dataset's folder.
        file_names: of its shards and their tables of frames.
    """
    config = read_config(data_path)
    if config is None:
        return
    staging = Staging(staging_path(data_path, config["fingerprint"]), config["fingerprint"])
    if not staging.path.exists():
        return
    with contextlib.suppress(PlanMismatchError), build_lock(lock_path(data_path)):
        # An earlier clean-up may have been interrupted.
        staged = {file.name for file in staging.shards.iterdir()} if staging.shards.exists() else set()
        present = {file.name for file in data_path.iterdir()}
        lacking = [name for name in file_names if name in staged - present]
        _for_each(lambda name: (staging.shards / name).rename(data_path / name), lacking)
        staging.remove()


def remove_unfinished(own_folder: epath.Path, version: str) -> None:
    """Removes TFDS's unfinished folders of this dataset that killed runs left; no shard lies only there.

    Only on local file systems, where the build's lock says that no other run owns them.

    Args:
        own_folder: the unfinished folder of this very run.
        version: the dataset's version.
    """
    if is_local(own_folder):
        for folder in own_folder.parent.glob(f"{constants.INCOMPLETE_PREFIX}*_{version}"):
            if folder.name != own_folder.name:
                folder.rmtree()


def _for_each(action: Callable[[Any], None], items: Iterable[Any]) -> None:
    with concurrent.futures.ThreadPoolExecutor(_AT_ONCE) as threads:
        for _ in threads.map(action, items):
            pass
