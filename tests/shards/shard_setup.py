"""Plans and stages a small folder of clips, as the builder does."""

from __future__ import annotations

import dataclasses
import os
import pathlib

from clip_folder import ClipFolder
from etils import epath

from kinetics_tfds.annotations.versions import get_version
from kinetics_tfds.clips.inputs import read_inputs
from kinetics_tfds.config import KineticsConfig
from kinetics_tfds.decode import DecodeLimits, versions
from kinetics_tfds.features import RECORD_REVISION
from kinetics_tfds.planning.fingerprint import BuildIdentity, describe_splits
from kinetics_tfds.planning.plan import Selection, Sharding, plan_splits
from kinetics_tfds.shards.lock import runs_path
from kinetics_tfds.shards.resume import open_staging
from kinetics_tfds.shards.run_folder import RunFolder
from kinetics_tfds.shards.staging import Staging
from kinetics_tfds.shards.write import BuildJob

CONFIG = KineticsConfig(name="tiny", short_side=32, fps=5.0)


@dataclasses.dataclass
class Setup:
    plans: dict
    identity: BuildIdentity
    staging: Staging
    job: BuildJob


def plan_folder(folder: ClipFolder, *, config=CONFIG, num_shards=2, file_format="tfrecord"):
    inputs = read_inputs(str(folder.root), get_version("kinetics600"))
    plans = plan_splits(
        inputs.annotations.clips,
        inputs.matches.found,
        selection=Selection(config.classes, config.max_clips_per_class),
        sharding=Sharding(num_shards=num_shards),
        settings=config.decode_settings,
    )
    identity = BuildIdentity(
        "kinetics600", "1.0.0", config.identity(), file_format, RECORD_REVISION, versions(), describe_splits(plans)
    )
    return plans, identity


def set_up(folder: ClipFolder, out: pathlib.Path, *, overwrite=False, workers=1, **settings) -> Setup:
    plans, identity = plan_folder(folder, **settings)
    data_path = epath.Path(out) / identity.version
    run = RunFolder.new(runs_path(data_path))
    run.beat()
    staging = open_staging(data_path, identity, plans, run=run.id, overwrite=overwrite)
    job = BuildJob(
        str(data_path),
        identity.fingerprint,
        run.id,
        "kinetics600",
        str(folder.root),
        DecodeLimits(wall_seconds=30),
        decode_workers=workers,
    )
    return Setup(plans, identity, staging, job)


def run_again(setup: Setup) -> Setup:
    """The same build in a run of its own, as when its command is given again."""
    run = RunFolder.new(setup.staging.run.path.parent)
    run.beat()
    staging = open_staging(setup.staging.data_path, setup.identity, setup.plans, run=run.id, overwrite=False)
    return dataclasses.replace(setup, staging=staging, job=dataclasses.replace(setup.job, run=run.id))


def shard_bytes(staging: Staging) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in staging.data_path.iterdir()}


def inodes(staging: Staging) -> dict[str, int]:
    """A shard that was written again is another file."""
    return {path.name: os.stat(path).st_ino for path in staging.data_path.iterdir()}
