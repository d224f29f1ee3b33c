"""What was acquired is built without another step, and both accounts agree."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys

import pytest
from acquire.loopback import Loopback
from acquire.test_end_to_end import command
from acquire.world import make_world

from kinetics_tfds.acquire.reports.clip_status import ClipStatus, find_statuses
from kinetics_tfds.acquire.store.clip_store import open_store
from kinetics_tfds.annotations.versions import get_version
from kinetics_tfds.cli.acquire import INCOMPLETE

CONFIG = {"name": "tiny", "short_side": 32, "fps": 5, "max_failure_rate": 0}


@pytest.mark.slow
def test_every_stored_row_is_written_and_every_other_is_missing(tmp_path, repo):
    from kinetics_tfds.shards.manifest import read_manifest

    store = tmp_path / "store"
    with Loopback() as server:
        world = make_world(tmp_path, server, 36)
        world.config(cut={"preset": "ultrafast", "crf": 35, "mode": "copy"})  # an old word
        done = subprocess.run(command(world, store), cwd=repo, capture_output=True, text=True, timeout=200)
        assert done.returncode == INCOMPLETE, done.stderr
    # Splits without rows are not built; the store holds the list of validation rows that it was filled from.
    build = [
        *(pathlib.Path(sys.executable).with_name("tfds"), "build", "kinetics600", "--imports=kinetics_tfds"),
        *(f"--manual_dir={store}", f"--data_dir={tmp_path / 'data'}", f"--config={json.dumps(CONFIG)}"),
    ]
    built = subprocess.run(build, cwd=tmp_path, capture_output=True, text=True, timeout=200)
    assert built.returncode == 0, built.stderr[-3000:]
    data = tmp_path / "data/kinetics600/tiny/1.0.0"
    states = {(row["split"], row["id"]): row for row in read_manifest(data).to_pylist()}
    statuses = list(find_statuses(world.clips, open_store(store), get_version("kinetics600")))
    assert len(states) == len(statuses)
    for row in statuses:
        manifest = states[str(row.clip.split), row.clip.id]
        assert manifest["state"] == ("written" if row.status is ClipStatus.THERE else "missing"), row
        if row.attempt is not None and row.status is ClipStatus.THERE:
            assert manifest["path"] == row.path
            assert manifest["frames"] == 10  # two seconds at five frames a second
