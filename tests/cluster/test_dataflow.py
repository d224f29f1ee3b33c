"""What Dataflow gets from us, and what we say of what it answers: its job API and a bucket stand on loopback."""

from __future__ import annotations

import json

import pytest
from apache_beam.portability import common_urns
from apache_beam.portability.api import beam_runner_api_pb2, endpoints_pb2
from dataflow_service import DataflowService
from gcs_emulator import GcsEmulator
from jobs import digests, run_job, start_job

pytest.importorskip("google.cloud.dataflow", reason="needs google-cloud-dataflow-client")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

IMAGE = "europe-west4-docker.pkg.dev/my-project/kinetics/build:0.1.0"
MULTI_CORE = common_urns.protocols.MULTI_CORE_BUNDLE_PROCESSING.urn


@pytest.fixture(scope="module")
def bucket():
    with GcsEmulator() as emulator:
        yield emulator


def submit(repo, service, bucket, root, monkeypatch, *more: str):
    """Starts a build of the sample with configs/runners/dataflow.yaml."""
    for name, value in bucket.env.items():
        monkeypatch.setenv(name, value)
    file = f"--runners_file={repo / 'configs' / 'runners' / 'dataflow.yaml'}"
    places = ["--temp_location=gs://bucket/temp", "--staging_location=gs://bucket/staging"]
    service_flags = [f"--dataflow_endpoint={service.endpoint}", "--no_auth", "--project=my-project"]
    arguments = ["kinetics600/sample", f"--data_dir={root / 'data'}", "--num_shards=2", file, *places, *service_flags]
    return start_job("build", *arguments, f"--sdk_container_image={IMAGE}", *more, cwd=root)


def pipeline_of(job, bucket) -> beam_runner_api_pb2.Pipeline:
    """Returns the pipeline that a job's request names, from the bucket."""
    url = job["environment"]["sdkPipelineOptions"]["options"]["pipelineUrl"]
    name = url.removeprefix("gs://bucket/")
    return beam_runner_api_pb2.Pipeline.FromString(bucket.objects(name)[name])


def test_a_failed_job(repo, bucket, tmp_path, monkeypatch):
    """The request has what the file says; the end of a failed job names it, its page and its last messages."""
    with DataflowService(lambda job: "JOB_STATE_FAILED") as service:
        service.messages += [("JOB_MESSAGE_BASIC", "Starting 50 workers"), ("JOB_MESSAGE_ERROR", "No quota for CPUs")]
        driver = submit(repo, service, bucket, tmp_path, monkeypatch, "--label=team=video", "--no_use_public_ips")
        out, _ = driver.communicate(timeout=120)
    assert driver.returncode == 1, out
    (job,) = service.jobs
    assert f"Dataflow job {job['id']} ended in state FAILED. Its last messages:" in out
    assert "No quota for CPUs" in out
    assert f"https://console.cloud.google.com/dataflow/jobs/europe-west4/{job['id']}?project=my-project" in out

    assert job["name"].startswith("kinetics-build-")
    assert (job["projectId"], job["location"], job["labels"]) == ("my-project", "europe-west4", {"team": "video"})
    environment = job["environment"]
    assert {"no_use_multiple_sdk_containers", "use_runner_v2"} <= set(environment["experiments"])
    assert "use_multiple_sdk_containers" not in environment["experiments"]
    (pool,) = environment["workerPools"]
    assert (pool["machineType"], pool["diskSizeGb"]) == ("n2-highcpu-16", 50)
    assert pool["autoscalingSettings"]["maxNumWorkers"] == 50
    assert pool["numThreadsPerWorker"] == 2
    assert pool["ipConfiguration"] in ("WORKER_IP_PRIVATE", 2)
    (image,) = pool["sdkHarnessContainerImages"]
    assert image["containerImage"] == IMAGE
    assert not image.get("useSingleCorePerContainer", False)
    assert MULTI_CORE in image["capabilities"]

    pipeline = pipeline_of(job, bucket)
    assert len(pipeline.SerializeToString()) < 100_000
    assert len(json.dumps(job)) < 50_000
    # Nothing but the pipeline is staged: the image has the package.
    staged = [name for name in bucket.objects("staging/") if not name.endswith("pipeline.pb")]
    assert [name for name in staged if "submission_environment_dependencies" not in name] == []


def test_the_submitted_pipeline_builds_the_sample(repo, bucket, job_service, tmp_path, monkeypatch):
    from apache_beam.options.pipeline_options import PipelineOptions
    from apache_beam.runners.portability.portable_runner import PortableRunner

    def work(job) -> str:
        pipeline = pipeline_of(job, bucket)
        worker = beam_runner_api_pb2.ExternalPayload(
            endpoint=endpoints_pb2.ApiServiceDescriptor(url=f"localhost:{job_service.pool_port}")
        )
        for environment in pipeline.components.environments.values():
            assert environment.urn == common_urns.environments.DOCKER.urn
            environment.urn = common_urns.environments.EXTERNAL.urn
            environment.payload = worker.SerializeToString()
            del environment.dependencies[:]
        result = PortableRunner().run_portable_pipeline(pipeline, PipelineOptions(job_service.flags()))
        result.wait_until_finish()
        return "JOB_STATE_DONE"

    with DataflowService(work) as service:
        driver = submit(repo, service, bucket, tmp_path, monkeypatch)
        out, _ = driver.communicate(timeout=400)
    assert driver.returncode == 0, out
    local = tmp_path / "local"
    local.mkdir()
    run_job("build", "kinetics600/sample", f"--data_dir={local / 'data'}", "--num_shards=2", cwd=local)
    assert digests(tmp_path / "data" / "kinetics600") == digests(local / "data" / "kinetics600")
