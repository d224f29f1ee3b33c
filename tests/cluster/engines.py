"""Engines on this machine, each of several processes: whatever stands in for a cluster, and a pool of workers.

Workers run in another virtual environment, which holds only this project's wheel.
"""

from __future__ import annotations

import os
import pathlib
import socket
import subprocess
import sys
import time
from typing import ClassVar

import psutil
from installed import installed, worker_python


def free_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return server.getsockname()[1]


class Engine:
    """Processes that are started together, as a context manager."""

    name: ClassVar[str]
    worker_stage: ClassVar[str] = "full"

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self.pool_port = free_port()
        self._processes: dict[str, subprocess.Popen] = {}

    def flags(self) -> list[str]:
        """Beam's options for jobs on this engine."""
        return [
            *("--environment_type=EXTERNAL", f"--environment_config=localhost:{self.pool_port}"),
            *("--sdk_worker_parallelism=1", "--decode_workers=1"),
        ]

    def __enter__(self) -> Engine:
        self.start_pool()
        self.start_engine()
        return self

    def __exit__(self, *unused: object) -> None:
        for name in list(self._processes):
            self.kill(name)

    def start_engine(self) -> None:
        raise NotImplementedError

    def start_pool(self) -> None:
        """Starts the pool as configs/runners/portable.yaml says."""
        python = worker_python(self.worker_stage)
        # The pool starts its workers with the `python` that it finds on PATH.
        environment = {"PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}", "TF_CPP_MIN_LOG_LEVEL": "3"}
        command = [python, "-m", "apache_beam.runners.worker.worker_pool_main", f"--service_port={self.pool_port}"]
        self.start("pool", command, self.pool_port, environment)

    def start(self, name: str, command: list, port: int, environment: dict[str, str] | None = None) -> None:
        """Starts a process, whose output goes to a file, and waits for its port."""
        # The tree under test must not reach the workers: they have the wheel.
        inherited = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        with (self.folder / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                list(map(str, command)),
                cwd=self.folder,
                env={**inherited, **(environment or {})},
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        end = time.monotonic() + 90
        while self._processes[name].poll() is None and time.monotonic() < end:
            with socket.socket() as client:
                if client.connect_ex(("127.0.0.1", port)) == 0:
                    return
            time.sleep(0.1)
        raise RuntimeError(f"{name} does not listen: {(self.folder / f'{name}.log').read_text()[-2000:]}")

    def kill(self, name: str) -> None:
        """Kills a process with all that it started."""
        process = self._processes.pop(name)
        family = [process, *self._children(process)]
        for each in family:
            each.kill()
        process.wait()

    def workers(self) -> list[psutil.Process]:
        """The worker processes that the pool has started; their decode processes are not among them."""
        try:
            return psutil.Process(self._processes["pool"].pid).children()
        except psutil.NoSuchProcess:
            return []

    @staticmethod
    def _children(process: subprocess.Popen) -> list[psutil.Process]:
        try:
            return psutil.Process(process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []


class PythonJobService(Engine):
    """Beam's own job service in Python."""

    name = "python_job_service"

    def start_engine(self) -> None:
        self._port = free_port()
        module = "apache_beam.runners.portability.local_job_service_main"
        self.start("engine", [sys.executable, "-m", module, "--port", self._port], self._port)

    def flags(self) -> list[str]:
        return ["--runner=PortableRunner", f"--job_endpoint=localhost:{self._port}", *super().flags()]


class Prism(Engine):
    """Beam's portable runner in Go."""

    name = "prism"

    def start_engine(self) -> None:
        self._port = free_port()
        command = [installed("prism"), f"--job_port={self._port}", "--serve_http=false", "--log_kind=text"]
        self.start("engine", command, self._port)

    def flags(self) -> list[str]:
        return ["--runner=PortableRunner", f"--job_endpoint=localhost:{self._port}", *super().flags()]


ENGINES: dict[str, type[Engine]] = {engine.name: engine for engine in (PythonJobService, Prism)}
