"""The tour, cell by cell in a real kernel: building in a notebook is not the same as in a script."""

from __future__ import annotations

import ast

import nbclient
import nbformat


def test_every_cell_of_the_tour_runs(repo, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(repo))
    notebook = nbformat.read(repo / "examples" / "tour.ipynb", as_version=4)
    nbclient.NotebookClient(notebook, timeout=240, resources={"metadata": {"path": str(tmp_path)}}).execute()
    build, look, load, train = [cell.outputs for cell in notebook.cells if cell.cell_type == "code"][1:]
    assert "num_examples=16" in str(build[-1])
    assert "frames" in str(look[-1])
    assert "image/png" in load[-1]["data"]
    first, last = ast.literal_eval(train[-1]["text"])
    assert last < first
