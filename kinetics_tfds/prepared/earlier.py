"""What a new version of a dataset takes from the one before it.

An update plans its clips as any build does, and takes the records whose clips are as they were. A version without some
videos is planned from the earlier one's manifest alone, and takes every other record.
"""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from etils import epath

from kinetics_tfds.annotations.clip import Clip, Split
from kinetics_tfds.clips.media import MediaFile, Span
from kinetics_tfds.decode.types import DecodeSettings
from kinetics_tfds.planning.fingerprint import BuildIdentity, compare_mappings
from kinetics_tfds.planning.plan import Exclusion, PlannedClip, SplitPlan, order_key
from kinetics_tfds.prepared.dataset import Prepared
from kinetics_tfds.prepared.removals import Removal, read_removals, write_removals
from kinetics_tfds.shards.kept import EarlierVersion, KeptClip, same_files, write_kept
from kinetics_tfds.shards.manifest import read_manifest
from kinetics_tfds.shards.report import ClipReport, ClipState
from kinetics_tfds.shards.staging import Staging
from kinetics_tfds.tfrecord import FRAMING_BYTES

_ROWS_AT_ONCE = 20_000


@dataclasses.dataclass(frozen=True)
class Predecessor:
    """The version that a new one takes records from.

    Attributes:
        prepared: the version.
        retry_failed: whether an update decodes again what failed there.
        plans: of the new version, where it is planned without the clips' files; None for an update.
        removal: what the new version lacks on request.
    """

    prepared: Prepared
    retry_failed: bool = False
    plans: Mapping[Split, SplitPlan] | None = None
    removal: Removal | None = None

    def removed_videos(self) -> frozenset[str]:
        """Returns the YouTube ids that were taken out before, as far as the manifest tells: updates leave them out."""
        rows = read_manifest(self.prepared.folder, ("youtube_id", "reason"))
        return frozenset(rows.filter(pc.field("reason") == str(Exclusion.REMOVED))["youtube_id"].to_pylist())

    def is_up_to_date(self, plans: Mapping[Split, SplitPlan], identity: BuildIdentity, media_root: str) -> bool:
        """Returns whether an update would make the very same dataset: same rows, settings, versions and files."""
        there = self.prepared.identity
        if self.plans is not None or dataclasses.replace(identity, version=there.version) != there:
            return False
        kept = [(planned, clip) for plan in plans.values() for planned, clip in self._kept_of_split(plan)]
        if any(clip is None or (self.retry_failed and not clip.file) for _, clip in kept):
            return False
        rows = read_manifest(self.prepared.folder, ("split", "id", "state"))
        left_out = rows.filter(pc.field("state").isin([ClipState.MISSING, ClipState.EXCLUDED]))
        before = {(row["split"], row["id"], row["state"]) for row in left_out.to_pylist()}
        now = {(str(split), clip.id, "missing") for split, plan in plans.items() for clip in plan.missing}
        now |= {(str(split), clip.id, "excluded") for split, plan in plans.items() for clip in plan.excluded}
        return before == now and all(same_files(media_root, ((planned, clip) for planned, clip in kept if clip)))

    def keep_records(self, staging: Staging, plans: Mapping[Split, SplitPlan], identity: BuildIdentity) -> None:
        """Writes beside a build's plan which records can be taken from this version, and says how many."""
        needs_media = self.plans is None
        differences = compare_records(self.prepared.identity, identity) if needs_media else []
        kept = 0

        def clips() -> Iterator[KeptClip | None]:
            nonlocal kept
            for plan in plans.values():
                for _, clip in self._kept_of_split(plan):
                    again = clip is not None and not clip.file and self.retry_failed
                    taken = None if differences or again else clip
                    kept += taken is not None
                    yield taken

        shards = (shard for plan in plans.values() for shard in plan.shards())
        earlier = EarlierVersion(os.fspath(self.prepared.folder), self.prepared.identity.file_format, needs_media)
        with staging.writing(staging.kept_path) as local:
            write_kept(local, earlier, shards, clips())
        total = sum(len(plan.clips) for plan in plans.values())
        why = f" (every record differs: {'; '.join(differences)})" if differences else ""
        print(
            f"kinetics: {kept:,} of {total:,} clips are those of {self.prepared.identity.version}{why}.",
            file=sys.stderr,
        )

    def write_removals(self, folder: epath.Path) -> None:
        """Writes the record of all that was taken out so far, if anything was."""
        removals = [*read_removals(self.prepared.folder), *([self.removal] if self.removal is not None else [])]
        if removals:
            write_removals(folder, removals)

    def _kept_of_split(self, plan: SplitPlan) -> Iterator[tuple[PlannedClip, KeptClip | None]]:
        """Yields each planned clip of a split with how it ended in this version; both lie in the plan's order."""
        ended = _ended_in(self.prepared, str(plan.split))
        row, clip = next(ended, ({}, None))
        for planned in plan.clips:
            key = order_key(planned.clip)
            while clip is not None and order_key(Clip.from_row(row)) < key:
                row, clip = next(ended, ({}, None))
            found = clip is not None and order_key(Clip.from_row(row)) == key
            yield planned, clip if found and (self.plans is not None or _is_same_clip(row, planned)) else None


def compare_records(there: BuildIdentity, here: BuildIdentity) -> list[str]:
    """Returns one line for each thing that makes records of one clip differ between two builds."""
    names = [field.name for field in dataclasses.fields(DecodeSettings)]
    settings = [{name: identity.settings.get(name) for name in names} for identity in (there, here)]
    revisions = [{"record_revision": identity.record_revision, **identity.versions} for identity in (there, here)]
    return compare_mappings(*settings) + compare_mappings(*revisions)


def plan_without(earlier: Prepared, removed: Collection[str], *, keep_rows: bool) -> dict[Split, SplitPlan]:
    """Plans a version of a dataset without some videos, from its manifest alone.

    Each split has as many shards as before, if it has as many clips.

    Args:
        earlier: the dataset.
        removed: YouTube ids of the videos.
        keep_rows: whether the manifest shall say which rows were removed.
    """
    manifest = read_manifest(earlier.folder)
    plans = {}
    for split in map(Split, pc.unique(manifest["split"]).to_pylist()):
        planned: list[PlannedClip] = []
        missing: list[Clip] = []
        excluded: dict[Clip, Exclusion] = {}
        for row in _rows(manifest.filter(pc.field("split") == str(split))):
            clip = Clip.from_row(row)
            if row["state"] == ClipState.EXCLUDED:
                excluded[clip] = Exclusion(row["reason"])
            elif clip.youtube_id in removed:
                excluded.update({clip: Exclusion.REMOVED} if keep_rows else {})
            elif row["state"] == ClipState.MISSING:
                missing.append(clip)
            else:
                planned.append(PlannedClip(clip, MediaFile(row["path"], Span(row.get("span") or Span.UNKNOWN))))
        shards = earlier.identity.splits.get(str(split), {"shards": 0})["shards"]
        plans[split] = SplitPlan(split, tuple(planned), min(shards, len(planned)), excluded, tuple(missing))
    return plans


def _is_same_clip(row: Mapping[str, Any], planned: PlannedClip) -> bool:
    """Whether a clip has its label still, and its file a name that says the same; workers compare what files hold."""
    same = row["label"] == planned.clip.label and row.get("span") == str(planned.media.span)
    return same and bool(row.get("media_digest"))


def _ended_in(earlier: Prepared, split: str) -> Iterator[tuple[dict[str, Any], KeptClip]]:
    """Yields each planned row of a split with how it ended, in the order of shards and records."""
    if split not in earlier.identity.splits:
        return
    manifest = read_manifest(earlier.folder)
    lengths = earlier.lengths(split)
    shard, offset, frame = -1, 0, 0
    for row in _rows(manifest.filter((pc.field("split") == split) & pc.field("shard").is_valid())):
        if row["shard"] != shard:
            shard, offset, frame = row["shard"], 0, 0
        report = ClipReport(**{name: row[name] for name in ClipReport.__dataclass_fields__ if name in row})
        if report.state != ClipState.WRITTEN:
            yield row, KeptClip(report)
            continue
        yield row, KeptClip(report, earlier.file_name(split, shard), lengths[shard], offset, frame)
        offset += report.bytes + FRAMING_BYTES
        frame += report.frames


def _rows(table: pa.Table) -> Iterator[dict[str, Any]]:
    for batch in table.to_batches(max_chunksize=_ROWS_AT_ONCE):
        yield from batch.to_pylist()
