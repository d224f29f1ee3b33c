"""The pages that need PyTorch: every python block is run, as tests/docs runs the others."""

from __future__ import annotations

import contextlib
import pathlib
import shutil
import sys

import pytest

pytest.importorskip("torch", reason="PyTorch is not installed: make test-torch")

REPO = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(REPO / "tests" / "docs"))

from doc_blocks import read_blocks  # noqa: E402


@pytest.mark.parametrize("page", ["torch.md", "gpu.md"])
def test_page_runs(page, built, tmp_path):
    if page == "gpu.md":
        pytest.importorskip("nvidia.nvimgcodec", reason="nvImageCodec is not installed: pip install '.[gpu]'")
    shutil.copytree(built, tmp_path / "DATA" / "kinetics600" / "jpeg256" / "1.0.0")
    blocks = [block for block in read_blocks(REPO / "docs" / page) if block.language == "python"]
    assert blocks
    names: dict = {"__name__": "page"}
    with contextlib.chdir(tmp_path):
        for block in blocks:
            exec(compile(block.code, str(page), "exec"), names)
