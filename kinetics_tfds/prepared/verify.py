"""Verifies a prepared dataset: reads every byte of every shard again and compares it with the manifest.

`verify_shard` is the whole check of one shard, for any process on any machine; `verify_dataset` runs it on all cores.
"""

from __future__ import annotations

import collections
import concurrent.futures
import dataclasses
import math
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import cv2
import numpy as np
from etils import epath
from tensorflow_datasets.proto import tf_example_pb2

from kinetics_tfds.annotations.clip import UNLABELLED
from kinetics_tfds.annotations.versions import get_version
from kinetics_tfds.prepared import verify_folder
from kinetics_tfds.prepared.dataset import ExpectedRecord, Prepared, ShardFile
from kinetics_tfds.prepared.problem import Problem
from kinetics_tfds.shards.records import RawRecord, hash_record, read_records
from kinetics_tfds.workers import TaskCrashedError, WorkerPool

# A wholly damaged shard would list every record.
_PROBLEMS_SHOWN = 20


@dataclasses.dataclass(frozen=True)
class ShardResult:
    """What the check of one shard found.

    Attributes:
        shard: the file's name.
        records: records read.
        frames: JPEG images decoded.
        bytes: of the records.
        problems: what is wrong; empty where all is well.
    """

    shard: str
    records: int = 0
    frames: int = 0
    bytes: int = 0
    problems: tuple[Problem, ...] = ()


@dataclasses.dataclass(frozen=True)
class Verification:
    """What the check of a dataset found.

    Attributes:
        folder: the dataset's folder.
        shards: shards checked.
        records: records read.
        frames: JPEG images decoded.
        bytes: of the records.
        seconds: time it took.
        problems: what is wrong, the folder's own files first.
        notes: what could not be checked, in words.
    """

    folder: str
    shards: int
    records: int
    frames: int
    bytes: int
    seconds: float
    problems: tuple[Problem, ...]
    notes: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems

    def to_json(self) -> dict[str, Any]:
        """Returns plain JSON values."""
        return {"ok": self.ok, **dataclasses.asdict(self), "seconds": round(self.seconds, 3)}


def verify_dataset(
    folder: epath.PathLike, workers: int | None = None, on_shard: Callable[[ShardResult, int], None] | None = None
) -> Verification:
    """Checks every file of a prepared dataset, a shard a process.

    Memory is that of one record a process, whatever the dataset's size.

    Args:
        folder: the dataset's (`builder.data_path`).
        workers: processes; one a core where None.
        on_shard: called with each shard's result, in order, and the number of all shards.

    Raises:
        VerifyError: the folder holds no dataset of this project.
    """
    started = time.monotonic()
    check = verify_folder.verify_folder(folder)
    results: list[ShardResult] = []
    if check.prepared is not None:
        shards = len(list(check.prepared.shard_numbers()))
        for result in _run(check.prepared, workers or len(os.sched_getaffinity(0))):
            results.append(result)
            if on_shard is not None:
                on_shard(result, shards)
    return summarise(folder, check, results, time.monotonic() - started)


def summarise(
    folder: epath.PathLike, check: verify_folder.FolderCheck, results: Iterable[ShardResult], seconds: float
) -> Verification:
    """Puts the results of all shards together, and says of strange records which shard they belong to."""
    results = list(results)
    found = [problem for result in results for problem in result.problems]
    strange = {problem.holds for problem in found if problem.holds}
    owners = verify_folder.owners(check.prepared, strange) if check.prepared is not None else {}
    return Verification(
        folder=os.fspath(folder),
        shards=len(results),
        records=sum(result.records for result in results),
        frames=sum(result.frames for result in results),
        bytes=sum(result.bytes for result in results),
        seconds=seconds,
        problems=(*check.problems, *(problem.with_owner(owners) for problem in found)),
        notes=check.notes,
    )


def verify_shard(shard: ShardFile, kinetics: str) -> ShardResult:
    """Checks one shard: checksums, hashes, places and counts against the manifest, labels, and every frame.

    Args:
        shard: the file, and what the manifest says it holds; without that, records are checked by themselves only.
        kinetics: the version's name, for its classes.
    """
    cv2.setNumThreads(1)
    labels = get_version(kinetics).class_index
    wanted = shard.records or ()
    problems: list[Problem] = []
    seen = strange = records = frames = size = 0
    raw = None
    try:
        for index, raw in enumerate(read_records(shard.path, shard.file_format)):
            seen += 1
            expected = wanted[index] if index < len(wanted) else None
            what, holds, decoded = _check_record(raw, expected, labels)
            if expected is None and shard.records is not None and raw.data is not None:
                what.append("the manifest knows no such record")
            records += raw.data is not None
            size += len(raw.data or b"")
            frames += decoded
            strange += holds is not None
            if what:
                name = expected.id if expected is not None else None
                problems.append(Problem(shard.name, index, name, "; ".join(what), holds))
    except OSError as error:
        problems.append(Problem(shard.name, None, None, f"cannot be read: {error.strerror or error}"))
        return ShardResult(shard.name, records, frames, size, tuple(problems))
    # Where the last record could not be read, its problem says so already.
    if seen < len(wanted) and (raw is None or raw.data is not None):
        problems.append(Problem(shard.name, None, None, f"{seen} records, the manifest says {len(wanted)}"))
    if records and strange == records:
        holds = next(problem.holds for problem in problems if problem.holds)
        problems = [Problem(shard.name, None, None, f"holds {records} records of another shard", holds)]
    return ShardResult(shard.name, records, frames, size, _shorten(shard.name, problems))


def _check_record(
    raw: RawRecord, expected: ExpectedRecord | None, labels: Mapping[str, int]
) -> tuple[list[str], str | None, int]:
    """Returns what is wrong with a record, the id of the clip it holds where that is another one's, and its frames."""
    what = [raw.problem] if raw.problem else []
    if raw.data is None:
        return what, None, 0
    if expected is not None and hash_record(raw.data) != expected.digest:
        what.append("its hash is not the manifest's")
    try:
        features = tf_example_pb2.Example.FromString(raw.data).features.feature
        identity = features["id"].bytes_list.value[0].decode()
        label = features["label"].int64_list.value[0]
        images = features["video"].bytes_list.value
    except Exception as error:  # protobuf's own errors differ between its implementations
        return [*what, f"is no record of a clip: {type(error).__name__}"], None, 0
    if expected is not None and identity != expected.id:
        return [*what, f"holds the clip {identity}"], identity, 0
    if not UNLABELLED <= label < len(labels):
        what.append(f"label {label} is not between {UNLABELLED} and {len(labels) - 1}")
    elif expected is not None and label != labels.get(expected.label or "", UNLABELLED):
        what.append(f"label {label} is not that of {expected.label!r}")
    if expected is not None and len(images) != expected.frames:
        what.append(f"{len(images)} frames, the manifest says {expected.frames}")
    if len(features["timestamps"].float_list.value) != len(images):
        what.append(f"{len(features['timestamps'].float_list.value)} timestamps for {len(images)} frames")
    return what + _check_frames(images), None, len(images)


def _check_frames(images: Iterable[bytes]) -> list[str]:
    """Returns which frames are no whole JPEG, or of another size than the first one."""
    shapes: collections.Counter[tuple[int, ...]] = collections.Counter()
    bad = []
    for index, image in enumerate(images):
        whole = image.startswith(b"\xff\xd8") and image.endswith(b"\xff\xd9")
        pixels = cv2.imdecode(np.frombuffer(image, np.uint8), cv2.IMREAD_COLOR) if whole else None
        if pixels is None:
            bad.append(index)
        else:
            shapes[pixels.shape] += 1
    what = [f"{len(bad)} frames are no whole JPEG, the first is frame {bad[0]}"] if bad else []
    if len(shapes) > 1:
        what.append(f"frames of {len(shapes)} sizes")
    return what


def _shorten(shard: str, problems: list[Problem]) -> tuple[Problem, ...]:
    more = len(problems) - _PROBLEMS_SHOWN
    if more <= 0:
        return tuple(problems)
    return (*problems[:_PROBLEMS_SHOWN], Problem(shard, None, None, f"and {more} more damaged records"))


def _run(prepared: Prepared, workers: int) -> Iterator[ShardResult]:
    """Yields the result of each shard in order; a few shards' rows are in memory at a time."""
    kinetics = prepared.identity.dataset
    with WorkerPool(workers, memory_bytes=None, preload=[__name__]) as pool:
        waiting: collections.deque[tuple[ShardFile, concurrent.futures.Future]] = collections.deque()
        for shard in prepared.shards():
            waiting.append((shard, pool.submit(verify_shard, shard, kinetics, seconds=math.inf)))
            if len(waiting) > 2 * workers:
                yield _result(*waiting.popleft())
        while waiting:
            yield _result(*waiting.popleft())


def _result(shard: ShardFile, future: concurrent.futures.Future) -> ShardResult:
    try:
        return future.result()
    except (TaskCrashedError, MemoryError) as error:
        what = f"the process that read it died: {error or 'memory ran out'}"
        return ShardResult(shard.name, problems=(Problem(shard.name, None, None, what),))
