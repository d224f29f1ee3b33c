"""Signals to a run, as terminals, systemd, Slurm and the kernel send them."""

from __future__ import annotations

import csv
import dataclasses
import os
import pathlib
import random
import signal
import subprocess
import sys
import threading

import psutil
import pytest
import yaml
from acquire.loopback import Loopback
from media import make_video

from kinetics_tfds.acquire.ledger.ledger import read_ledger
from kinetics_tfds.acquire.store.clip_store import open_store


@dataclasses.dataclass
class Place:
    """A server with videos, and the command that gets their clips."""

    server: Loopback
    root: pathlib.Path
    command: list[str]

    def popen(self, repo: pathlib.Path) -> subprocess.Popen[str]:
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen(self.command, cwd=repo, start_new_session=True, text=True, **pipes)


def make_place(root: pathlib.Path, server: Loopback, kind: str, count: int) -> Place:
    body = make_video(root / "x.mp4", seconds=6, fps=10, width=96, height=64).read_bytes()
    ids = [f"{number:011d}" for number in range(count)]
    for video in ids:
        server.add(f"/{video}", body)
    with open(root / "kinetics600_val.csv", "w", newline="") as file:
        lines = [("archery", video, 1, 4, "val") for video in ids]
        csv.writer(file).writerows([("label", "youtube_id", "time_start", "time_end", "split"), *lines])
    sources = {
        "http": {"url": f"{server.url}/{{youtube_id}}", "web": {"timeout": 500}},
        "youtube": {"url": f"{server.url}/{{youtube_id}}", "timeout": 500, "js_runtimes": {}, "request_pause": 0},
    }
    source = {"kind": kind, **sources[kind], "rate_limit": {"pause": [0, 0], "concurrency": 4}}
    config = {"sources": [source], "min_free_gb": 0.01, "workers": 2, "state": str(root / "state")}
    (root / "config.yaml").write_text(yaml.safe_dump(config))
    command = [sys.executable, "-m", "beam_pipelines.acquire", "--dataset=kinetics600", f"--store={root / 'store'}"]
    command += [f"--annotations={root / 'kinetics600_val.csv'}", f"--config={root / 'config.yaml'}", "--interval=1"]
    return Place(server, root, command)


@pytest.mark.parametrize(
    ("number", "kind"), [(signal.SIGINT, "http"), pytest.param(signal.SIGTERM, "youtube", marks=pytest.mark.slow)]
)
def test_a_signal_to_the_group_ends_a_run_whose_server_stalls(tmp_path, repo, number, kind):
    with Loopback() as server:
        place = make_place(tmp_path, server, kind, 6)
        server.override = lambda path: "stall:600"
        with place.popen(repo) as process:
            while not server.requests and process.poll() is None:
                threading.Event().wait(0.05)
            os.killpg(process.pid, number)
            out, err = process.communicate(timeout=100)  # the server is silent for longer
        assert process.returncode == 1, err
        assert "Stopping" in out
        assert err.splitlines()[-1].strip().startswith("To go on: python -m beam_pipelines.acquire --dataset=kinetics")
        assert "Traceback" not in out + err
        assert list(read_ledger(open_store(tmp_path / "store"))) == []
        assert list((tmp_path / "store/.acquire/tmp").iterdir()) == []
        server.override = lambda path: None
        done = subprocess.run(place.command, cwd=repo, capture_output=True, text=True, timeout=200)
        assert (done.returncode, done.stdout.splitlines()[-1][:9]) == (0, "Complete:"), done.stderr


@pytest.mark.slow
def test_workers_that_the_kernel_kills_cost_no_clip_and_no_try(tmp_path, repo):
    """Every process that the run starts may be the one that memory ran out for."""
    chance = random.Random(3)
    with Loopback() as server:
        place = make_place(tmp_path, server, "http", 24)
        for kills in (6, 6, 6, 0):
            with place.popen(repo) as process:
                while kills and process.poll() is None:
                    threading.Event().wait(chance.uniform(0.1, 0.4))
                    if children := psutil.Process(process.pid).children(recursive=True):
                        chance.choice(children).kill()
                        kills -= 1
                _, err = process.communicate(timeout=200)
            assert process.returncode == 0 or "worker" in err, err
            assert process.returncode in (0, 1)
        assert process.returncode == 0, err
        ends = [attempt.reason for attempt in read_ledger(open_store(tmp_path / "store"))]
    assert ends == ["stored"] * 24
