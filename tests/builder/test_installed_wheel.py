"""The wheel in a virtual environment of its own: `tfds build` there, and as Beam workers of a build that runs here."""

from __future__ import annotations

import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import sysconfig
import time
import warnings
import zipfile

import pytest
import tensorflow_datasets as tfds
from clip_folder import make_clip_folder
from tfds_program import TINY, program

from kinetics_tfds.annotations.clip import Split
from kinetics_tfds.config import KineticsConfig

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def wheel(repo, tmp_path_factory):
    """Our wheel, built from the files that git knows: a stale `build/` cannot slip in."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    names = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=repo,
        capture_output=True,
        check=True,
    )
    for name in names.stdout.decode().split("\0"):
        if name and (repo / name).is_file():
            target = source / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes((repo / name).read_bytes())
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", str(out), str(source)],
        check=True,
    )
    (path,) = out.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """The bin folder of a virtual environment that holds our wheel and what it asks for, and no checkout."""
    folder = tmp_path_factory.mktemp("venv")
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    python = folder / "bin" / "python"
    ran = subprocess.run([str(python), "-m", "pip", "install", "-q", str(wheel)], capture_output=True, text=True)
    if ran.returncode:
        # Without a package index: the dependencies of this environment, but not its checkout of this project.
        warnings.warn(f"the wheel's dependencies are borrowed: {ran.stderr[-300:]}", stacklevel=1)
        subprocess.run([str(python), "-m", "pip", "install", "-q", "--no-deps", str(wheel)], check=True)
        site = pathlib.Path(_print(python, "import sysconfig; print(sysconfig.get_path('purelib'))"))
        (site / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
        script = "from tensorflow_datasets.scripts.cli.main import launch_cli; launch_cli()"
        (folder / "bin" / "tfds").write_text(f"#!{python}\n{script}\n")
        (folder / "bin" / "tfds").chmod(0o755)
    assert _print(python, "import kinetics_tfds; print(kinetics_tfds.__file__)").startswith(str(folder))
    return folder / "bin"


def _print(python, code):
    ran = subprocess.run([str(python), "-c", code], capture_output=True, text=True, check=True, cwd="/")
    return ran.stdout.strip()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_clip_folder(tmp_path_factory.mktemp("clips"), {Split.TRAIN: 9, Split.TEST: 2}, damaged=1)


@pytest.fixture(scope="module")
def built_here(folder, tmp_path_factory):
    data_dir = tmp_path_factory.mktemp("here")
    builder = tfds.builder("kinetics600", data_dir=data_dir, config=KineticsConfig(**json.loads(TINY)))
    builder.download_and_prepare(download_config=tfds.download.DownloadConfig(manual_dir=folder.root, num_shards=3))
    return shards(data_dir)


def shards(data_dir):
    folder = data_dir / "kinetics600" / "tiny" / "1.0.0"
    return {path.name: path.read_bytes() for path in folder.iterdir() if ".tfrecord" in path.name}


def test_the_wheel_holds_what_datasets_need(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    for dataset in ("kinetics400", "kinetics600", "kinetics700", "kinetics700_2020"):
        for name in ("README.md", "CITATIONS.bib", "TAGS.txt", "labels.txt", "checksums.tsv", "__init__.py"):
            assert f"kinetics_tfds/{dataset}/{name}" in names
    assert "beam_pipelines/build.py" in names
    assert not [name for name in names if name.startswith(("tests/", "benchmarks/", "build/"))]


@pytest.mark.parametrize("form", ["imports", "bare", "path"])
def test_the_three_forms(installed, folder, built_here, tmp_path, form):
    package = pathlib.Path(_print(installed / "python", "import kinetics_tfds; print(kinetics_tfds.__file__)")).parent
    name, cwd, more = {
        "imports": ("kinetics600", tmp_path, ["--imports=kinetics_tfds"]),
        "bare": ("kinetics600", package, []),
        "path": (str(package / "kinetics600"), tmp_path, []),
    }[form]
    flags = [f"--config={TINY}", f"--manual_dir={folder.root}", f"--data_dir={tmp_path}", "--num_shards=3", *more]
    ran = subprocess.run(
        program("build", name, *flags, bin_folder=installed), cwd=cwd, capture_output=True, text=True, timeout=300
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    assert shards(tmp_path) == built_here


@pytest.fixture
def worker_pool(installed, tmp_path):
    """Beam's worker pool in the other environment; it starts `python` from the PATH."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    environment = {**os.environ, "PATH": f"{installed}:{os.environ['PATH']}"}
    for name in ("PYTHONPATH", "VIRTUAL_ENV"):
        environment.pop(name, None)
    command = [str(installed / "python"), "-m", "apache_beam.runners.worker.worker_pool_main"]
    with (tmp_path / "pool.log").open("w") as log:
        pool = subprocess.Popen(
            [*command, f"--service_port={port}"],
            cwd=tmp_path,
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    end = time.monotonic() + 60
    while "Started worker pool" not in (tmp_path / "pool.log").read_text():
        assert pool.poll() is None
        assert time.monotonic() < end
        time.sleep(0.1)
    yield f"localhost:{port}"
    os.killpg(pool.pid, signal.SIGTERM)
    pool.wait()


def test_workers_elsewhere_write_the_same_bytes(worker_pool, folder, built_here, tmp_path, repo):
    command = [sys.executable, "-m", "beam_pipelines.build", "--dataset=kinetics600", f"--config={TINY}"]
    command += [f"--manual_dir={folder.root}", f"--data_dir={tmp_path / 'data'}", "--num_shards=3"]
    command += [f"--runners_file={repo / 'configs' / 'runners' / 'portable.yaml'}", "--job_endpoint=embed"]
    command += [f"--environment_config={worker_pool}"]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert ran.returncode == 0, ran.stderr[-3000:]
    assert shards(tmp_path / "data") == built_here
    assert "Starting worker" in (tmp_path / "pool.log").read_text()
