"""Says how a staged build differs from the one that is asked for."""

from __future__ import annotations

import json
from collections.abc import Mapping

from etils import epath

from kinetics_tfds.annotations.clip import Split
from kinetics_tfds.planning.fingerprint import BuildIdentity, clip_row, compare
from kinetics_tfds.planning.plan import SplitPlan
from kinetics_tfds.shards.staging import Staging

_SHOWN_CLIPS = 3


def describe(folder: epath.Path, identity: BuildIdentity, plans: Mapping[Split, SplitPlan]) -> list[str]:
    """Returns one line for each thing that differs.

    Args:
        folder: the other build's staging folder.
        identity: of the build that is asked for.
        plans: its planned clips.
    """
    try:
        there = BuildIdentity(**json.loads((folder / "plan.json").read_text())["covers"])
        lines = compare(there, identity)
        lines += _compare_clips(Staging(folder, there.fingerprint), plans)
    except (OSError, ValueError, KeyError, TypeError) as error:
        return [f"its plan cannot be read: {type(error).__name__}: {error}"]
    return lines


def _compare_clips(there: Staging, plans: Mapping[Split, SplitPlan]) -> list[str]:
    old: dict[Split, dict[tuple, list]] = {}
    for shard in there.read_shards():
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
