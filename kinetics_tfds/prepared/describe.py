"""Writes what describes a dataset to people and to programs, as its build ends."""

from __future__ import annotations

from etils import epath

from kinetics_tfds.planning.fingerprint import BuildIdentity
from kinetics_tfds.prepared.card import write_card
from kinetics_tfds.prepared.croissant import write_croissant
from kinetics_tfds.prepared.dataset import Prepared


def write_descriptions(small_files: epath.Path, identity: BuildIdentity, data_path: epath.Path, homepage: str) -> None:
    """Writes `DATASET_CARD.md` and `croissant.json`.

    Args:
        small_files: where they go; the manifest lies there already.
        identity: what the dataset was made from.
        data_path: where its shards lie.
        homepage: of Kinetics.
    """
    prepared = Prepared(small_files, identity, data_path)
    write_card(small_files, prepared)
    write_croissant(small_files, prepared, homepage)
