"""A job that stands still is told of, and ended where the user wants that."""

from __future__ import annotations

import itertools
import threading
import time

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions

from kinetics_tfds.beam.pipeline import run_pipeline
from kinetics_tfds.beam.stalls import StallWatch, Work, where_to_look
from kinetics_tfds.errors import WorkerError


class _Sleep(beam.DoFn):
    def process(self, seconds):
        # Short naps: an interrupt of the main thread reaches Python between two of them.
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(0.05)
        yield seconds


class _Sleeping(beam.PTransform):
    def expand(self, pcoll):
        return pcoll | beam.Create([200]) | beam.ParDo(_Sleep())


def test_a_job_in_this_process_is_ended():
    options = PipelineOptions(["--stall_timeout=0.02", "--direct_num_workers=1"])
    began = time.monotonic()
    with pytest.raises(WorkerError, match=r"Nothing has finished for .*3 of 4 shards are done") as caught:
        run_pipeline(_Sleeping(), options, Work(lambda: 3, 4, "shards"))
    assert time.monotonic() - began < 150
    assert "run the same command again" in caught.value.next_step


def test_it_is_told_where_to_look(capsys):
    flags = ["--runner=PortableRunner", "--job_endpoint=localhost:8099", "--environment_type=EXTERNAL"]
    options = PipelineOptions([*flags, "--environment_config=localhost:50000", "--stall_warning=0.005"])
    said = threading.Event()
    with StallWatch(Work(lambda: 3, 4, "shards"), options) as watch:
        said.wait(1.0)
        assert watch.error is None
    err = capsys.readouterr().err
    assert "kinetics: Nothing has finished for" in err
    assert "job service (localhost:8099) and the workers' own (EXTERNAL localhost:50000)" in err
    assert "--stall_timeout=MINUTES" in err


def test_progress_and_errors_while_looking_are_no_stall(capsys):
    counts = iter(range(1000))

    def done():
        number = next(counts)
        if number % 3 == 1:
            raise OSError("the bucket is away")
        return number

    with StallWatch(Work(done, 1000, "shards"), PipelineOptions(["--stall_timeout=0.01", "--stall_warning=0.01"])):
        threading.Event().wait(1.5)
    assert capsys.readouterr().err == ""


def test_jobs_without_a_progress_of_their_own_have_lines(capsys, monkeypatch):
    monkeypatch.setattr("kinetics_tfds.beam.stalls._ANNOUNCE_SECONDS", 0.0)
    counts = itertools.count()
    work = Work(lambda: next(counts), 4000, "shards", announced=True)
    with StallWatch(work, PipelineOptions(["--stall_warning=0.01"])):
        threading.Event().wait(0.5)
    assert "kinetics: 1 of 4,000 shards\n" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "text"),
    [
        (["--runner=DataflowRunner", "--project=mine"], "console.cloud.google.com/dataflow/jobs?project=mine"),
        (["--runner=flink", "--flink_master=http://here:8081"], "Flink's page at http://here:8081"),
        (["--runner=SparkRunner", "--spark_master_url=spark://here:7077"], "spark://here:7077"),
        (["--runner=FnApiRunner"], "this machine"),
        ([], "this machine"),
    ],
)
def test_every_engine_has_a_place_to_look_at(flags, text):
    assert text in where_to_look(PipelineOptions(flags))
