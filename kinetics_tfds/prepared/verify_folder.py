"""Checks the files around the shards: their checksums, and that manifest, settings and TFDS's own description agree."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator
from typing import Any

import pyarrow.compute as pc
from etils import epath

from kinetics_tfds import frame_table
from kinetics_tfds.annotations.versions import get_version
from kinetics_tfds.prepared.dataset import Prepared, open_prepared, read_json
from kinetics_tfds.prepared.problem import Problem
from kinetics_tfds.shards import checksums, commit, manifest
from kinetics_tfds.shards.staging import SHARD_LIKE
from kinetics_tfds.tfrecord import FRAMING_BYTES

_INFO, _FEATURES, _LABELS = "dataset_info.json", "features.json", "label.labels.txt"

_WITHOUT_CHECKSUMS = (
    f"no {checksums.FILE_NAME}: the dataset was built before small files had checksums, so that a change in one of "
    "them is found only where two of them disagree"
)
_WITHOUT_CONFIG = f"the shards were not checked: {commit.CONFIG_FILE} says which ones there are"
_WITHOUT_MANIFEST = f"records were checked by themselves only: {manifest.FILE_NAME} says which ones there should be"


@dataclasses.dataclass(frozen=True)
class FolderCheck:
    """What the check of the files around the shards found.

    Attributes:
        problems: what is wrong.
        notes: what could not be checked, in words.
        prepared: the dataset; None where its files no longer say which shards it has.
    """

    problems: tuple[Problem, ...]
    notes: tuple[str, ...]
    prepared: Prepared | None


def verify_folder(folder: epath.PathLike) -> FolderCheck:
    """Checks a prepared dataset's folder and its small files.

    A file that is not what its checksum says is not read any further.

    Raises:
        VerifyError: the folder holds no dataset of this project.
    """
    folder = epath.Path(folder)
    problems, known = _check_checksums(folder)
    changed = {problem.file for problem in problems}
    if commit.CONFIG_FILE in changed:
        return FolderCheck(tuple(problems), (_WITHOUT_CONFIG,), None)
    prepared = open_prepared(folder)
    if not _is_as_written(prepared):
        what = "its fingerprint is not that of its values: it was changed"
        return FolderCheck((*problems, Problem(commit.CONFIG_FILE, None, None, what)), (_WITHOUT_CONFIG,), None)
    notes = []
    if known is None and commit.has_checksums(folder):
        problems.append(Problem(checksums.FILE_NAME, None, None, "missing: the build wrote one"))
    elif known is None:
        notes.append(_WITHOUT_CHECKSUMS)
    if not prepared.has_manifest:
        notes.append(_WITHOUT_MANIFEST)
        if manifest.FILE_NAME not in changed:
            changed.add(manifest.FILE_NAME)
            problems.append(Problem(manifest.FILE_NAME, None, None, "missing, or cannot be read"))
    for name, check in _CHECKS.items():
        if name not in changed:
            problems += check(prepared)
    return FolderCheck((*problems, *_check_names(prepared, known or ())), tuple(notes), prepared)


def _check_checksums(folder: epath.Path) -> tuple[list[Problem], dict[str, str] | None]:
    """Returns the files that are not what their checksums say, and the checksums, None where there are none."""
    try:
        known = checksums.read_checksums(folder)
    except checksums.DamagedChecksumsError:
        return [Problem(checksums.FILE_NAME, None, None, "was changed since the build")], {}
    whats = {False: "was changed since the build", True: "missing, or cannot be opened"}
    changed = checksums.changed_files(folder, known or {})
    return [Problem(file.name, None, None, whats[file.missing]) for file in changed], known


def owners(prepared: Prepared, ids: Collection[str]) -> dict[str, str]:
    """Returns the shard that each clip belongs to."""
    if not ids:
        return {}
    rows = prepared.manifest.filter(pc.field("id").isin(list(ids)) & pc.field("shard").is_valid())
    return {row["id"]: prepared.file_name(row["split"], row["shard"]) for row in rows.to_pylist()}


def _is_as_written(prepared: Prepared) -> bool:
    """Whether the settings are those that their fingerprint was made of."""
    try:
        return (commit.read_config(prepared.folder) or {}).get("fingerprint") == prepared.identity.fingerprint
    except ValueError:  # a number that is none
        return False


def _check_manifest(prepared: Prepared) -> Iterator[Problem]:
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
    try:
        described = {
            split["name"]: (list(map(int, split["shardLengths"])), int(split["numBytes"])) for split in info["splits"]
        }
    except (KeyError, TypeError, ValueError):
        yield Problem(_INFO, None, None, "its splits are not as TFDS describes them")
        return
    for split in sorted({*described, *identity.splits}):
        if split not in described or split not in identity.splits:
            yield Problem(_INFO, None, None, f"split {split!r} is {'extra' if split in described else 'missing'}")
        elif prepared.has_manifest:
            yield from _check_split(prepared, split, *described[split])


def _check_split(
    prepared: Prepared, split: str, described_lengths: list[int], described_bytes: int
) -> Iterator[Problem]:
    lengths = prepared.lengths(split)
    if described_lengths != lengths:
        yield Problem(_INFO, None, None, f"the shard lengths of {split} are not the manifest's")
    size = prepared.record_bytes(split) + FRAMING_BYTES * sum(lengths)
    if prepared.identity.file_format == "tfrecord" and described_bytes != size:
        yield Problem(_INFO, None, None, f"numBytes of {split} is {described_bytes}, the manifest makes it {size}")


def _check_features(prepared: Prepared) -> Iterator[Problem]:
    # Making the schema to compare with would load TensorFlow for seconds; these are the parts that readers go by.
    classes = str(len(get_version(prepared.identity.dataset).class_names))
    audio = prepared.identity.settings.get("audio_rate") is not None
    described: Any = read_json(prepared.folder / _FEATURES)
    try:
        features = described["featuresDict"]["features"]
        fits = features["label"]["classLabel"]["numClasses"] == classes
        fits &= "video" in features and ("audio" in features) == audio
    except (KeyError, TypeError):
        fits = False
    if not fits:
        yield Problem(_FEATURES, None, None, "missing, or not the schema of this dataset's records")


def _check_labels(prepared: Prepared) -> Iterator[Problem]:
    try:
        there = (prepared.folder / _LABELS).read_text().splitlines()
    except (OSError, UnicodeDecodeError):
        there = []
    if there != list(get_version(prepared.identity.dataset).class_names):
        yield Problem(_LABELS, None, None, f"missing, or not the class names of {prepared.identity.dataset}")


def _check_names(prepared: Prepared, known: Collection[str]) -> Iterator[Problem]:
    shards = {prepared.file_name(split, index) for split, index in prepared.shard_numbers()}
    shards |= {frame_table.file_name(shard) for shard in shards}
    for path in sorted(prepared.folder.iterdir()):
        if path.name not in shards and path.name not in known and SHARD_LIKE.search(path.name):
            yield Problem(path.name, None, None, "no shard of this dataset: TFDS ignores it, other readers may not")


_CHECKS = {
    manifest.FILE_NAME: _check_manifest,
    _INFO: _check_info,
    _FEATURES: _check_features,
    _LABELS: _check_labels,
}
