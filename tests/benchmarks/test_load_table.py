"""benchmarks/load.py at a tiny size: every way runs, and the table has their rows."""

import importlib.util
import pathlib
import re
import subprocess
import sys

import pytest

REPO = pathlib.Path(__file__).resolve().parents[2]
OPTIONAL = {"decord": "decord", "limit": "simplejpeg"}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_way_has_its_row(tmp_path):
    words = [sys.executable, REPO / "benchmarks" / "load.py", "--clips=4", "--rounds=2", "--seconds=0.1"]
    run = subprocess.run([*words, f"--folder={tmp_path}"], capture_output=True, text=True, timeout=840)
    assert run.returncode == 0, run.stderr[-3000:]
    rows = dict(re.findall(r"^(\S.*?) {2,}(\d+\.\d) ", run.stdout, re.MULTILINE))
    wanted = ["ours", "ours, resize='device'", "ours, 2 clips a read", "tfds.load", "TFDS, SkipDecoding", "PyAV"]
    wanted += [name for name, package in OPTIONAL.items() if importlib.util.find_spec(package)]
    assert set(rows) == set(wanted)
    assert all(float(rate) > 0 for rate in rows.values())
    assert re.search(r"chosen clips, which ours does not need: \d+ \(aim", run.stdout)
    assert re.search(r"^ours / tfds\.load: ", run.stdout, re.MULTILINE)
