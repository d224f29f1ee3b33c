"""Every job on every engine gives the bytes and the words of a job on this machine."""

from __future__ import annotations

import json

import pytest
from clip_folder import make_clip_folder
from jobs import digests, run_job

from kinetics_tfds.annotations.clip import Split

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

CONFIG = '{"name": "tiny", "short_side": 32, "fps": 5, "max_failure_rate": 0.2}'
SHARDS = 4
LOCAL = ["--runner=FnApiRunner", "--decode_workers=1"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_clip_folder(tmp_path_factory.mktemp("clips"), {Split.TRAIN: 14, Split.TEST: 6}, damaged=1, missing=1)


def build(folder, root, flags) -> str:
    inputs = [f"--manual_dir={folder.root}", f"--data_dir={root / 'data'}", f"--num_shards={SHARDS}"]
    return run_job("build", "kinetics600", f"--config={CONFIG}", *inputs, *flags, cwd=root)


@pytest.fixture(scope="module")
def local(folder, tmp_path_factory):
    """A root with a dataset that was built on this machine."""
    root = tmp_path_factory.mktemp("local")
    build(folder, root, LOCAL)
    return root


def ask(job: str, root, flags, *more: str) -> dict:
    """Runs a job over the dataset beneath a root; returns the JSON that it prints, without what depends on the run."""
    arguments = ["kinetics600/tiny", f"--data_dir={root / 'data'}", f"--results_dir={root / 'results'}", "--json"]
    out = run_job(job, *arguments, *more, *flags, cwd=root)
    answer = json.loads(out[out.index("{") :].splitlines()[0])
    return {name: value for name, value in answer.items() if name not in ("seconds", "folder")}


def test_build(engine, folder, local, tmp_path):
    build(folder, tmp_path, engine.flags())
    assert digests(tmp_path / "data" / "kinetics600") == digests(local / "data" / "kinetics600")


@pytest.mark.parametrize("job", ["verify", "stats"])
def test_verify_and_stats(job, engine, local):
    more = ["--all"] if job == "stats" else []
    answer = ask(job, local, engine.flags(), *more)
    assert answer == ask(job, local, LOCAL, *more)
    assert list((local / "results").iterdir()) == []


def test_export(engine, local, tmp_path):
    def export(name, flags):
        where = [f"--data_dir={local / 'data'}", f"--output_dir={tmp_path / name}", f"--results_dir={tmp_path}"]
        run_job("export", "kinetics600/tiny", "--format=webdataset", "--split=train", *where, *flags, cwd=tmp_path)
        return digests(tmp_path / name)

    files = export("engine", engine.flags())
    assert len(files) >= SHARDS
    assert files == export("local", LOCAL)


def test_acquire(engine, folder, tmp_path):
    (tmp_path / "sources.yaml").write_text(
        f"sources: [{{kind: folder, path: {folder.root}}}]\nmin_free_gb: 0.01\nworkers: 1\nretry: {{attempts: 1}}\n"
        f"state: {tmp_path / 'state'}\n"
    )

    def acquire(name, flags):
        lists = [f"--annotations={path}" for path in sorted((folder.root / "annotations").iterdir())]
        config = f"--config={tmp_path / 'sources.yaml'}"
        store = f"--store={tmp_path / name}"
        run_job("acquire", "--dataset=kinetics600", store, config, *lists, *flags, cwd=tmp_path)
        return digests(tmp_path / name)

    files = acquire("engine", engine.flags())
    assert len([name for name in files if name.endswith(".mp4")]) == len(folder.clips) - 2
    assert files == acquire("local", LOCAL)
