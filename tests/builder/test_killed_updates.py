"""Builds, updates and prunes that are killed again and again give the bytes of those that never were."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pathlib
import random
import shutil
import signal
import time

import pytest
from clip_folder import make_clip_folder
from media import make_video
from update_steps import PRELOAD, run_step

from kinetics_tfds.annotations.clip import Split
from kinetics_tfds.prepared.verify import verify_dataset

STEPS = {"build": "1.0.0", "update": "1.1.0", "prune": "1.2.0"}


@pytest.fixture(scope="module")
def server():
    """Starts processes that have imported everything."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOAD)
    return context


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[str, pathlib.Path]:
    """Clips before and after some have come and gone, and the ids of two that are to be removed."""
    root = tmp_path_factory.mktemp("life")
    folder = make_clip_folder(root / "before", {Split.TRAIN: 16, Split.TEST: 5}, missing=2)
    heavy = make_video(root / "heavy.mp4", seconds=2, fps=30, width=320, height=180)
    for clip in folder.clips:
        if folder.path(clip).exists():
            shutil.copyfile(heavy, folder.path(clip))
    shutil.copytree(folder.root, root / "after")
    come, gone = folder.missing[0], folder.clips[3]
    shutil.copyfile(heavy, root / "after" / "train" / f"{come.id}.mp4")
    (root / "after" / "train" / f"{gone.id}.mp4").unlink()
    (root / "ids.txt").write_text("".join(f"{clip.youtube_id}\n" for clip in folder.clips[5:7]))
    return {"build": root / "before", "update": root / "after", "prune": root / "after", "ids": root / "ids.txt"}


def _start(server, folders, step: str, data_dir: pathlib.Path):
    process = server.Process(target=run_step, args=(step, folders[step], data_dir, folders["ids"], data_dir / "log"))
    process.start()
    return process


def _finish(process, data_dir: pathlib.Path) -> None:
    process.join(300)
    assert process.exitcode == 0, (data_dir / "log").read_text()[-3000:]


def _contents(folder: pathlib.Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def undisturbed(server, folders, tmp_path_factory):
    """Of each step: the files it makes, and the seconds it takes."""
    data_dir = tmp_path_factory.mktemp("undisturbed")
    made = {}
    for step, version in STEPS.items():
        started = time.monotonic()
        _finish(_start(server, folders, step, data_dir), data_dir)
        made[step] = _contents(data_dir / "kinetics600" / "life" / version), time.monotonic() - started
    assert verify_dataset(data_dir / "kinetics600" / "life" / "1.2.0", workers=1).ok
    return made


def _live(server, folders, undisturbed, data_dir: pathlib.Path, dice: random.Random) -> int:
    """Runs the steps, each killed several times; returns how many kills met a running process."""
    top = data_dir / "kinetics600" / "life"
    kills = 0
    for step, version in STEPS.items():
        wanted, seconds = undisturbed[step]
        for _ in range(dice.randrange(2, 6)):
            process = _start(server, folders, step, data_dir)
            process.join(dice.uniform(0, 1.1 * seconds))
            if process.exitcode is not None:
                assert process.exitcode == 0, (data_dir / "log").read_text()[-3000:]
                break
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
                kills += 1
            process.join()
        else:
            _finish(_start(server, folders, step, data_dir), data_dir)
        assert _contents(top / version) == wanted
        assert [path.name for path in top.iterdir() if path.name[0].isdigit()] == [version]
    return kills


@pytest.mark.slow
def test_a_killed_life(server, folders, undisturbed, tmp_path):
    assert _live(server, folders, undisturbed, tmp_path, random.Random(0)) > 3


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_200_kills(server, folders, undisturbed, tmp_path):
    dice = random.Random(1)
    kills = 0
    while kills < 200:
        data_dir = tmp_path / str(kills)
        data_dir.mkdir()
        kills += _live(server, folders, undisturbed, data_dir, dice)
        shutil.rmtree(data_dir)
