"""Workers and drivers are killed at random moments; the same command, run again, ends with the bytes of a local build."""

from __future__ import annotations

import json
import random
import shutil
import signal
import time

import pytest
from clip_folder import make_clip_folder
from jobs import digests, run_job, start_job
from media import make_video

from kinetics_tfds.annotations.clip import Split

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

SHARDS = 8
CONFIG = json.dumps({"name": "killed", "short_side": 112, "fps": 25})


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Clips that take long enough to be killed in the middle of."""
    folder = make_clip_folder(tmp_path_factory.mktemp("clips"), {Split.TRAIN: 32})
    heavy = make_video(tmp_path_factory.mktemp("heavy") / "x.mp4", seconds=2, fps=30, width=640, height=360)
    for clip in folder.clips:
        shutil.copyfile(heavy, folder.path(clip))
    return folder


def arguments(folder, root) -> list[str]:
    inputs = [f"--manual_dir={folder.root}", f"--data_dir={root / 'data'}", f"--num_shards={SHARDS}"]
    return ["kinetics600", f"--config={CONFIG}", *inputs]


@pytest.fixture(scope="module")
def untouched(folder, tmp_path_factory):
    root = tmp_path_factory.mktemp("local")
    run_job("build", *arguments(folder, root), "--runner=FnApiRunner", "--decode_workers=1", cwd=root)
    return digests(root / "data" / "kinetics600")


def finished(root) -> dict[str, int]:
    """Inodes of the shards that have a sidecar."""
    top = root / "data" / "kinetics600" / "killed"
    shards = {}
    for report in top.glob(".staging/1.0.0-*/reports/*-of-*.json"):
        split, numbers = report.name.removesuffix(".json").split("-", 1)
        path = top / "1.0.0" / f"kinetics600-{split}.tfrecord-{numbers}"
        if path.exists():
            shards[path.name] = path.stat().st_ino
    return shards


def kill_at_random(victim: str, engine, driver, shards, chance: random.Random) -> None:
    """Waits until a shard or more are written, a moment longer, and kills."""
    wanted = len(shards()) + chance.randint(1, 2)
    while driver.poll() is None and len(shards()) < wanted:
        time.sleep(0.02)
    time.sleep(chance.uniform(0, 0.5))
    if victim == "driver":
        driver.kill()
        return
    if victim == "pool":
        engine.kill("pool")
        return
    for worker in engine.workers():
        worker.send_signal(signal.SIGKILL)


@pytest.mark.parametrize("victim", ["worker", "pool", "driver"])
def test_killed_and_run_again(victim, engine, folder, untouched, tmp_path):
    chance = random.Random(f"{victim} {engine.name}")
    flags = [*arguments(folder, tmp_path), *engine.flags()]
    kept: dict[str, int] = {}
    for _ in range(2 if victim == "driver" else 1):  # a killed worker costs the time-out
        driver = start_job("build", *flags, "--stall_timeout=1", cwd=tmp_path)
        try:
            kill_at_random(victim, engine, driver, lambda: finished(tmp_path), chance)
            out, _ = driver.communicate(timeout=200)
        finally:
            driver.kill()
            if victim == "pool":
                engine.start_pool()
        if driver.returncode == 0:
            break  # it was quicker, or the engine has given the work to another worker
        now = finished(tmp_path)
        assert {name: now.get(name) for name in kept} == kept, "a finished shard was written again"
        kept = now
        assert kept, out[-3000:]
        if victim != "driver":
            assert driver.returncode == 1, out[-3000:]
            assert "Next: " in out
    if driver.returncode != 0:
        out = run_job("build", *flags, cwd=tmp_path)
        assert "going on: " in out
    assert digests(tmp_path / "data" / "kinetics600") == untouched
    top = tmp_path / "data" / "kinetics600" / "killed" / "1.0.0"
    assert {name: (top / name).stat().st_ino for name in kept} == kept, "a finished shard was written again"


def test_a_stalled_job_says_where_to_look(folder, tmp_path, job_service):
    """Beam's Python job service waits for ever for a worker that was killed."""
    flags = [*arguments(folder, tmp_path), *job_service.flags()]
    driver = start_job("build", *flags, "--stall_timeout=1", "--stall_warning=0.2", cwd=tmp_path)
    try:
        kill_at_random("worker", job_service, driver, lambda: finished(tmp_path), random.Random(1))
        out, _ = driver.communicate(timeout=200)
    finally:
        driver.kill()
    assert driver.returncode == 1, out[-3000:]
    assert f"of {len(folder.clips)} clips are done, the others are waited for" in out
    assert f"the workers' own (EXTERNAL localhost:{job_service.pool_port})" in out
    assert "Then run the same command again" in out
    assert "this job may wait for ever" in out  # the warning before
