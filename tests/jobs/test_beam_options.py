from __future__ import annotations

import pytest
from apache_beam.options.pipeline_options import GoogleCloudOptions, StandardOptions, WorkerOptions

from kinetics_tfds.errors import ConfigError, UsageError
from kinetics_tfds.jobs.beam_options import beam_options, known_options
from kinetics_tfds.shards.transform import BuildOptions


@pytest.mark.parametrize("name", ["local", "portable", "dataflow"])
def test_the_files_that_come_with_the_project(repo, name):
    options = beam_options(repo / "configs" / "runners" / f"{name}.yaml")
    assert options.view_as(StandardOptions).runner in ("FnApiRunner", "PortableRunner", "DataflowRunner")
    assert options.view_as(BuildOptions).decode_workers is None


def test_dataflow_has_what_it_needs(repo):
    options = beam_options(repo / "configs" / "runners" / "dataflow.yaml", ["--project=mine", "--max_num_workers=3"])
    assert options.view_as(GoogleCloudOptions).project == "mine"
    assert options.view_as(GoogleCloudOptions).temp_location.startswith("gs://")
    assert options.view_as(WorkerOptions).max_num_workers == 3
    assert "no_use_multiple_sdk_containers" in options.get_all_options()["experiments"]


def test_no_file_and_our_own_options():
    options = beam_options(None, ["--decode_workers=3", "--retry_failed"])
    assert options.view_as(StandardOptions).runner is None
    assert options.view_as(BuildOptions).decode_workers == 3
    assert options.view_as(BuildOptions).retry_failed
    assert {"runner", "project", "decode_workers", "max_failure_rate"} <= known_options()


@pytest.mark.parametrize(
    ("text", "problem", "next_step"),
    [
        ("max_num_worker: 3", "no Beam option 'max_num_worker' \\(in ", "'max_num_workers'"),
        ("- runner", "does not hold a mapping", "name: value"),
        ("1: runner", "does not hold a mapping", "name: value"),
        ("runner: [", "Cannot read", "local.yaml"),
        ("max_num_workers: many", "invalid int value: 'many'", "Put the value right in "),
    ],
)
def test_what_a_file_may_not_hold(tmp_path, text, problem, next_step):
    path = tmp_path / "x.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=problem) as caught:
        beam_options(path)
    assert next_step in caught.value.next_step


def test_lists_switches_and_nothing(tmp_path):
    path = tmp_path / "x.yaml"
    path.write_text("experiments: [a, b]\nstreaming: true\nsave_main_session: false\nregion: null\n")
    options = beam_options(path).get_all_options()
    assert options["experiments"] == ["a", "b"]
    assert options["streaming"] is True
    assert not options["save_main_session"]
    path.write_text("")
    beam_options(path)


def test_flags_and_files_that_are_not_there(tmp_path):
    with pytest.raises(UsageError, match=r"no Beam option 'runer' \(on the command line\)"):
        beam_options(None, ["--runer=FnApiRunner"])
    with pytest.raises(UsageError, match="'clips' is not an option"):
        beam_options(None, ["clips"])
    with pytest.raises(ConfigError, match="Cannot read"):
        beam_options(tmp_path / "none.yaml")
