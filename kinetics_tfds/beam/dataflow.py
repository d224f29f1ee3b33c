"""What Dataflow needs to be told, and what it tells when a job fails."""

from __future__ import annotations

from typing import Any

from apache_beam.options.pipeline_options import GoogleCloudOptions, PipelineOptions
from apache_beam.portability import common_urns
from apache_beam.runners.dataflow.dataflow_runner import DataflowRunner, DataflowRuntimeException

from kinetics_tfds.errors import WorkerError

ONE_CONTAINER = "no_use_multiple_sdk_containers"
_MULTI_CORE = common_urns.protocols.MULTI_CORE_BUNDLE_PROCESSING.urn
_MESSAGES = 5


class OneContainerDataflowRunner(DataflowRunner):
    """Asks for one container per machine in both places of the request.

    The experiment `no_use_multiple_sdk_containers` alone leaves `useSingleCorePerContainer: true` in it, because Beam's
    Python SDK says of itself that it cannot use several cores. This project's workers do, by processes of their own.
    """

    def _adjust_pipeline_for_dataflow_v2(self, pipeline: Any) -> None:
        # Beam calls this once the environment is made, and before the graph that names it is.
        super()._adjust_pipeline_for_dataflow_v2(pipeline)
        environment = self._default_environment
        if environment is not None and _MULTI_CORE not in environment.capabilities():
            environment._capabilities = [*environment.capabilities(), _MULTI_CORE]


def failed_job(error: DataflowRuntimeException, options: PipelineOptions) -> WorkerError:
    """Returns an error that names the job, its page in the console, and its last messages."""
    result: Any = error.result
    job = result.job_id()
    cloud = options.view_as(GoogleCloudOptions)
    page = f"https://console.cloud.google.com/dataflow/jobs/{cloud.region}/{job}?project={cloud.project}"
    lines = "".join(f"\n    {line}" for line in _last_messages(result, job))
    return WorkerError(
        f"Dataflow job {job} ended in state {result.state}." + (f" Its last messages:{lines}" if lines else ""),
        f"{page} shows the job and its workers' logs. Finished shards are kept: the same command goes on.",
    )


def _last_messages(result: Any, job: str) -> list[str]:
    try:
        # One page is the newest hundred or so, oldest first.
        messages, _ = result._runner.dataflow_client.list_messages(job, minimum_importance="JOB_MESSAGE_WARNING")
    except Exception as error:  # the job's failure is the news, not this
        return [f"(they cannot be read: {type(error).__name__}: {error})"]
    return [" ".join(message.message_text.split())[:500] for message in list(messages)[-_MESSAGES:]]
