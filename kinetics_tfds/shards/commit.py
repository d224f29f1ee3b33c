"""Turns finished shards into the dataset: the small files beside them, `dataset_info.json` last.

Nothing is moved or copied. Shards are written to their final place once, by the workers; then come the small files, and
TFDS and everybody else takes the folder for a dataset when it holds `dataset_info.json`. Until then the build stays
staged: whatever fails, and wherever, the same command goes on from there.
"""

from __future__ import annotations

import contextlib
import json
import os
from typing import Any

from etils import epath
from tensorflow_datasets.core import constants

from kinetics_tfds.errors import ConfigError, KineticsError, PlanMismatchError
from kinetics_tfds.file_systems import for_each, list_names, read_text, remove_file, write_text
from kinetics_tfds.planning.fingerprint import BuildIdentity, compare_mappings
from kinetics_tfds.retrying import with_retries
from kinetics_tfds.shards import checksums
from kinetics_tfds.shards.lock import build_run, runs_path, staging_path
from kinetics_tfds.shards.staging import Staging

CONFIG_FILE = "config.json"


def write_config(folder: epath.Path, identity: BuildIdentity) -> None:
    """Writes beside the shards what the dataset was made from."""
    values = {"fingerprint": identity.fingerprint, **identity.to_json(), "checksums": checksums.FILE_NAME}
    (folder / CONFIG_FILE).write_text(json.dumps(values, indent=2) + "\n")


def read_config(folder: epath.Path) -> dict[str, Any] | None:
    """Returns what `write_config` wrote, or None where there is nothing readable."""
    try:
        values = json.loads(read_text(folder / CONFIG_FILE))
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


def is_committed(data_path: epath.Path) -> bool:
    """Returns whether a folder holds a finished dataset."""
    info = data_path / constants.DATASET_INFO_FILENAME
    return with_retries("read", info, info.exists)


def commit(staging: Staging, small_files: epath.Path) -> None:
    """Makes a dataset of the finished shards.

    Args:
        staging: of the build; the shards lie in its `data_path`.
        small_files: a local folder with all other files of the dataset.
    """
    names = sorted(path.name for path in small_files.iterdir())

    def place(name: str) -> None:
        with staging.writing(staging.data_path / name) as local:
            (small_files / name).copy(local)

    for_each(place, [name for name in names if name != constants.DATASET_INFO_FILENAME])
    place(constants.DATASET_INFO_FILENAME)


def write_default_config(data_path: epath.Path, name: str) -> None:
    """Writes what TFDS reads when no config is named, and the dataset's code is not at hand."""
    values = {"default_config_name": name}
    write_text(data_path.parent.parent / ".config" / constants.METADATA_FILENAME, json.dumps(values))


def discard(data_path: epath.Path) -> None:
    """Makes no dataset of a finished one, which is to be built anew; its shards are replaced one by one."""
    for name in _staged(data_path):
        Staging(data_path, name).remove()
    remove_file(data_path / constants.DATASET_INFO_FILENAME)


def remove_staging(data_path: epath.Path) -> None:
    """Removes what the build of a finished dataset staged, unless a build is using it or this user may not."""
    with contextlib.suppress(KineticsError):
        names = list_names(runs_path(data_path).parent)
        if any(name.startswith((f"{data_path.name}-", runs_path(data_path).name)) for name in names):
            with contextlib.suppress(PlanMismatchError), build_run(data_path):
                for name in _staged(data_path):
                    Staging(data_path, name).remove()


def _staged(data_path: epath.Path) -> list[str]:
    """Returns the part of the fingerprint that names each staging folder of a dataset."""
    prefix = f"{data_path.name}-"
    names = list_names(staging_path(data_path, "").parent)
    return [name.removeprefix(prefix) for name in names if name.startswith(prefix)]
