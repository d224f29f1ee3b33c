"""Brings finished shards from the staging folder into the dataset's own, and back where a run died in between."""

from __future__ import annotations

import contextlib
import json
import os
from typing import Any

from etils import epath
from tensorflow_datasets.core import constants

from kinetics_tfds.errors import ConfigError, PlanMismatchError
from kinetics_tfds.file_systems import is_local
from kinetics_tfds.planning.fingerprint import BuildIdentity, compare_mappings
from kinetics_tfds.shards.lock import STAGING_FOLDER, build_lock, lock_path
from kinetics_tfds.shards.staging import Staging, discard_staging

CONFIG_FILE = "config.json"


def write_config(folder: epath.Path, identity: BuildIdentity) -> None:
    """Writes beside the shards what the dataset was made from."""
    values = {"fingerprint": identity.fingerprint, **identity.to_json()}
    (folder / CONFIG_FILE).write_text(json.dumps(values, indent=2) + "\n")


def read_config(folder: epath.Path) -> dict[str, Any] | None:
    """Returns what `write_config` wrote, or None where there is nothing readable."""
    try:
        return json.loads((folder / CONFIG_FILE).read_text())
    except (OSError, ValueError):
        return None


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


def move_shards(staging: Staging, folder: epath.Path, file_names: list[str]) -> None:
    """Brings finished shards into the dataset's folder.

    TFDS removes that folder when anything fails before it gets its final name. Where the file system has hard links,
    the staging folder therefore keeps its own until `clear_up`; elsewhere the shards are renamed.
    """
    for name in file_names:
        source, target = staging.shards / name, folder / name
        try:
            if not is_local(source):
                raise OSError("no links on this file system")
            os.link(source, target)
        except OSError:
            source.rename(target)


def clear_up(data_path: epath.Path) -> None:
    """Removes the staging folder that a prepared dataset came from, unless a build is using it.

    Args:
        data_path: the dataset's folder.
    """
    config = read_config(data_path)
    if config is None or not (data_path.parent / STAGING_FOLDER).exists():
        return
    with contextlib.suppress(PlanMismatchError), build_lock(lock_path(data_path)):
        discard_staging(data_path.parent, data_path.name, config["fingerprint"])


def take_back(staging: Staging, dataset_folder: epath.Path, version: str, own_folder: epath.Path) -> None:
    """Moves shards back that a run had renamed when it was killed, and removes the unfinished folders it left.

    Only on local file systems, where the build's lock says that no other run owns them.

    Args:
        staging: the build's folder.
        dataset_folder: the folder of the dataset's config.
        version: the dataset's version.
        own_folder: the unfinished folder of this very run.
    """
    if not is_local(dataset_folder):
        return
    for folder in dataset_folder.glob(f"{constants.INCOMPLETE_PREFIX}*_{version}"):
        if folder.name == own_folder.name:
            continue
        config = read_config(folder)
        if config is not None and config.get("fingerprint") == staging.fingerprint:
            for name in staging.report_names():
                report = staging.read_report(name)
                if report is not None and staging.finished(name) is None and (folder / report.file_name).exists():
                    (folder / report.file_name).rename(staging.shards / report.file_name)
        folder.rmtree()
