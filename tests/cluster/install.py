"""Puts what the tests of this folder need into a folder of its own: `python tests/cluster/install.py FOLDER`.

    FOLDER/full    a virtual environment by the install steps of docker/Dockerfile's stage of that name
    FOLDER/slim    the same of the slim one
    FOLDER/prism   Beam's portable runner in Go, from the Go module of the Beam that is installed; needs Go

What is there already stays, but for this project's wheel, which `install_wheel` keeps equal to the checkout.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.metadata
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

REPO = pathlib.Path(__file__).resolve().parents[2]
STAGES = ("full", "slim")
_PLACE = "/tmp/kinetics"  # where the Dockerfile copies files to
_PRISM = "github.com/apache/beam/sdks/v2/go/cmd/prism"


def install_steps(stage: str) -> list[list[str]]:
    """Returns the arguments of each `pip` that a stage of docker/Dockerfile runs, in order."""
    text = (REPO / "docker" / "Dockerfile").read_text().replace("\\\n", " ")
    _, _, rest = re.split(rf"^(FROM .* AS {stage})$", text, flags=re.MULTILINE)
    body = re.split(r"^FROM ", rest, flags=re.MULTILINE)[0]
    runs = re.findall(r"^RUN (.*)$", body, flags=re.MULTILINE)
    commands = [command.split() for run in runs for command in run.split("&&")]
    assert commands
    assert all(command[0] == "pip" for command in commands), commands
    return [command[1:] for command in commands]


def install_stage(root: pathlib.Path, stage: str) -> None:
    """Makes a stage's virtual environment; one that is unfinished, or of other versions, is made anew."""
    python, finished = root / stage / "bin" / "python", root / stage / "finished"
    requirements = requirements_of(stage)
    with _locked(root):
        if not finished.exists() or finished.read_text() != requirements:
            print(f"Installing what the image's stage {stage!r} holds …", flush=True)
            finished.unlink(missing_ok=True)
            subprocess.run([sys.executable, "-m", "venv", "--clear", root / stage], check=True)
            for arguments in install_steps(stage)[:-1]:
                context = [text.replace(_PLACE, str(REPO / "docker")) for text in arguments if text != "--no-cache-dir"]
                subprocess.run([python, "-m", "pip", "--quiet", *context], check=True)
            finished.write_text(requirements)
    install_wheel(root, stage)


def install_wheel(root: pathlib.Path, stage: str) -> None:
    """Builds this checkout's wheel and installs it by the stage's last step, where another one is installed."""
    tree, stamp = _tree(), root / stage / "tree"
    with _locked(root), tempfile.TemporaryDirectory() as scratch:
        if stamp.exists() and stamp.read_text() == tree:
            return
        stamp.unlink(missing_ok=True)
        # A copy: building leaves folders in the tree, which linters would take for packages.
        copy = pathlib.Path(scratch) / "tree"
        ignored = shutil.ignore_patterns(".*", "tests", "__pycache__", "*.egg-info")
        shutil.copytree(REPO, copy, symlinks=True, ignore=ignored)
        wheel = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", f"--wheel-dir={scratch}", copy]
        subprocess.run(wheel, check=True)
        (built,) = pathlib.Path(scratch).glob("*.whl")
        arguments = [built if text.endswith(".whl") else text for text in install_steps(stage)[-1]]
        subprocess.run([root / stage / "bin" / "pip", "--quiet", *arguments, "--force-reinstall"], check=True)
        stamp.write_text(tree)


def install_prism(root: pathlib.Path) -> None:
    """Builds Prism of the Beam that is installed; says so where that cannot be done."""
    version = importlib.metadata.version("apache-beam")
    if (root / "prism").exists():
        return
    if shutil.which("go") is None:
        print("Left out: Prism, since there is no `go`.")
        return
    print(f"Building Prism {version} …", flush=True)
    environment = {**os.environ, "GOBIN": str(root)}
    subprocess.run(["go", "install", f"{_PRISM}@v{version}"], env=environment, check=True)


def requirements_of(stage: str) -> str:
    """Returns what tells one set of versions from another."""
    names = [text.rsplit("/", 1)[1] for step in install_steps(stage) for text in step if text.endswith(".txt")]
    return "".join(hashlib.sha256((REPO / "docker" / name).read_bytes()).hexdigest() for name in names)


def _tree() -> str:
    digest = hashlib.sha256()
    for folder in ("kinetics_tfds", "beam_pipelines", "setup.py"):
        path = REPO / folder
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file() and "__pycache__" not in file.parts:
                digest.update(f"{file.relative_to(REPO)}\0".encode() + file.read_bytes())
    return digest.hexdigest()


class _locked:  # noqa: N801 - used as a context manager only
    """One process at a time changes the folder."""

    def __init__(self, root: pathlib.Path) -> None:
        self._path = root / "lock"

    def __enter__(self) -> None:
        self._file = self._path.open("w")
        fcntl.flock(self._file, fcntl.LOCK_EX)

    def __exit__(self, *unused: object) -> None:
        self._file.close()


def main() -> None:
    root = pathlib.Path(sys.argv[1]).absolute()
    root.mkdir(parents=True, exist_ok=True)
    for stage in STAGES:
        install_stage(root, stage)
    install_prism(root)
    print("Left out: Flink and Spark; docs/cluster.md says why.")


if __name__ == "__main__":
    main()
