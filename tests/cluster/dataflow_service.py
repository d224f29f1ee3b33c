"""Dataflow's job API on loopback: keeps what is submitted, and hands it to whoever is to do the work.

The interface is that of https://cloud.google.com/dataflow/docs/reference/rest (v1b3, projects.locations.jobs).
"""

from __future__ import annotations

import contextlib
import http.server
import json
import re
import threading
from collections.abc import Callable
from typing import Any

_JOBS = re.compile(
    r"/v1b3/projects/(?P<project>[^/]+)/locations/(?P<region>[^/]+)/jobs(?:/(?P<id>[^/]+))?(?P<more>/.*)?"
)
_TIME = "2026-01-01T00:00:0%dZ"


class DataflowService:
    """A server that takes jobs.

    Attributes:
        jobs: the bodies of the requests that created them, with project and region.
        messages: (importance, text) of the messages that every job has.
    """

    def __init__(self, work: Callable[[dict[str, Any]], str]) -> None:
        """Starts serving.

        Args:
            work: does a job, given its body; returns the state in which it ends. Runs in a thread of its own.
        """
        self.jobs: list[dict[str, Any]] = []
        self.messages: list[tuple[str, str]] = []
        self._work = work
        self._states: dict[str, str] = {}
        service = self

        class Handler(_Handler):
            dataflow = service

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        # Beam speaks REST, and not gRPC over TLS, to an endpoint with this word in it.
        self.endpoint = f"http://localhost:{self._server.server_port}"

    def __enter__(self) -> DataflowService:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *unused: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def create(self, project: str, region: str, body: dict[str, Any]) -> dict[str, Any]:
        """Takes a job and begins with it."""
        job_id = f"2026-01-01_00_00_00-{len(self.jobs) + 1}"
        job = {**body, "id": job_id, "projectId": project, "location": region}
        self.jobs.append(job)
        self._states[job_id] = "JOB_STATE_RUNNING"

        def do() -> None:
            state = "JOB_STATE_FAILED"
            with contextlib.suppress(Exception):
                state = self._work(job)
            self._states[job_id] = state

        threading.Thread(target=do, daemon=True).start()
        return self.describe(job_id)

    def describe(self, job_id: str) -> dict[str, Any]:
        """Returns a job as `get` does."""
        job = next(job for job in self.jobs if job["id"] == job_id)
        named = {name: job[name] for name in ("id", "name", "projectId", "location", "clientRequestId")}
        return {**named, "type": "JOB_TYPE_BATCH", "currentState": self._states[job_id]}

    def list_messages(self) -> list[dict[str, str]]:
        """Returns the messages as the API does."""
        return [
            {"id": str(number), "time": _TIME % number, "messageImportance": importance, "messageText": text}
            for number, (importance, text) in enumerate(self.messages)
        ]


class _Handler(http.server.BaseHTTPRequestHandler):
    dataflow: DataflowService

    def do_POST(self) -> None:
        where = _JOBS.match(self.path)
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        assert where is not None, self.path
        self._answer(self.dataflow.create(where["project"], where["region"], body))

    def do_GET(self) -> None:
        where = _JOBS.match(self.path.partition("?")[0])
        assert where is not None, self.path
        if where["more"] == "/messages":
            self._answer({"jobMessages": self.dataflow.list_messages()})
        elif where["more"] == "/metrics":
            self._answer({"metrics": []})
        else:
            self._answer(self.dataflow.describe(where["id"]))

    def _answer(self, values: dict[str, Any]) -> None:
        data = json.dumps(values).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *unused: object) -> None:
        """Says nothing."""
