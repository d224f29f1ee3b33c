"""A small prepared dataset, built once, for the tests of all that reads one."""

from __future__ import annotations

import pathlib

import pytest
import tensorflow_datasets as tfds
from clip_folder import make_clip_folder

import kinetics_tfds  # noqa: F401  registers the datasets
from kinetics_tfds.annotations.clip import Split
from kinetics_tfds.config import KineticsConfig


@pytest.fixture(scope="session")
def prepared(tmp_path_factory):
    """A folder by file format: two splits of 3 and 2 shards, one clip damaged, one missing."""
    root = tmp_path_factory.mktemp("verify")
    clips = make_clip_folder(root / "clips", {Split.TRAIN: 14, Split.TEST: 6}, damaged=1, missing=1)
    folders = {}
    for file_format in ("tfrecord", "array_record"):
        config = KineticsConfig(name="tiny", short_side=32, fps=5, max_failure_rate=0.2)
        builder = tfds.builder("kinetics600", config=config, data_dir=root / file_format, file_format=file_format)
        builder.download_and_prepare(download_config=tfds.download.DownloadConfig(manual_dir=clips.root, num_shards=3))
        folders[file_format] = pathlib.Path(builder.data_path)
    return folders
