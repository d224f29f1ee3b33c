"""Checks the files around the shards: that manifest, settings, TFDS's own description and the folder agree."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

import pyarrow.compute as pc

from kinetics_tfds.annotations.versions import get_version
from kinetics_tfds.prepared.dataset import Prepared, read_json
from kinetics_tfds.prepared.problem import Problem
from kinetics_tfds.shards import commit, manifest
from kinetics_tfds.tfrecord import FRAMING_BYTES

# Any reader that lists files by pattern would take these for shards.
_SHARD_LIKE = re.compile(r"\.(tfrecord|array_record|riegeli)\b|-\d{5}-of-\d{5}")
_INFO, _FEATURES, _LABELS = "dataset_info.json", "features.json", "label.labels.txt"


def verify_folder(prepared: Prepared) -> list[Problem]:
    """Returns what is wrong with the folder and its small files."""
    return [*_check_config(prepared), *_check_info(prepared), *_check_features(prepared), *_check_names(prepared)]


def owners(prepared: Prepared, ids: Collection[str]) -> dict[str, str]:
    """Returns the shard that each clip belongs to."""
    if not ids:
        return {}
    rows = prepared.manifest.filter(pc.field("id").isin(list(ids)) & pc.field("shard").is_valid())
    return {row["id"]: prepared.file_name(row["split"], row["shard"]) for row in rows.to_pylist()}


def _check_config(prepared: Prepared) -> Iterator[Problem]:
    written = (commit.read_config(prepared.folder) or {}).get("fingerprint")
    if written != prepared.identity.fingerprint:
        yield Problem(commit.CONFIG_FILE, None, None, "its fingerprint is not that of its values: it was changed")
    planned = prepared.manifest.filter(pc.is_valid(prepared.manifest["shard"]))
    clips = {pair["values"]: pair["counts"] for pair in pc.value_counts(planned["split"]).to_pylist()}
    wanted = {split: values["clips"] for split, values in prepared.identity.splits.items()}
    if clips != wanted:
        what = f"clips by split are {clips}, {commit.CONFIG_FILE} says {wanted}"
        yield Problem(manifest.FILE_NAME, None, None, what)


def _check_info(prepared: Prepared) -> Iterator[Problem]:
    """TFDS reads by `dataset_info.json`: a wrong one gives wrong records with no error."""
    info = read_json(prepared.folder / _INFO)
    if info is None:
        yield Problem(_INFO, None, None, "missing or not JSON: TFDS cannot load the dataset")
        return
    identity = prepared.identity
    wanted = {"name": identity.dataset, "version": identity.version, "fileFormat": identity.file_format}
    for key, value in wanted.items():
        if info.get(key) != value:
            yield Problem(_INFO, None, None, f"{key} is {info.get(key)!r}, the dataset's is {value!r}")
    there = {split.get("name"): split for split in info.get("splits", ())}
    for split in sorted({*there, *identity.splits}, key=str):
        if split not in there or split not in identity.splits:
            yield Problem(_INFO, None, None, f"split {split!r} is {'extra' if split in there else 'missing'}")
            continue
        lengths = prepared.lengths(split)
        size = prepared.record_bytes(split) + FRAMING_BYTES * sum(lengths)
        if [int(length) for length in there[split].get("shardLengths", ())] != lengths:
            yield Problem(_INFO, None, None, f"the shard lengths of {split} are not the manifest's")
        if identity.file_format == "tfrecord" and int(there[split].get("numBytes", 0)) != size:
            what = f"numBytes of {split} is {there[split].get('numBytes')}, the manifest makes it {size}"
            yield Problem(_INFO, None, None, what)


def _check_features(prepared: Prepared) -> Iterator[Problem]:
    names = get_version(prepared.identity.dataset).class_names
    # Making the schema to compare with would load TensorFlow for seconds; these are the parts that readers go by.
    described = (read_json(prepared.folder / _FEATURES) or {}).get("featuresDict", {}).get("features", {})
    classes = described.get("label", {}).get("classLabel", {}).get("numClasses")
    audio = prepared.identity.settings.get("audio_rate") is not None
    if "video" not in described or classes != str(len(names)) or ("audio" in described) != audio:
        yield Problem(_FEATURES, None, None, "missing, or not the schema of this dataset's records")
    try:
        there = (prepared.folder / _LABELS).read_text().splitlines()
    except (OSError, UnicodeDecodeError):
        there = []
    if there != list(names):
        yield Problem(_LABELS, None, None, f"missing, or not the class names of {prepared.identity.dataset}")


def _check_names(prepared: Prepared) -> Iterator[Problem]:
    known = {
        prepared.file_name(split, index)
        for split, values in prepared.identity.splits.items()
        for index in range(values["shards"])
    }
    for path in sorted(prepared.folder.iterdir()):
        if path.name not in known and _SHARD_LIKE.search(path.name):
            yield Problem(path.name, None, None, "no shard of this dataset: TFDS ignores it, other readers may not")
