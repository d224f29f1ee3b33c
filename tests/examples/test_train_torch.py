"""The PyTorch example learns, and goes on where it was killed."""

from __future__ import annotations

import os
import pathlib
import re
import signal
import subprocess
import sys
import time

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: make test-torch")

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "examples" / "train_torch.py"


def start(*words: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), "--workers=1", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
    )


def output_of(process: subprocess.Popen[str]) -> str:
    output, _ = process.communicate(timeout=1200)
    assert process.returncode == 0, output[-3000:]
    return output


def kill_after(process: subprocess.Popen[str], checkpoint: pathlib.Path) -> None:
    """Kills a run once it has written a checkpoint."""
    while process.poll() is None and not checkpoint.exists():
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()


@pytest.mark.timeout(600)
def test_a_killed_run_ends_with_the_same_weights(tmp_path):
    words = ["--clips_per_class=2", "--batch_size=8", "--epochs=30", "--checkpoint_every=1", f"--workdir={tmp_path}"]
    output_of(start(*words))
    whole = torch.load(tmp_path / "torch_0" / "step_0000030.pt", weights_only=False)["model"]
    for path in (tmp_path / "torch_0").iterdir():
        path.unlink()
    kill_after(start(*words), tmp_path / "torch_0" / "step_0000003.pt")
    output = output_of(start(*words))
    assert 3 <= int(re.search(r"going on after step (\d+)", output)[1]) < 30
    again = torch.load(tmp_path / "torch_0" / "step_0000030.pt", weights_only=False)["model"]
    for name, value in whole.items():
        assert torch.equal(again[name], value), name


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_over_90_percent_on_held_out_clips_in_spite_of_a_kill(tmp_path):
    words = [f"--workdir={tmp_path}", "--checkpoint_every=60"]
    kill_after(start(*words), tmp_path / "torch_0" / "step_0000120.pt")
    output = output_of(start(*words))
    assert "going on after step 120" in output
    assert float(re.search(r"top-1 ([\d.]+)%", output)[1]) > 90, output[-500:]
