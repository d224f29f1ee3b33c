"""Builds that are killed and run again give the bytes of a build that never was."""

from __future__ import annotations

import collections
import contextlib
import json
import os
import pathlib
import random
import resource
import shutil
import signal
import subprocess
import sys
import time

import psutil
import pytest
import tensorflow_datasets as tfds
from clip_folder import make_clip_folder
from media import make_video
from tfds_program import program

from kinetics_tfds.annotations.clip import Split
from kinetics_tfds.config import KineticsConfig

CONFIG = '{"name": "killed", "short_side": 112, "fps": 25}'
SHARDS = 5


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Clips that take long enough to be killed in the middle of."""
    folder = make_clip_folder(tmp_path_factory.mktemp("clips"), {Split.TRAIN: 20, Split.TEST: 5})
    heavy = make_video(tmp_path_factory.mktemp("heavy") / "x.mp4", seconds=2, fps=30, width=480, height=270)
    for clip in folder.clips:
        shutil.copyfile(heavy, folder.path(clip))
    return folder


@pytest.fixture(scope="module")
def untouched(folder, tmp_path_factory):
    """The files of a build that was left alone."""
    builder = tfds.builder(
        "kinetics600", data_dir=tmp_path_factory.mktemp("data"), config=KineticsConfig(**json.loads(CONFIG))
    )
    builder.download_and_prepare(
        download_config=tfds.download.DownloadConfig(manual_dir=folder.root, num_shards=SHARDS)
    )
    return contents(builder.data_path)


def contents(path):
    return {each.name: each.read_bytes() for each in pathlib.Path(path).iterdir() if ".tfrecord" in each.name}


def _begin(largest_file: int) -> None:
    """Runs in the process to be: sets its limit, and lets Ctrl-C reach it, which programs in the background ignore."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Build:
    """A build in a process of its own."""

    def __init__(self, folder, data_dir: pathlib.Path, largest_file: int = resource.RLIM_INFINITY, **env: str) -> None:
        self.top = data_dir / "kinetics600" / "killed"
        flags = ["--imports=kinetics_tfds", f"--config={CONFIG}", f"--num_shards={SHARDS}"]
        self.process = subprocess.Popen(
            program("build", "kinetics600", *flags, f"--manual_dir={folder.root}", f"--data_dir={data_dir}"),
            cwd=data_dir,
            env={**os.environ, **env},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            preexec_fn=lambda: _begin(largest_file),
        )

    def finished(self) -> dict[str, int]:
        """Inodes of the shards that have a sidecar."""
        shards = {}
        for report in self.top.glob(".staging/1.0.0-*/reports/*-of-*.json"):
            name = report.name.removesuffix(".json").split("-", 1)
            path = self.top / "1.0.0" / f"kinetics600-{name[0]}.tfrecord-{name[1]}"
            if path.exists():
                shards[path.name] = path.stat().st_ino
        return shards

    def wait_for(self, condition) -> bool:
        """Waits; returns whether the build is still running."""
        end = time.monotonic() + 120
        while not condition():
            assert time.monotonic() < end
            if self.process.poll() is not None:
                return False
            time.sleep(0.005)
        return True

    def kill(self) -> None:
        """Kills the program alone: what it started must end by itself."""
        children = psutil.Process(self.process.pid).children(recursive=True)
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()
        _, alive = psutil.wait_procs(children, timeout=20)
        assert not alive, alive
        # At most the shard that ends and the one that begins were in hand.
        open_files = [path.name for path in self.top.glob(".staging/1.0.0-*/writing/.*.kinetics600-*")]
        runs = collections.Counter(name.split(".")[1] for name in open_files)
        assert max(runs.values(), default=0) <= 2

    def end(self) -> str:
        out, _ = self.process.communicate(timeout=180)
        assert self.process.returncode == 0, out[-3000:]
        return out


def check_whole(build: Build, untouched, kept: dict[str, int]) -> None:
    data_path = build.top / "1.0.0"
    assert contents(data_path) == untouched
    assert {name: (data_path / name).stat().st_ino for name in kept} == kept, "a finished shard was written again"
    assert sorted(path.name for path in build.top.iterdir()) == [".staging", "1.0.0"]
    assert [path.name for path in (build.top / ".staging").iterdir()] == ["1.0.0.lock"]


def test_killed_once_in_the_middle(folder, untouched, tmp_path):
    build = Build(folder, tmp_path)
    assert build.wait_for(lambda: len(build.finished()) >= 3)
    build.kill()
    kept = build.finished()
    again = Build(folder, tmp_path)
    out = again.end()
    assert f"going on: {len(kept)} of {2 * SHARDS} shards were done already" in out
    check_whole(again, untouched, kept)


@pytest.mark.slow
def test_interrupted_at_the_keyboard(folder, untouched, tmp_path):
    build = Build(folder, tmp_path)
    assert build.wait_for(lambda: len(build.finished()) >= 1)
    build.process.send_signal(signal.SIGINT)
    out, _ = build.process.communicate(timeout=60)
    assert build.process.returncode == 1
    assert out.rstrip().endswith(
        "WorkerError: The build was interrupted.\n  Next: The same command goes on: finished shards are kept."
    )
    kept = build.finished()
    again = Build(folder, tmp_path)
    again.end()
    check_whole(again, untouched, kept)


@pytest.mark.slow
def test_a_disk_that_takes_no_more(folder, untouched, tmp_path):
    """Stands for a full disk: no file may grow beyond the limit."""
    largest = max(len(content) for content in untouched.values())
    build = Build(folder, tmp_path, largest_file=largest - 1000)
    out, _ = build.process.communicate(timeout=120)
    assert build.process.returncode == 1
    assert "WorkerError: Cannot write to " in out
    assert "Traceback" not in out
    kept = build.finished()
    again = Build(folder, tmp_path)
    again.end()
    check_whole(again, untouched, kept)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", range(4))
def test_killed_at_many_random_points(folder, untouched, tmp_path, seed):
    dice = random.Random(seed)
    kept: dict[str, int] = {}
    for _ in range(6):
        build = Build(folder, tmp_path)
        wanted = len(kept) + dice.randrange(5)
        moment = dice.choice(["start", "shards", "end"])
        if moment == "start":
            time.sleep(dice.uniform(0, 8))
        elif moment == "shards":
            build.wait_for(lambda build=build, wanted=wanted: len(build.finished()) >= min(wanted, 2 * SHARDS))
        else:
            build.wait_for(lambda build=build: (build.top / "1.0.0/config.json").exists())
        time.sleep(dice.choice([0, dice.uniform(0, 0.02), dice.uniform(0, 0.5)]))
        if build.process.poll() is None:
            build.kill()
        if (build.top / "1.0.0/dataset_info.json").exists():
            break
        found = build.finished()
        assert {name: found.get(name) for name in kept} == kept, "a finished shard was lost"
        kept = found
    last = Build(folder, tmp_path)
    last.end()
    check_whole(last, untouched, kept)


# Runs first in every process of a build, and sets its clock forward by what a file says.
CLOCK = """
import os, time
def _ahead(plain, factor):
    def clock():
        try:
            with open(os.environ["CLOCK_FILE"]) as file:
                ahead = int(file.read() or 0)
        except OSError:
            ahead = 0
        return plain() + ahead * factor
    return clock
time.time, time.time_ns = _ahead(time.time, 1), _ahead(time.time_ns, 10**9)
"""


class Disturber:
    """Does to a running build what a machine may do to it."""

    def __init__(self, build: Build, clock: pathlib.Path, dice: random.Random) -> None:
        self._group = psutil.Process(build.process.pid)
        self._clock = clock
        self._dice = dice

    def act(self) -> str:
        """Does one of these things, each of which takes less than a second, once workers are there; says which."""
        workers = [each for each in self._group.children() if "kinetics_tfds.workers" in " ".join(each.cmdline())]
        if not workers:
            return "nothing"
        what = self._dice.choices(
            ["kill worker", "suspend worker", "suspend all", "set clock", "kill build"], [10, 5, 2, 4, 1]
        )[0]
        if what == "set clock":
            self._clock.write_text(str(self._dice.choice([-3600, 0, 3600, 86_400])))
        elif what == "kill build":
            self._group.kill()
        elif what == "suspend all":
            self._suspend([self._group, *self._group.children(recursive=True)])
        elif what == "kill worker":
            self._dice.choice(workers).kill()
        else:
            self._suspend([self._dice.choice(workers)])
        return what

    def _suspend(self, processes: list[psutil.Process]) -> None:
        for process in processes:
            process.suspend()
        time.sleep(self._dice.uniform(0, 0.8))
        for process in reversed(processes):
            process.resume()


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_200_kills_suspensions_and_jumps_of_the_clock_change_no_byte(folder, untouched, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(CLOCK)
    clock = tmp_path / "clock"
    clock.write_text("0")
    env = {"PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path]), "CLOCK_FILE": str(clock)}
    dice = random.Random(7)
    done: collections.Counter[str] = collections.Counter()
    builds = 0
    while done.total() - done["nothing"] < 200:
        data_dir = tmp_path / f"data{builds}"
        data_dir.mkdir()
        builds += 1
        build = Build(folder, data_dir, **env)
        while not (build.top / "1.0.0" / "dataset_info.json").exists():
            if build.process.poll() is not None:
                out = build.process.communicate()[0]
                assert build.process.returncode in (0, -signal.SIGKILL) or "killed again and again" in out, out[-3000:]
                build = Build(folder, data_dir, **env)
            with contextlib.suppress(psutil.Error):
                done[Disturber(build, clock, dice).act()] += 1
            time.sleep(dice.uniform(0, 1))
        build.end()
        assert contents(build.top / "1.0.0") == untouched, done
    assert done["kill worker"] > 50
    assert done["set clock"] > 20
    assert done["kill build"] > 3
