from __future__ import annotations

import json

import pytest
import tensorflow_datasets as tfds
from clip_folder import make_clip_folder

from beam_pipelines import build
from kinetics_tfds.annotations.clip import Split
from kinetics_tfds.annotations.versions import get_version
from kinetics_tfds.cli.builders import make_download_config, read_config
from kinetics_tfds.cli.main import main, make_parser
from kinetics_tfds.config import KineticsConfig

TINY = '{"name": "tiny", "short_side": 32, "fps": 5}'


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_clip_folder(tmp_path_factory.mktemp("clips"), {Split.TRAIN: 6, Split.TEST: 2}, missing=1)


def test_every_config_file_is_a_config(repo):
    files = sorted((repo / "configs" / "build").glob("*.json"))
    assert len(files) >= 3
    for path in files:
        config = KineticsConfig(**read_config(str(path)))
        assert config.name == path.stem
        assert config.description
        for version in ("kinetics400", "kinetics600", "kinetics700", "kinetics700_2020"):
            assert set(config.classes or ()) <= set(get_version(version).class_names)


def test_a_build_from_the_command_line(folder, tmp_path, repo, capsys):
    argv = ["--dataset=kinetics600", f"--config={TINY}", f"--manual_dir={folder.root}", f"--data_dir={tmp_path}"]
    argv += ["--num_shards=2", "--decode_workers=1"]
    argv += [f"--runners_file={repo / 'configs' / 'runners' / 'local.yaml'}"]
    assert build.main(argv) == 0
    assert "kinetics600/tiny/1.0.0 is in" in capsys.readouterr().out
    builder = tfds.builder_from_directory(tmp_path / "kinetics600" / "tiny" / "1.0.0")
    assert {name: info.num_examples for name, info in builder.info.splits.items()} == {"train": 5, "test": 2}
    assert builder.info.splits["train"].num_shards == 2


def test_a_dry_run_writes_nothing(folder, tmp_path, capsys):
    argv = ["--dataset=kinetics600/jpeg128_10fps", f"--manual_dir={folder.root}", f"--data_dir={tmp_path}"]
    assert build.main([*argv, "--dry_run"]) == 0
    out = capsys.readouterr().out
    assert "train: 5 clips in 1 shards" in out
    assert "1 missing" in out
    assert "written by FnApiRunner" in out
    assert not (tmp_path / "kinetics600").exists()


@pytest.mark.parametrize(
    ("argv", "problem", "code"),
    [
        (["kinetics60"], "Did you mean 'kinetics600'", 1),
        (["kinetics600/jpeg512"], "There is no config named 'jpeg512'", 1),
        (["kinetics600", "--config=jpeg265"], "There is no config named 'jpeg265'", 1),
        (["kinetics600/sample", f"--config={TINY}"], "Two configs are given", 1),
        (["kinetics600", "--config=no/such.json"], "Cannot read the settings in no/such.json", 1),
        (["kinetics600", "--config={"], "Cannot read the settings in --config", 1),
        (["kinetics600", '--config={"name": "x", "fsp": 3}'], "Unknown config key 'fsp'", 1),
        (["kinetics600", "--max_num_worker=3"], "There is no Beam option 'max_num_worker'", 2),
        (["kinetics600", "--max_num_worker=3", "--dry_run"], "There is no Beam option 'max_num_worker'", 2),
        (["kinetics600", "--decode_workers=none"], "invalid int value: 'none'", 1),
        (["kinetics600"], "There is no folder of clips", 1),
    ],
)
def test_one_clear_message(argv, problem, code, tmp_path, capsys):
    assert main(["build", *argv, f"--data_dir={tmp_path}"]) == code
    err = capsys.readouterr().err
    assert problem in err
    assert "\n  Next: " in err


def test_both_faces_take_both_spellings(tmp_path, capsys):
    for face in (lambda *argv: main(["build", *argv]), lambda *argv: build.main(argv)):
        for dataset in (["kinetics500"], ["--dataset=kinetics500"]):
            assert face(*dataset, f"--data_dir={tmp_path}") == 1
            assert "'kinetics500'" in capsys.readouterr().err
        with pytest.raises(SystemExit, match="2"):
            face(f"--data_dir={tmp_path}")
        assert "required: DATASET" in capsys.readouterr().err


def test_arguments_become_tfds_settings():
    argv = ["build", "kinetics600", "--max_shard_size_mb=100", "--max_examples_per_split=3", "--num_shards=7"]
    config = make_download_config(make_parser(argv).parse_args(argv))
    assert config.max_shard_size == 100 << 20
    assert config.max_examples_per_split == 3
    assert config.num_shards == 7
    assert json.dumps(read_config(TINY))
