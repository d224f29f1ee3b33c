"""What `tests/cluster/install.py` has put into the folder that KINETICS_CLUSTER names."""

from __future__ import annotations

import os
import pathlib

import pytest
from install import install_wheel, requirements_of

VARIABLE = "KINETICS_CLUSTER"


def installed(name: str) -> pathlib.Path:
    """Returns a path in the folder; skips the test where it is not there."""
    root = os.environ.get(VARIABLE)
    if not root:
        pytest.skip(f"{VARIABLE} names no folder of engines; `make test-cluster` makes one")
    path = pathlib.Path(root).absolute() / name
    if not path.exists():
        pytest.skip(f"{path} is not there; `make test-cluster` says why")
    return path


def worker_python(stage: str = "full") -> pathlib.Path:
    """The interpreter of an environment that holds only this project's wheel, of the tree under test."""
    finished = installed(f"{stage}/finished")
    if finished.read_text() != requirements_of(stage):
        pytest.skip(f"{finished.parent} is of other versions than docker/ asks for; `make test-cluster` makes it anew")
    environment = finished.parent
    install_wheel(environment.parent, stage)
    return environment / "bin" / "python"
