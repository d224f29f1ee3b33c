"""Ending a run cleanly: the first signal lets workers wind up, in this process and in all others of the run here."""

from __future__ import annotations

import contextlib
import pathlib
import signal
import threading
from collections.abc import Iterator

from kinetics_tfds.acquire.config import AcquireConfig
from kinetics_tfds.acquire.source import StoppedError

# Set by a signal: every worker of this process winds up.
stopping = threading.Event()


def check_stop(ending: bool = False) -> None:
    """Raises `StoppedError` once a signal came, or where the caller knows that the run is `ending`."""
    if ending or stopping.is_set():
        raise StoppedError("The run was asked to stop.", "Run the same command again: it goes on where it stopped.")


def stop_file(config: AcquireConfig, run: str) -> pathlib.Path:
    """Returns the file whose existence tells this machine's workers to wind up."""
    return config.state_folder / "runs" / f"{run}.stop"


@contextlib.contextmanager
def stop_on_signals(config: AcquireConfig, run: str) -> Iterator[None]:
    """Turns the first SIGINT or SIGTERM into a clean end of the run; a second one ends the process at once."""
    path = stop_file(config, run)
    path.parent.mkdir(parents=True, exist_ok=True)

    def handle(number: int, frame: object) -> None:
        if stopping.is_set():
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        stopping.set()
        path.touch()
        print("Stopping: downloads in flight are given up.", flush=True)

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        stopping.clear()
        path.unlink(missing_ok=True)
