from __future__ import annotations

import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from engines import ENGINES, PythonJobService


@pytest.fixture(scope="module", params=list(ENGINES))
def engine(request, tmp_path_factory):
    """Each engine in turn, with a pool of workers."""
    with ENGINES[request.param](tmp_path_factory.mktemp(request.param)) as started:
        yield started


@pytest.fixture
def job_service(tmp_path):
    """Beam's job service in Python, for one test."""
    folder = tmp_path / "job_service"
    folder.mkdir()
    with PythonJobService(folder) as started:
        yield started
