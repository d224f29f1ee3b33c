"""Runs the real `tfds` program in a process of its own."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

TINY = '{"name": "tiny", "short_side": 32, "fps": 5, "max_failure_rate": 0.5}'


def program(*arguments: str, bin_folder: pathlib.Path | None = None) -> list[str]:
    """The command line of the installed `tfds` script."""
    return [str((bin_folder or pathlib.Path(sys.executable).parent) / "tfds"), *arguments]


def run_tfds(*arguments: str, cwd: pathlib.Path, check: bool = True, **env: str) -> subprocess.CompletedProcess[str]:
    ran = subprocess.run(
        program(*arguments), cwd=cwd, capture_output=True, text=True, env={**os.environ, **env}, timeout=240
    )
    if check:
        assert ran.returncode == 0, ran.stderr[-4000:]
    return ran
