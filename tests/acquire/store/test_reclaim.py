"""A process that is killed after a clip is written down and before it is visible."""

from __future__ import annotations

import os
import pathlib
import signal
import subprocess
import sys
import threading

import pytest
from media import make_video

from kinetics_tfds.acquire.config import AcquireConfig
from kinetics_tfds.acquire.ledger.ledger_files import read_ledger
from kinetics_tfds.acquire.run.passes import Run, acquire
from kinetics_tfds.acquire.sources.folder import Folder
from kinetics_tfds.acquire.store.clip_store import HIDDEN, ClipStore, open_store
from kinetics_tfds.acquire.store.reclaim import reclaim
from kinetics_tfds.annotations.clip import Clip, Split
from kinetics_tfds.annotations.versions import get_version

CLIPS = tuple(Clip(Split.TRAIN, f"{number:011d}", 1, 3, "archery") for number in range(3))


def make_run(root: pathlib.Path) -> Run:
    config = AcquireConfig(sources=(Folder(path=root / "old"),), min_free_gb=0.01, workers=1, state=root / "state")
    version = get_version("kinetics600")
    return Run(version=version, clips=CLIPS, store=str(root / "store"), config=config, say=lambda line: None)


def be_killed(root: pathlib.Path) -> None:
    """Acquires, and is killed when the second clip is to become visible."""
    publish, one_at_a_time, published = ClipStore.publish, threading.Lock(), []

    def killed(self, path, relative):
        with one_at_a_time:
            if published:
                os.kill(os.getpid(), signal.SIGKILL)
            publish(self, path, relative)
            published.append(relative)

    ClipStore.publish = killed
    acquire(make_run(root))


@pytest.fixture
def killed(tmp_path) -> pathlib.Path:
    for clip in CLIPS:
        make_video(tmp_path / "old" / f"{clip.id}.mp4", seconds=2, fps=10, width=96, height=64)
    here = pathlib.Path(__file__)
    code = f"import sys, pathlib; sys.path[:0] = [{str(here.parent)!r}, {str(here.parents[2])!r}]; "
    code += "from test_reclaim import be_killed; be_killed(pathlib.Path(sys.argv[1]))"
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert len(list(read_ledger(open_store(tmp_path / "store")))) >= 2
    assert len(open_store(tmp_path / "store").listing().media) == 1
    return tmp_path


def test_the_next_run_brings_it_in(killed):
    acquire(make_run(killed))
    store = open_store(killed / "store")
    assert len(store.listing().media) == 3
    assert len(list(read_ledger(store))) == 3  # each clip was got once
    assert list((killed / "store" / HIDDEN / "tmp").iterdir()) == []


def test_half_done_files_are_not_brought_in(killed):
    store = open_store(killed / "store")
    for path in store.abandoned_files():
        if path.stat().st_size:
            path.write_bytes(path.read_bytes()[:-1] + b"x")
    assert reclaim(store) == 0
    acquire(make_run(killed))
    assert len(store.listing().media) == 3


def test_a_living_process_is_left_alone(tmp_path):
    store = open_store(tmp_path)
    with store.scratch() as folder:
        (folder / "clip0.mp4").write_bytes(b"x")
        assert list(store.abandoned_files()) == []
        assert reclaim(store) == 0
