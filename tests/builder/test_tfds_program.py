from __future__ import annotations

import json
import subprocess

import pytest
import tensorflow_datasets as tfds
from clip_folder import make_clip_folder
from tfds_program import TINY, program, run_tfds
from worker_watch import watching_workers

from kinetics_tfds.annotations.clip import Split


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_clip_folder(tmp_path_factory.mktemp("clips"), {Split.TRAIN: 6, Split.TEST: 2}, damaged=1)


def read(data_dir, config="tiny"):
    return tfds.builder_from_directory(data_dir / "kinetics600" / config / "1.0.0")


def test_from_anywhere_with_imports_and_many_flags(folder, tmp_path):
    """Every flag of TFDS that a build has to do with, in one go."""
    manual = tmp_path / "manual"
    manual.mkdir()
    (manual / "kinetics600").symlink_to(folder.root)
    flags = ["--imports=kinetics_tfds", f"--config={TINY}", f"--data_dir={tmp_path / 'data'}", f"--manual_dir={manual}"]
    flags += ["--add_name_to_manual_dir", "--file_format=array_record", "--num_shards=2", "--max_examples_per_split=4"]
    flags += ["--beam_pipeline_options=runner=FnApiRunner,decode_workers=1", f"--publish_dir={tmp_path / 'public'}"]
    flags += [f"--download_dir={tmp_path / 'downloads'}", "--fail_if_exists"]
    ran = run_tfds("build", "kinetics600", *flags, cwd=tmp_path)
    builder = read(tmp_path / "data")
    assert {name: info.num_shards for name, info in builder.info.splits.items()} == {"train": 2, "test": 2}
    assert builder.info.splits["test"].num_examples == 2
    assert builder.info.file_format == tfds.core.FileFormat.ARRAY_RECORD
    assert len(builder.as_data_source("train")) in (3, 4)
    assert "train" in ran.stdout
    assert "written" in ran.stdout
    published = tmp_path / "public" / "kinetics600" / "tiny" / "1.0.0"
    assert {path.name for path in published.iterdir()} == {path.name for path in builder.data_path.iterdir()}
    again = run_tfds("build", "kinetics600", *flags, cwd=tmp_path, check=False)
    assert again.returncode == 1
    assert "fail_if_exists" in again.stderr


def test_bare_inside_the_package(folder, repo, tmp_path):
    run_tfds(
        "build",
        "kinetics600",
        f"--config={TINY}",
        f"--manual_dir={folder.root}",
        f"--data_dir={tmp_path}",
        cwd=repo / "kinetics_tfds",
    )
    assert read(tmp_path).info.splits["train"].num_examples == 5


def test_by_path_from_the_root(folder, repo, tmp_path):
    flags = [f"--config={TINY}", f"--manual_dir={folder.root}", f"--data_dir={tmp_path}"]
    run_tfds("build", "kinetics_tfds/kinetics600", *flags, cwd=repo)
    assert read(tmp_path).info.splits["train"].num_examples == 5


@pytest.mark.slow
def test_overwriting(folder, tmp_path):
    flags = ["--imports=kinetics_tfds", f"--config={TINY}", f"--manual_dir={folder.root}", f"--data_dir={tmp_path}"]
    run_tfds("build", "kinetics600", *flags, cwd=tmp_path)
    shard = read(tmp_path).info.splits["train"].filepaths[0]
    before = shard.read_bytes()
    shard.write_bytes(b"")
    run_tfds("build", "kinetics600", *flags, cwd=tmp_path)
    assert shard.read_bytes() == b""
    run_tfds("build", "kinetics600", *flags, "--overwrite", cwd=tmp_path)
    assert shard.read_bytes() == before


def test_errors_end_with_one_message(folder, tmp_path):
    ran = run_tfds(
        "build",
        "kinetics600",
        "--imports=kinetics_tfds",
        f"--config={json.dumps({**json.loads(TINY), 'max_failure_rate': 0.0})}",
        f"--manual_dir={folder.root}",
        f"--data_dir={tmp_path}",
        cwd=tmp_path,
        check=False,
    )
    assert ran.returncode == 1
    assert "Traceback" not in ran.stderr
    message = ran.stderr[ran.stderr.index("TooManyFailuresError: ") :]
    assert message.splitlines()[0].startswith("TooManyFailuresError: 1 of the 8 clips tried so far failed (12.5 %")
    assert message.splitlines()[-1].startswith("  Next: What is staged is kept.")


@pytest.mark.slow
def test_the_sample_config_needs_nothing_and_its_decoding_no_tensorflow(tmp_path):
    command = program("build", "kinetics600/sample", "--imports=kinetics_tfds", f"--data_dir={tmp_path}")
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as running:
        with watching_workers(running.pid) as seen:
            _, errors = running.communicate(timeout=240)
        assert running.returncode == 0, errors[-4000:]
    assert read(tmp_path, "sample").info.splits.total_num_examples >= 24
    assert seen.mapped == set()
    assert len(seen.peaks) > 1
    assert max(seen.peaks.values()) < 150, seen.peaks
