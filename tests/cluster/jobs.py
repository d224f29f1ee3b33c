"""Jobs in processes of their own, as a user starts them."""

from __future__ import annotations

import hashlib
import os
import pathlib
import subprocess
import sys

REPO = pathlib.Path(__file__).parents[2]


def start_job(name: str, *arguments: str, cwd: pathlib.Path) -> subprocess.Popen:
    """Starts `python -m beam_pipelines.NAME`, the tree under test before all else."""
    return subprocess.Popen(
        [sys.executable, "-m", f"beam_pipelines.{name}", *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(REPO), "TF_CPP_MIN_LOG_LEVEL": "3"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def run_job(name: str, *arguments: str, cwd: pathlib.Path) -> str:
    """Runs a job to its end, which must be a good one; returns what it printed."""
    job = start_job(name, *arguments, cwd=cwd)
    try:
        out, _ = job.communicate(timeout=240)
    finally:
        job.kill()
    assert job.returncode == 0, out[-3000:]
    return out


def digests(folder: pathlib.Path) -> dict[str, str]:
    """Returns the SHA-256 of every file beneath a folder, hidden ones left out."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    names = {str(path.relative_to(folder)): path for path in files}
    return {
        name: hashlib.sha256(path.read_bytes()).hexdigest()
        for name, path in names.items()
        if not any(part.startswith(".") for part in name.split("/"))
    }
