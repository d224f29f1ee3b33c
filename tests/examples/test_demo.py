"""`make demo`: the real `tfds build` of the sample, loaded back, in a table and in a picture."""

from __future__ import annotations

import subprocess
import sys

import cv2


def test_the_demo_builds_loads_and_draws(repo, tmp_path):
    command = [sys.executable, str(repo / "examples" / "demo.py"), f"--folder={tmp_path / 'demo'}"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr[-3000:]
    rows = {
        line.split()[0]: line.split()[1:] for line in done.stdout.splitlines() if line.startswith(("train", "test"))
    }
    # rows, clips, missing, classes, frames
    assert rows["train"][:5] == ["17", "16", "1", "8", "1600"]
    assert rows["test"][:5] == ["3", "2", "1", "-", "200"]
    sheet = cv2.imread(str(tmp_path / "demo" / "contact_sheet.png"))
    assert "video  uint8   [8, 1, 8, 112, 112, 3]" in done.stdout
    assert sheet.shape[0] > 1000
    assert sheet.shape[1] > 1000
    assert sheet.std() > 20
