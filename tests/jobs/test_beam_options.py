from __future__ import annotations

import argparse

import pytest
from apache_beam.options.pipeline_options import (
    FlinkRunnerOptions,
    GoogleCloudOptions,
    PipelineOptions,
    PortableOptions,
    SetupOptions,
    SparkRunnerOptions,
    StandardOptions,
    WorkerOptions,
)

from kinetics_tfds.beam.stalls import StallOptions
from kinetics_tfds.errors import ConfigError, UsageError
from kinetics_tfds.jobs.beam_options import beam_options, known_options
from kinetics_tfds.shards.transform import BuildOptions

FILES = ["local", "portable", "flink", "spark", "dataflow"]


@pytest.mark.parametrize("name", FILES)
def test_the_files_that_come_with_the_project(repo, name):
    options = beam_options(repo / "configs" / "runners" / f"{name}.yaml")
    assert options.view_as(StandardOptions).runner in StandardOptions.KNOWN_RUNNER_NAMES
    assert options.view_as(BuildOptions).decode_workers is None


def test_no_other_files_of_runners(repo):
    assert {path.stem for path in (repo / "configs" / "runners").iterdir()} == set(FILES)


def test_engines_have_what_they_need(repo):
    flink = beam_options(repo / "configs" / "runners" / "flink.yaml", ["--flink_master", "http://here:8081"])
    assert flink.view_as(FlinkRunnerOptions).flink_master == "http://here:8081"
    assert flink.view_as(FlinkRunnerOptions).parallelism == 2
    assert flink.view_as(PortableOptions).environment_type == "EXTERNAL"
    spark = beam_options(repo / "configs" / "runners" / "spark.yaml")
    assert spark.view_as(SparkRunnerOptions).spark_master_url.startswith("spark://")
    assert spark.view_as(StallOptions).stall_timeout == 60


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


@pytest.mark.parametrize(
    "flag",
    [
        *("--extra_package=a.tar.gz", "--experiment=x", "--label=a=b", "--dataflow_service_option=y"),
        *("--worker_machine_type=n2-highcpu-16", "--flink_job_server_jar=x.jar", "--no_use_public_ips"),
        *("--spark_version=3", "--prism_location=p", "--s3_region_name=r", "--stall_timeout=3"),
    ],
)
def test_every_spelling_of_a_flag(flag):
    name, _, value = flag[2:].partition("=")
    assert name in known_options()
    beam_options(None, [flag])
    if value:
        beam_options(None, [f"--{name}", value])


def test_all_flags_of_all_classes_are_known():
    """Read from the classes one by one, not from the parser that the code under test asks for."""
    for cls in PipelineOptions.__subclasses__():
        parser = argparse.ArgumentParser()
        parser.add_value_provider_argument = parser.add_argument
        cls._add_argparse_args(parser)
        flags = {name.lstrip("-") for action in parser._actions for name in action.option_strings}
        assert flags - {"h", "help"} <= known_options(), cls


def test_a_file_knows_every_spelling_too(tmp_path):
    path = tmp_path / "x.yaml"
    path.write_text("experiment: [a, b]\nworker_machine_type: e2\nuse_public_ips: false\nextra_package: x.tar\n")
    options = beam_options(path)
    assert options.get_all_options()["experiments"] == ["a", "b"]
    assert options.view_as(WorkerOptions).machine_type == "e2"
    assert options.view_as(WorkerOptions).use_public_ips is False
    assert options.view_as(SetupOptions).extra_packages == ["x.tar"]


@pytest.mark.parametrize("name", ["FnApiRunner", "dataflow", "DIRECTRUNNER", "some.module.OwnRunner"])
def test_runners_as_beam_reads_them(name):
    beam_options(None, [f"--runner={name}"])


def test_an_unknown_runner_names_the_known_ones(tmp_path):
    with pytest.raises(UsageError, match="no Beam runner 'Nope'") as caught:
        beam_options(None, ["--runner=Nope"])
    assert "DataflowRunner" in caught.value.next_step
    path = tmp_path / "x.yaml"
    path.write_text("runner: Nope")
    with pytest.raises(ConfigError, match=r"no Beam runner 'Nope' \(in .*x.yaml"):
        beam_options(path)


def test_jobs_have_names_of_their_own(tmp_path):
    path = tmp_path / "x.yaml"
    path.write_text("job_name: nightly")

    def name(*args):
        return beam_options(*args).view_as(GoogleCloudOptions).job_name

    assert name(path, [], "build") == "nightly-build"
    assert name(path, [], "verify") == "nightly-verify"
    assert name(path, ["--job_name=this"], "build") == "this"
    assert name(None, [], "stats").startswith("kinetics-stats-2")
    assert name(None, [], "stats") != name(None, [], "stats")
