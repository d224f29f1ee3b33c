"""Runs one Beam job to its end."""

from __future__ import annotations

import logging
import threading
from typing import Any

import apache_beam as beam
from apache_beam.options.pipeline_options import DebugOptions, PipelineOptions, StandardOptions
from apache_beam.runners.runner import PipelineState

from kinetics_tfds.beam.stalls import StallWatch, Work
from kinetics_tfds.errors import KineticsError, WorkerError
from kinetics_tfds.notebooks import no_cell_labels

_CANCEL_SECONDS = 10.0


def run_pipeline(transform: beam.PTransform, options: PipelineOptions, work: Work, *, runner: Any = None) -> None:
    """Applies a transform to an empty pipeline, runs it, and waits for its end.

    Args:
        transform: takes a pipeline's root.
        options: Beam's.
        work: what the job has to do.
        runner: a Beam runner or its name; the options' where None, and FnApiRunner where they name none either.

    Raises:
        WorkerError: the job failed, or stood still for longer than `--stall_timeout`.
        KeyboardInterrupt: the user had enough.
    """
    runner = runner or _runner_of(options)
    if runner == "FnApiRunner":
        # It says a lot about its own stages, and `tfds` shows everything.
        logging.getLogger("apache_beam").setLevel(logging.WARNING)
    try:
        with StallWatch(work, options) as watch, no_cell_labels():
            pipeline = beam.Pipeline(runner=runner, options=options)
            _ = pipeline | transform
            result = pipeline.run()  # a runner in this process does all its work here
            watch.waits_elsewhere()
            _wait(result, watch)
    except KineticsError:
        raise
    except Exception as error:
        if "KeyboardInterrupt" in str(error):  # FnApiRunner wraps it
            raise KeyboardInterrupt from error
        raise _failure(error, options) from error


def _runner_of(options: PipelineOptions) -> Any:
    name = options.view_as(StandardOptions).runner
    if name is None:
        return "FnApiRunner"  # Beam's own default would first try to download another runner
    if name.lower().removesuffix("runner") == "dataflow":
        from kinetics_tfds.beam.dataflow import ONE_CONTAINER, OneContainerDataflowRunner

        if options.view_as(DebugOptions).lookup_experiment(ONE_CONTAINER):
            return OneContainerDataflowRunner()
    return name


def _wait(result: Any, watch: StallWatch) -> None:
    """Waits in a thread: engines' own waiting can neither be interrupted nor looks at anything else."""
    failures: list[BaseException] = []

    def wait() -> None:
        try:
            if result.state != PipelineState.DONE:
                result.wait_until_finish()
        except BaseException as error:
            failures.append(error)

    waiting = threading.Thread(target=wait, name="kinetics-wait", daemon=True)
    waiting.start()
    try:
        while waiting.is_alive():
            waiting.join(0.2)
            if watch.error is not None:
                raise watch.error
    except BaseException:
        _cancel(result)
        raise
    if failures:
        raise failures[0]


def _cancel(result: Any) -> None:
    """Asks the engine to end the job; one that does not answer is left alone."""

    def cancel() -> None:
        try:
            result.cancel()
        except Exception as error:
            logging.getLogger(__name__).info("The job could not be cancelled: %s", error)

    cancelling = threading.Thread(target=cancel, name="kinetics-cancel", daemon=True)
    cancelling.start()
    cancelling.join(_CANCEL_SECONDS)


def _failure(error: Exception, options: PipelineOptions) -> WorkerError:
    if type(error).__name__ == "DataflowRuntimeException":
        from kinetics_tfds.beam.dataflow import failed_job

        return failed_job(error, options)  # pyright: ignore[reportArgumentType]
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = f"{type(error).__name__}: {lines[-1] if lines else 'no message'}"[:1000]
    return WorkerError(
        f"Beam gave up: {text}",
        "The traceback above this message says where. Finished shards are kept: the same command goes on.",
    )
