"""Fixtures that all tests share."""

from __future__ import annotations

import os
import pathlib
import sys

import hypothesis
import pytest

REPO = pathlib.Path(__file__).resolve().parent.parent

# Programs that tests start as processes of their own, and fixtures: collecting doctests would import them, the latter
# under one name.
collect_ignore_glob = ["*_process.py", "*conftest.py"]

# Tests import their makers by name: `from media import make_video`.
sys.path.insert(0, str(REPO / "tests"))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

# No test depends on how busy the machine is; pytest's own time-out ends one that hangs.
hypothesis.settings.register_profile("kinetics", deadline=None)
hypothesis.settings.load_profile("kinetics")


@pytest.fixture(scope="session")
def repo() -> pathlib.Path:
    """The checkout's root."""
    return REPO


@pytest.fixture(scope="session")
def shared_dir() -> pathlib.Path:
    """A folder with `media/` and `annotations/` of real clips and real lists; tests that need it skip without it."""
    folder = pathlib.Path(os.environ.get("KINETICS_SHARED", REPO.parent / "shared"))
    if not (folder / "media").is_dir() or not (folder / "annotations").is_dir():
        pytest.skip(f"no real clips and lists at {folder}; set KINETICS_SHARED to a folder that has them")
    return folder


@pytest.fixture(scope="session")
def prepared(tmp_path_factory) -> dict[str, pathlib.Path]:
    """Small prepared datasets: by file format, the folder of one with two splits of 3 shards, a clip damaged, one missing.

    They are for reading: a test that damages one takes a copy.
    """
    # Imported here: most tests need no TensorFlow.
    import tensorflow_datasets as tfds
    from clip_folder import make_clip_folder

    import kinetics_tfds  # noqa: F401  registers the datasets
    from kinetics_tfds.annotations.clip import Split
    from kinetics_tfds.config import KineticsConfig

    root = tmp_path_factory.mktemp("prepared")
    clips = make_clip_folder(root / "clips", {Split.TRAIN: 14, Split.TEST: 6}, damaged=1, missing=1)
    config = KineticsConfig(name="tiny", short_side=32, fps=5, max_failure_rate=0.2)
    folders = {}
    for file_format in ("tfrecord", "array_record"):
        builder = tfds.builder("kinetics600", config=config, data_dir=root / file_format, file_format=file_format)
        builder.download_and_prepare(download_config=tfds.download.DownloadConfig(manual_dir=clips.root, num_shards=3))
        folders[file_format] = pathlib.Path(builder.data_path)
    return folders
