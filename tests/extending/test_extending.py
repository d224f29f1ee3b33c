"""What CONTRIBUTING says about adding things is done in a copy of the tree, and tried there as a user would."""

from __future__ import annotations

import ast
import json
import os
import pathlib
import shutil
import subprocess
import sys

import cv2
import numpy as np
import pytest
import yaml
from acquire.loopback import Loopback
from clip_folder import make_clip_folder
from extensions import FileChange, read_example
from media import make_video

from kinetics_tfds.annotations.clip import Split

MOST_FILES = 3
pytestmark = [pytest.mark.slow]


@pytest.fixture
def tree(repo, tmp_path) -> pathlib.Path:
    """A copy of the packages."""
    root = tmp_path / "tree"
    for name in ("kinetics_tfds", "beam_pipelines"):
        shutil.copytree(repo / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    return root


def extend(repo: pathlib.Path, tree: pathlib.Path, heading: str) -> list[FileChange]:
    changes = read_example(repo / "CONTRIBUTING.md", heading)
    assert len({change.path for change in changes}) <= MOST_FILES
    for change in changes:
        change.apply(tree)
    return changes


def run(tree: pathlib.Path, *command: str, cwd: pathlib.Path) -> str:
    env = {**os.environ, "PYTHONPATH": str(tree), "XDG_CACHE_HOME": str(cwd / "cache")}
    bin_folder = pathlib.Path(sys.executable).parent
    ran = subprocess.run(
        [str(bin_folder / command[0]), *command[1:]], cwd=cwd, env=env, capture_output=True, text=True, timeout=280
    )
    assert ran.returncode == 0, ran.stdout[-2000:] + ran.stderr[-4000:]
    return ran.stdout


def test_a_dataset(repo, tree, tmp_path):
    extend(repo, tree, "Another YouTube-based dataset")
    clips = tmp_path / "clips"
    clips.mkdir()
    rows = [("high jump", "abcdefghijk", "train"), ("rowing", "bcdefghijkl", "val")]
    for label, video, split in rows:
        make_video(clips / f"{video}_000003_000005.mp4", seconds=2, fps=10, width=64, height=48)
        (clips / f"sports_{split}.csv").write_text(
            f"label,youtube_id,time_start,time_end,split\n{label},{video},3,5,{split}\n", encoding="utf-8"
        )
    run(
        tree,
        "tfds",
        "build",
        "sports2",
        "--imports=kinetics_tfds",
        f"--manual_dir={clips}",
        "--data_dir=data",
        cwd=tmp_path,
    )
    code = (
        "import tensorflow_datasets as tfds, kinetics_tfds\n"
        "ds, info = tfds.load('sports2', split='validation', data_dir='data', with_info=True)\n"
        "print([info.features['label'].int2str(int(r['label'])) for r in ds])"
    )
    assert run(tree, "python", "-c", code, cwd=tmp_path).splitlines()[-1] == "['rowing']"


def test_an_augmentation(repo, tree, tmp_path):
    extend(repo, tree, "An augmentation")
    sys.path.insert(0, str(repo / "tests" / "loader"))
    from records import make_example, write_dataset

    def red(clip: int) -> dict:
        image = np.full([32, 32, 3], (0, 0, 255), np.uint8)  # OpenCV's order is blue, green, red
        return make_example(clip, frames=2, video=[cv2.imencode(".jpg", image)[1].tobytes()] * 2)

    write_dataset(tmp_path / "data", {"train": [red(i) for i in range(8)]})
    augment = "[{kind: RandomGrey, prob: 0.5}]"
    (tmp_path / "grey.yaml").write_text(
        f"{{name: grey, base: slowfast_8x8, train: {{spatial: {{kind: Resize, size: 16}}, augment: {augment}}}}}"
    )
    code = (
        "import numpy as np, tensorflow_datasets as tfds\n"
        "from kinetics_tfds import loader\n"
        "builder = tfds.builder_from_directory('data')\n"
        "ds = loader.make_dataset(builder, 'train', preset='grey.yaml', batch_size=8, epochs=1)\n"
        "colour = np.ptp(next(iter(ds))['video'].numpy().astype(int), -1).max((1, 2, 3))\n"
        "print(loader.RandomGrey(prob=0.5), sorted({bool(value > 99) for value in colour}))"
    )
    told = run(tree, "python", "-c", code, cwd=tmp_path).splitlines()[-1]
    assert told == "RandomGrey(prob=0.5) [False, True]", "some clips are grey, some red"


def test_an_acquiring_source(repo, tree, tmp_path):
    extend(repo, tree, "An acquiring source")
    videos = {name: make_video(tmp_path / f"{name}.mp4", seconds=6, fps=10, width=64, height=48) for name in "ab"}
    (tmp_path / "kinetics600_val.csv").write_text(
        "label,youtube_id,time_start,time_end,split\n"
        "archery,aaaaaaaaaaa,1,3,val\narchery,aaaaaaaaaaa,3,5,val\narchery,bbbbbbbbbbb,0,2,val\n"
    )
    with Loopback() as server:
        server.add("/yt/aaaaaaaaaaa", videos["a"].read_bytes())
        config = yaml.safe_load((tree / "configs/acquire/wayback.yaml").read_text())
        config["sources"][0] |= {"url": f"{server.url}/yt", "rate_limit": {"concurrency": 2}}
        (tmp_path / "config.yaml").write_text(yaml.safe_dump(config | {"min_free_gb": 0.01, "state": "state"}))
        run(
            *(tree, "python", "-m", "beam_pipelines.acquire", "--dataset=kinetics600", "--split=validation"),
            *("--store=store", "--config=config.yaml", "--annotations=kinetics600_val.csv"),
            cwd=tmp_path,
        )
    code = (
        "from kinetics_tfds.acquire.ledger.ledger import read_ledger\n"
        "from kinetics_tfds.acquire.store.clip_store import open_store\n"
        "print([(a.clip.id, str(a.reason), a.source) for a in read_ledger(open_store('store'))])"
    )
    assert sorted(ast.literal_eval(run(tree, "python", "-c", code, cwd=tmp_path).splitlines()[-1])) == [
        ("aaaaaaaaaaa_000001_000003", "stored", "wayback"),
        ("aaaaaaaaaaa_000003_000005", "stored", "wayback"),
        ("bbbbbbbbbbb_000000_000002", "gone", "wayback"),
    ]


def test_a_record_field(repo, tree, tmp_path):
    extend(repo, tree, "A record field")
    clips = make_clip_folder(tmp_path / "clips", {Split.TRAIN: 2})
    config = json.dumps({"name": "tiny", "short_side": 32, "fps": 5})
    run(
        *(tree, "tfds", "build", "kinetics600", "--imports=kinetics_tfds", f"--config={config}"),
        *(f"--manual_dir={clips.root}", "--data_dir=data"),
        cwd=tmp_path,
    )
    code = (
        "import tensorflow_datasets as tfds\n"
        "ds = tfds.load('kinetics600/tiny', split='train', data_dir='data')\n"
        "print(sorted({r['codec'].numpy().decode() for r in ds}))"
    )
    assert run(tree, "python", "-c", code, cwd=tmp_path).splitlines()[-1] == "['h264']"
