"""Fixtures that all tests share."""

from __future__ import annotations

import os
import pathlib
import sys

import pytest

REPO = pathlib.Path(__file__).resolve().parent.parent

# Tests import their makers by name: `from media import make_video`.
sys.path.insert(0, str(REPO / "tests"))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


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
