"""Acquiring as a Beam job: counters, a graph of one size, several processes, and an end that all of them hear of."""

from __future__ import annotations

import pathlib

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from media import make_video

from beam_pipelines.acquire import main
from kinetics_tfds.acquire.config import AcquireConfig, RetrySettings
from kinetics_tfds.acquire.ledger.attempts_by_clip import AttemptsByClip
from kinetics_tfds.acquire.ledger.ledger import read_ledger
from kinetics_tfds.acquire.run.passes import Run, acquire
from kinetics_tfds.acquire.run.unit_worker import Task
from kinetics_tfds.acquire.run.work_list import write_work
from kinetics_tfds.acquire.source import PlanContext, Unit
from kinetics_tfds.acquire.sources.folder import Folder
from kinetics_tfds.acquire.store.clip_store import open_store
from kinetics_tfds.annotations.clip import Clip, Split
from kinetics_tfds.annotations.versions import get_version
from kinetics_tfds.errors import AcquireError
from kinetics_tfds.jobs.acquire import FetchShards, run_pass

VERSION = get_version("kinetics600")
LOCAL = ["--runner=FnApiRunner"]


def make_rows(count: int) -> tuple[Clip, ...]:
    return tuple(Clip(Split.TRAIN, f"{number:011d}", 1, 3, "archery") for number in range(count))


def make_task(root: pathlib.Path, min_free_gb: float = 0.01) -> Task:
    source = Folder(path=root / "old")
    config = AcquireConfig(
        sources=(source,),
        retry=RetrySettings(attempts=1),
        min_free_gb=min_free_gb,
        workers=1,
        state=root / "state",
    )
    return Task("run", str(root / "store"), source.name, config, VERSION.name)


def write_list(task: Task, rows) -> tuple:
    store = open_store(task.store)
    (source,) = task.config.sources
    units = [
        item
        for item in source.plan(rows, PlanContext(VERSION.name, task.config.state_folder))
        if isinstance(item, Unit)
    ]
    return store, write_work(store, "runs/x", units, len(units), AttemptsByClip(), source.name)


@pytest.fixture
def clips(tmp_path) -> tuple[Clip, ...]:
    """Four sound clips and two broken ones."""
    rows = make_rows(6)
    first = make_video(tmp_path / "old" / f"{rows[0].id}.mp4", seconds=2, fps=10, width=96, height=64).read_bytes()
    for row in rows[1:4]:
        (tmp_path / "old" / f"{row.id}.mp4").write_bytes(first)
    (tmp_path / "old" / f"{rows[4].id}.mp4").write_bytes(first[: len(first) // 2])
    (tmp_path / "old" / f"{rows[5].id}.mp4").write_bytes(b"<html>")
    return rows


def test_counters_by_outcome(tmp_path, clips):
    task = make_task(tmp_path)
    _, work = write_list(task, clips)
    pipeline = beam.Pipeline(options=PipelineOptions(LOCAL))
    _ = pipeline | FetchShards(task, work)
    result = pipeline.run()
    result.wait_until_finish()
    counted = {
        c.key.metric.name: c.committed
        for c in result.metrics().query()["counters"]
        if c.key.metric.namespace == "acquire"
    }
    recorded: dict[str, int] = {}
    for record in read_ledger(open_store(task.store)):
        recorded[str(record.outcome_class)] = recorded.get(str(record.outcome_class), 0) + 1
    assert counted == recorded
    assert counted["done"] == 4
    assert sum(counted.values()) == 6


def test_the_graph_does_not_grow_with_the_rows(tmp_path):
    task, sizes, transforms = make_task(tmp_path), [], []
    store = open_store(task.store)
    for expected in (20, 100_000, 10_000_000):
        units = (Unit(clip.id, (clip,)) for clip in make_rows(20))
        work = write_work(store, f"runs/{expected:08}", units, expected, AttemptsByClip(), "folder")
        pipeline = beam.Pipeline(options=PipelineOptions(LOCAL))
        _ = pipeline | FetchShards(task, work)
        graph = pipeline.to_runner_api()
        sizes.append(graph.ByteSize())
        transforms.append(len(graph.components.transforms))
    assert transforms[1] == transforms[2]  # one shard alone needs fewer
    # Beam compresses what it pickles: a few bytes depend on names; ten million rows would be megabytes.
    assert sizes[1] == pytest.approx(sizes[2], abs=200)
    assert max(sizes) < 60_000  # Dataflow takes 20 MB


@pytest.mark.slow
def test_several_processes(tmp_path, clips):
    """As on a cluster: the workers share nothing but the store and the machine's state folder."""
    task = make_task(tmp_path)
    options = PipelineOptions([*LOCAL, "--direct_running_mode=multi_processing", "--direct_num_workers=2"])
    run = Run(
        version=VERSION,
        clips=clips,
        store=task.store,
        config=task.config,
        run_pass=lambda task, work: run_pass(task, work, options),
        say=lambda line: None,
    )
    summary = acquire(run)
    assert (summary.stored, summary.left) == (4, 2)


def test_what_stops_a_worker_stops_the_run_with_its_words(tmp_path, clips):
    task = make_task(tmp_path)
    _, work = write_list(task, clips)
    with pytest.raises(AcquireError, match="min_free_gb"):
        run_pass(make_task(tmp_path, min_free_gb=1e9), work, PipelineOptions(LOCAL))
    assert list(read_ledger(open_store(task.store))) == []


def test_the_command_gets_the_rows_of_a_snapshot(tmp_path, clips, capsys):
    from kinetics_tfds.cli.main import main as kinetics

    lines = [f"archery,{clip.youtube_id},1,3,train" for clip in clips]
    (tmp_path / "kinetics600_train.csv").write_text("\n".join(["label,youtube_id,time_start,time_end,split", *lines]))
    (tmp_path / "c.yaml").write_text(
        f"sources: [{{kind: folder, path: old}}]\nmin_free_gb: 0.01\nworkers: 1\nretry: {{attempts: 1}}\nstate: {tmp_path / 'state'}\n"
    )
    common = [
        "--dataset=kinetics600",
        f"--config={tmp_path / 'c.yaml'}",
        f"--annotations={tmp_path / 'kinetics600_train.csv'}",
    ]
    assert main([*common, f"--store={tmp_path / 'mine'}", "--max_clips=6"]) == 0
    snapshot = f"{tmp_path / 'mine.csv'}"
    assert kinetics(["snapshot", "kinetics600", f"--store={tmp_path / 'mine'}", "--out", snapshot]) == 0
    capsys.readouterr()
    assert main([*common, f"--store={tmp_path / 'theirs'}", f"--snapshot={snapshot}"]) == 0
    assert "4 rows wanted" in capsys.readouterr().out
    assert kinetics(["snapshot", "kinetics600", f"--store={tmp_path / 'theirs'}", "--compare", snapshot]) == 0
    assert "the same clips" in capsys.readouterr().out.splitlines()[-1]
