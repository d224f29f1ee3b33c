"""Finds the staging folder that an earlier run left, and says how another build's differs from this one."""

from __future__ import annotations

from collections.abc import Mapping

from etils import epath

from kinetics_tfds.annotations.clip import Split
from kinetics_tfds.errors import PlanMismatchError, StorageError
from kinetics_tfds.file_systems import list_names
from kinetics_tfds.planning.fingerprint import BuildIdentity, clip_row, compare
from kinetics_tfds.planning.plan import SplitPlan
from kinetics_tfds.shards.staging import Staging
from kinetics_tfds.shards.write import shard_file_name

_SHOWN_CLIPS = 3


def open_staging(
    data_path: epath.Path,
    identity: BuildIdentity,
    plans: Mapping[Split, SplitPlan],
    *,
    run: str,
    overwrite: bool,
) -> Staging:
    """Returns the staging folder of a build: the one that an earlier run left, or a new one.

    Args:
        data_path: the folder that the dataset will have, `<data_dir>/<name>/<config>/<version>`.
        identity: what the build's bytes depend on.
        plans: the planned clips.
        run: this run's id.
        overwrite: whether to discard what other builds of this version staged.

    Raises:
        PlanMismatchError: another build's finished shards are staged, and `overwrite` is off.
    """
    staging = Staging(data_path, identity.fingerprint, run)
    prefix = f"{data_path.name}-"
    for name in sorted(list_names(staging.path.parent)):
        if not name.startswith(prefix) or name == staging.path.name:
            continue
        other = Staging(data_path, name.removeprefix(prefix))
        shards = len(other.report_names())
        if shards and not overwrite:
            raise PlanMismatchError(
                "\n    ".join(
                    [
                        f"Another build of this dataset is half done in {other.path} ({shards} shards), and differs:",
                        *_compare(other, identity, plans),
                    ]
                ),
                "Run with the settings and clips of that build to finish it, or add --overwrite (or delete that "
                "folder) to discard it and start this one.",
            )
        other.remove()
    if not staging.has_plan():
        staging.write_plan(identity, plans)
    staging.clean()
    staging.remove_strays({shard_file_name(identity, shard) for plan in plans.values() for shard in plan.shards()})
    return staging


def _compare(other: Staging, identity: BuildIdentity, plans: Mapping[Split, SplitPlan]) -> list[str]:
    """Returns one line for each difference between a staged build and the one that is asked for."""
    try:
        return compare(other.load_identity(), identity) + _compare_clips(other, plans)
    except (OSError, StorageError, ValueError, KeyError, TypeError) as error:
        return [f"its plan cannot be read: {type(error).__name__}: {error}"]


def _compare_clips(other: Staging, plans: Mapping[Split, SplitPlan]) -> list[str]:
    old: dict[Split, dict[tuple, list]] = {}
    for shard in other.read_shards():
        for planned in shard.clips:
            row = clip_row(planned)
            old.setdefault(shard.split, {})[tuple(row[:3])] = row
    lines = []
    for split in Split:
        before = old.get(split, {})
        clips = plans[split].clips if split in plans else ()
        after = {tuple(row[:3]): row for row in map(clip_row, clips)}
        more, fewer = after.keys() - before.keys(), before.keys() - after.keys()
        changed = [key for key in after.keys() & before.keys() if after[key] != before[key]]
        if before and more:
            lines.append(f"{split}: {len(more):,} more clips here, such as {_some(more, after)}")
        if after and fewer:
            lines.append(f"{split}: {len(fewer):,} more clips there, such as {_some(fewer, before)}")
        for key in sorted(changed)[:_SHOWN_CLIPS]:
            lines.append(f"{split}: {before[key][3:]} there, {after[key][3:]} here for {key[0]}")
    return lines


def _some(keys: set[tuple], rows: dict[tuple, list]) -> str:
    return ", ".join(str(rows[key][4]) for key in sorted(keys)[:_SHOWN_CLIPS])
