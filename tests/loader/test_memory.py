"""Memory: orders are computed, so no clip waits in a shuffle buffer; of a record only the chosen frames travel on."""

import os
import pathlib
import subprocess
import sys

import cv2
import numpy as np
import pytest
from records import make_example, write_dataset

HERE = pathlib.Path(__file__).parent
CLIPS, FRAMES, FRAME_BYTES = 40, 300, 20_000


@pytest.mark.slow
def test_reading_twice_what_memory_must_not_hold(tmp_path):
    """480 MB of records pass through; a buffer of the whole split would hold 240, or 24 of chosen frames alone."""
    noise = np.random.default_rng(0).integers(0, 256, [128, 170, 3], np.uint8)
    jpeg = cv2.imencode(".jpg", noise)[1].tobytes()
    assert len(jpeg) > FRAME_BYTES * 0.9
    rows = [make_example(i, frames=FRAMES, video=[jpeg] * FRAMES) for i in range(CLIPS)]
    write_dataset(tmp_path, {"train": rows})
    size = sum(path.stat().st_size for path in tmp_path.glob("*tfrecord*"))
    assert size > 0.9 * CLIPS * FRAMES * FRAME_BYTES
    done = subprocess.run(
        [sys.executable, str(HERE / "memory_process.py"), str(tmp_path), "train"],
        capture_output=True, text=True, timeout=240, env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    batches, growth = map(int, done.stdout.split())
    assert batches == 2 * CLIPS // 4
    assert growth < 100e6, f"{growth / 1e6:.0f} MB"
