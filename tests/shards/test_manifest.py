from __future__ import annotations

import collections

import pytest

from kinetics_tfds.annotations.clip import Clip, Split
from kinetics_tfds.clips.media import MediaFile, Span
from kinetics_tfds.decode.types import DecodeSettings
from kinetics_tfds.errors import VerifyError
from kinetics_tfds.planning.plan import Selection, Sharding, plan_splits
from kinetics_tfds.shards.manifest import SCHEMA, read_manifest, write_manifest
from kinetics_tfds.shards.report import ClipReport, ClipState, ShardReport
from kinetics_tfds.shards.summary import format_table, summarise

CLIPS = [Clip(Split.TRAIN, f"{number:011d}", 0.0, 10.0, "ab"[number % 2]) for number in range(12)] + [
    Clip(Split.TEST, f"{number:011d}", 5.0, 15.5) for number in range(2)
]
FOUND = {clip: MediaFile(f"x/{clip.id}.mp4", Span.TRIMMED) for clip in CLIPS[:10]}


def build(max_clips_per_class=3):
    plans = plan_splits(
        CLIPS,
        FOUND,
        selection=Selection(max_clips_per_class=max_clips_per_class),
        sharding=Sharding(num_shards=2),
        settings=DecodeSettings(),
    )
    reports = {shard.name: report(shard) for plan in plans.values() for shard in plan.shards()}
    return plans, reports


def report(shard):
    """Of each shard the second clip failed."""
    clips = []
    for number in range(len(shard.clips)):
        if number == 1:
            clips.append(ClipReport(ClipState.FAILED, reason="corrupt", detail="a bad block"))
        else:
            written = sum(clip.state is ClipState.WRITTEN for clip in clips)
            clips.append(ClipReport(ClipState.WRITTEN, written, frames=9, bytes=100, digest="0f"))
    return ShardReport.of_clips(shard, clips, fingerprint="f", file_name=shard.name, file_bytes=300, table_sha256="")


def test_every_row_has_one_state(tmp_path):
    plans, reports = build()
    write_manifest(tmp_path, plans, reports)
    table = read_manifest(tmp_path)
    assert table.schema == SCHEMA
    rows = table.to_pylist()
    assert collections.Counter((row["split"], row["id"]) for row in rows) == collections.Counter(
        (str(clip.split), clip.id) for clip in CLIPS
    )
    states = collections.Counter((row["split"], row["state"], row["reason"]) for row in rows)
    assert states == {
        ("train", "written", ""): 4,
        ("train", "failed", "corrupt"): 2,
        ("train", "missing", ""): 2,
        ("train", "excluded", "max_clips_per_class"): 4,
        ("test", "missing", ""): 2,
    }
    for row in rows:
        assert (row["index"] is not None) == (row["state"] == "written") == bool(row["digest"])
        assert (row["shard"] is not None) == (row["path"] is not None) == (row["state"] in ("written", "failed"))
        assert (row["label"] is None) == (row["split"] == "test")
    written = [(row["shard"], row["index"]) for row in rows if row["state"] == "written"]
    assert written == sorted(written)
    assert read_manifest(tmp_path, ["id", "state"]).column_names == ["id", "state"]


def test_many_rows_go_in_batches(tmp_path, monkeypatch):
    plans, reports = build()
    write_manifest(tmp_path, plans, reports)
    whole = read_manifest(tmp_path)
    monkeypatch.setattr("kinetics_tfds.shards.manifest._ROWS_AT_ONCE", 5)
    write_manifest(tmp_path, plans, reports)
    assert read_manifest(tmp_path).equals(whole)


def test_no_manifest_and_a_broken_one(tmp_path):
    with pytest.raises(VerifyError, match=r"manifest\.parquet"):
        read_manifest(tmp_path)
    (tmp_path / "manifest.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(VerifyError, match=r"manifest\.parquet"):
        read_manifest(tmp_path)


def test_the_table_adds_up():
    plans, reports = build()
    summary = summarise(plans, reports)
    train = summary.splits[Split.TRAIN]
    assert (train.rows, train.planned, train.written, train.missing, train.excluded) == (12, 6, 4, 2, 4)
    assert train.shard_lengths == [2, 2]
    assert train.file_bytes == 600
    assert (summary.planned, summary.tried, summary.failed) == (6, 6, 2)
    lines = format_table(summary).splitlines()
    assert lines[0].split() == ["split", "rows", "found", "written", "failed", "missing", "excluded"]
    assert lines[1].split() == ["train", "12", "6", "4", "2", "2", "4"]
    assert lines[2].split() == ["test", "2", "0", "0", "0", "2", "0"]
    assert lines[3].split() == ["all", "14", "6", "4", "2", "4", "4"]
    assert "test: no clip found, left out of the dataset" in lines
    assert "train failed: corrupt 2" in lines
    assert sum("corrupt: a bad block" in line for line in lines) == 2


def test_a_build_that_stopped_counts_what_is_there():
    plans, reports = build()
    del reports["train-00000-of-00002"]
    summary = summarise(plans, reports)
    assert (summary.planned, summary.tried, summary.failed) == (6, 3, 1)
