"""Writes one shard: decodes its clips in order and streams their records into a file. Knows nothing of Beam.

The shard appears in the dataset's folder only when it is whole, and its sidecar after it. A process that dies leaves at
most a file with a temporary name. Memory is that of the clips in flight.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Generator, Sequence

import google_crc32c
import numpy as np
from etils import epath
from tensorflow_datasets.core import file_adapters, naming

from kinetics_tfds import frame_table
from kinetics_tfds.annotations.clip import Clip
from kinetics_tfds.annotations.versions import get_version
from kinetics_tfds.clips.media import MediaContent
from kinetics_tfds.decode.pool import DecodePool
from kinetics_tfds.decode.revision import versions
from kinetics_tfds.decode.types import (
    DecodedClip,
    DecodeFailure,
    DecodeLimits,
    DecodeSettings,
)
from kinetics_tfds.errors import ConfigError, WorkerError
from kinetics_tfds.features import RECORD_REVISION, make_features, to_example
from kinetics_tfds.file_systems import is_local
from kinetics_tfds.planning.fingerprint import BuildIdentity, compare_mappings
from kinetics_tfds.planning.plan import PlannedClip, ShardPlan
from kinetics_tfds.shards.decoding import decode_clips
from kinetics_tfds.shards.kept import KeptClips, KeptRecord, Outcomes
from kinetics_tfds.shards.records import hash_record, write_records
from kinetics_tfds.shards.report import ClipReport, ClipState, ShardReport
from kinetics_tfds.shards.serialise import ExampleSerialiser
from kinetics_tfds.shards.staging import Staging

# TFDS's Parquet writer loses records when it is given an iterator of more than a hundred.
FILE_FORMATS = ("tfrecord", "array_record", "riegeli")


class StoppedError(Exception):
    """The build was asked to stop while this shard was being written."""


@dataclasses.dataclass(frozen=True)
class BuildJob:
    """What a worker is told; everything else it reads from the staging folder.

    Attributes:
        data_path: the dataset's folder.
        fingerprint: of the build.
        run: id of the run that starts the workers.
        kinetics: name of the Kinetics version whose classes the labels are.
        media_root: the folder that the plan's paths are relative to.
        limits: what one file may cost.
        decode_workers: decode processes in each worker process; None for one a CPU.
    """

    data_path: str
    fingerprint: str
    run: str
    kinetics: str
    media_root: str
    limits: DecodeLimits = dataclasses.field(default_factory=DecodeLimits)
    decode_workers: int | None = None


@dataclasses.dataclass(frozen=True)
class ShardOutcome:
    """A written shard's report, and what only counters want to know.

    Attributes:
        report: the sidecar's content.
        decode_ms: time in the decode worker of each written clip.
    """

    report: ShardReport
    decode_ms: tuple[int, ...]


def check_file_format(name: str, data_path: epath.Path) -> None:
    """Raises ConfigError for a record format that cannot be written clip by clip, or not be read where it would lie."""
    if name not in FILE_FORMATS:
        raise ConfigError(
            f"The file format {name!r} cannot be written clip by clip.",
            f"Use one of {', '.join(FILE_FORMATS)}; `tfds convert_format` makes others from a finished dataset.",
        )
    if name != "tfrecord" and not is_local(data_path):
        raise ConfigError(
            f"The file format {name!r} can be read from disks only, and {data_path} is none.",
            "Leave out --file_format for tfrecord, or name a --data_dir on a disk or mount.",
        )


def shard_file_name(identity: BuildIdentity, shard: ShardPlan) -> str:
    """Returns the name that TFDS gives a shard's file."""
    template = naming.ShardedFileTemplate(
        data_dir=epath.Path("."),
        dataset_name=identity.dataset,
        split=str(shard.split),
        filetype_suffix=file_adapters.FileFormat.from_value(identity.file_format).file_suffix,
    )
    return template.relative_filepath(shard_index=shard.index, num_shards=shard.num_shards)


def decode_settings(identity: BuildIdentity) -> DecodeSettings:
    """Returns the part of a build's settings that a decode worker needs."""
    return DecodeSettings(**{f.name: identity.settings[f.name] for f in dataclasses.fields(DecodeSettings)})


@dataclasses.dataclass
class _Written:
    """What is known of the records of a shard while it is written.

    Attributes:
        reports: of each clip so far.
        decode_ms: time in the decode worker of each clip that was decoded.
        frames: where the frames of each record lie.
    """

    reports: list[ClipReport] = dataclasses.field(default_factory=list)
    decode_ms: list[int] = dataclasses.field(default_factory=list)
    frames: list[np.ndarray] = dataclasses.field(default_factory=list)


class ShardWriter:
    """Writes the shards of one build, in one process; several threads may write at once.

    Attributes:
        staging: the build's staging folder.
    """

    def __init__(self, job: BuildJob, on_clip: Callable[[str, ClipReport], None] | None = None) -> None:
        """Reads the plan and checks that this process would write the same bytes as any other.

        Args:
            job: what to write.
            on_clip: called with the shard's name after each clip.

        Raises:
            WorkerError: the plan cannot be read, or was made with other versions.
        """
        self.staging = Staging(job.data_path, job.fingerprint, job.run)
        self._job = job
        self._on_clip = on_clip or (lambda name, report: None)
        self._identity = self.staging.read_identity()
        self._kept = KeptClips.open(self.staging.kept_path, job.media_root)
        if self._kept is None or self._kept.earlier.needs_media:
            _check_versions(self._identity)
        settings = self._identity.settings
        self._features = make_features(get_version(job.kinetics).class_names, settings["audio_rate"])
        self._serialise = ExampleSerialiser(self._features)
        self._format = file_adapters.FileFormat.from_value(self._identity.file_format)

    def open_pool(self) -> DecodePool:
        """Returns a pool of decode workers for this build; the caller closes it."""
        return DecodePool(decode_settings(self._identity), self._job.limits, self._job.decode_workers)

    def write(self, number: int, pool: DecodePool, on_all_requested: Callable[[], None] | None = None) -> ShardOutcome:
        """Writes one shard and its sidecar, or finds that both are there.

        Args:
            number: counts the shards of all splits in the plan's order, from 0.
            pool: decodes the clips.
            on_all_requested: called when the last clip has been handed to the pool: the next shard may start.

        Raises:
            StoppedError: the build was asked to stop.
        """
        shard = self.staging.read_shard(number)
        finished = self.staging.finished(shard.name)
        if finished is not None:  # a runner may hand out an element twice
            if on_all_requested:
                on_all_requested()
            return ShardOutcome(finished, ())
        if self.staging.run.asked_to_stop(look=True):
            raise StoppedError(f"asked to stop before writing {shard.name}")
        written = _Written()
        final = self.staging.data_path / shard_file_name(self._identity, shard)
        with self.staging.writing(final) as local:
            self._write_records(number, shard, pool, on_all_requested or (lambda: None), local, written)
            size = local.stat().length
        report = ShardReport.of_clips(
            shard,
            written.reports,
            fingerprint=self._job.fingerprint,
            file_name=final.name,
            file_bytes=size,
            table_sha256=self.staging.write_frame_table(final.name, written.frames),
        )
        self.staging.write_report(report)
        return ShardOutcome(report, tuple(written.decode_ms))

    def _write_records(
        self,
        number: int,
        shard: ShardPlan,
        pool: DecodePool,
        on_all_requested: Callable[[], None],
        path: epath.Path,
        written: _Written,
    ) -> None:
        kept = {} if self._kept is None else self._kept.of_shard(number, shard)
        whole = None if self._kept is None else self._kept.copy_whole_file(kept, shard, self._format.value, path)
        if whole is not None:
            on_all_requested()
            written.frames.append(whole)
            for place in range(len(shard.clips)):
                written.reports.append(kept[place].report)
                self._on_clip(shard.name, kept[place].report)
            return

        def decode(clips: Sequence[PlannedClip], on_all_requested: Callable[[], None]) -> Outcomes:
            return decode_clips(self._job.media_root, clips, pool, on_all_requested)

        if self._kept is None:
            outcomes: Outcomes = decode(shard.clips, on_all_requested)
        else:
            outcomes = self._kept.outcomes(shard, kept, decode, on_all_requested)
        records = self._records(shard, outcomes, written)
        with contextlib.closing(outcomes), contextlib.closing(records):
            write_records(path, self._format, records)

    def _records(self, shard: ShardPlan, outcomes: Outcomes, written: _Written) -> Generator[tuple[str, bytes]]:
        """Yields the key and bytes of each record; says in `written` what became of each clip."""
        records = 0
        for planned, outcome in zip(shard.clips, outcomes, strict=True):
            if self.staging.run.asked_to_stop():
                raise StoppedError(f"asked to stop while writing {shard.name}")
            report, record = self._report(planned.clip, outcome)
            if record is not None:
                report = dataclasses.replace(report, index=records)
                records += 1
                kept_rows = outcome.frames if isinstance(outcome, KeptRecord) else None
                written.frames.append(frame_table.frame_rows(record) if kept_rows is None else kept_rows)
                if isinstance(outcome, DecodedClip):
                    written.decode_ms.append(round(outcome.decode_seconds * 1000))
                yield planned.clip.id, record
            written.reports.append(report)
            self._on_clip(shard.name, report)

    def _report(self, clip: Clip, outcome: DecodedClip | DecodeFailure | KeptRecord) -> tuple[ClipReport, bytes | None]:
        """Returns a clip's report, but for the place of its record, and the record if it has one."""
        if isinstance(outcome, KeptRecord):
            return outcome.report, outcome.data
        content = outcome.content or MediaContent(0, "")
        if isinstance(outcome, DecodeFailure):
            report = ClipReport(ClipState.FAILED, reason=str(outcome.reason), detail=outcome.detail)
            return dataclasses.replace(report, media_bytes=content.bytes, media_digest=content.digest), None
        record = self._serialise(self._features.encode_example(to_example(clip, outcome)))
        report = ClipReport(
            ClipState.WRITTEN,
            detail=outcome.damage or "",
            frames=len(outcome.frames),
            bytes=len(record),
            digest=hash_record(record),
            media_bytes=content.bytes,
            media_digest=content.digest,
            crc32c=google_crc32c.value(record),
        )
        return report, record


def _check_versions(identity: BuildIdentity) -> None:
    here = {**versions(), "record": str(RECORD_REVISION)}
    there = {**identity.versions, "record": str(identity.record_revision)}
    differences = compare_mappings(there, here)
    if differences:
        raise WorkerError(
            "This worker would write other bytes than the plan was made for: " + "; ".join(differences) + ".",
            "Install the same versions on the workers as on the machine that starts the build (docs/building.md).",
        )
