"""What people see of the libraries underneath: nothing, unless they ask, or loading them fails."""

from __future__ import annotations

import subprocess
import sys

import pytest

CODE = """
import sys
from kinetics_tfds.cli import quiet
{first}
import tensorflow
import apache_beam.io.gcp.bigquery
print(tensorflow.constant(1).numpy(), tensorflow.__spec__.name)
"""


def run(code, **env):
    import os

    environment = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"} | env
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=240, check=False, env=environment
    )


def test_no_greetings():
    ran = run(CODE.format(first="quiet.quieten()"))
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == "1 tensorflow\n"
    assert ran.stderr == ""


def test_a_library_that_cannot_be_loaded_is_heard(tmp_path):
    (tmp_path / "tensorflow").mkdir()
    (tmp_path / "tensorflow" / "__init__.py").write_text(
        "import os; os.write(2, b'no such instruction'); raise ImportError"
    )
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n{CODE.format(first='quiet.quieten()')}"
    ran = run(code)
    assert ran.returncode == 1
    assert "no such instruction" in ran.stderr


@pytest.mark.parametrize("arguments", [["--version"], ["plan", "--help"]])
def test_output_cut_off_by_a_reader_is_no_traceback(arguments):
    command = f"{sys.executable} -m kinetics_tfds.cli.main {' '.join(arguments)} | head -n 0; exit ${{PIPESTATUS[0]}}"
    ran = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=240, check=False)
    assert "Traceback" not in ran.stderr
    assert "BrokenPipe" not in ran.stderr
