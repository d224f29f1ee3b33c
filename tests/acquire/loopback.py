"""A real HTTP server on loopback that misbehaves as told, and remembers every request."""

from __future__ import annotations

import collections
import dataclasses
import http.server
import json
import socket
import struct
import threading
import time
import urllib.parse
from collections.abc import Callable
from typing import NamedTuple

PAGE = b"<!doctype html><html><title>Sorry</title><body>Please try again later.</body></html>"


@dataclasses.dataclass(frozen=True)
class Request:
    time: float
    path: str
    range: str | None
    behaviour: str


class Span(NamedTuple):
    start: int
    stop: int
    partial: bool


@dataclasses.dataclass
class Resource:
    """What one path answers.

    Attributes:
        body: the bytes, or a function that makes them anew for each request.
        behaviours: one for each request in turn; the last one stays. `ok`, a status (`404`), `429:SECONDS`, `reset`
            (half the body, then RST), `short` (closes before the promised length), `slow:SECONDS` (a pause half-way),
            `html`, `redirect:PATH`, `stall` (never answers), `drip:SECONDS` (one byte each that many seconds),
            `changed` (another body of the same length, and another ETag), `shifted` (a range that begins one byte late),
            `long` (promises ten bytes too many), `breaks:BYTE` (closes when it comes to that byte of the body).
        etag: the ETag, if the server gives one.
        modified: the Last-Modified, likewise.
        headers: further ones to send.
        chunked: sends the body without its length.
        unsized: sends neither its length nor its end: it closes the connection.
    """

    body: bytes | Callable[[], bytes] = b""
    behaviours: tuple[str, ...] = ("ok",)
    content_type: str = "video/mp4"
    ranges: bool = True
    etag: str | None = None
    modified: str | None = None
    headers: dict[str, str] = dataclasses.field(default_factory=dict)
    chunked: bool = False
    unsized: bool = False
    ignores_if_range: bool = False


class Loopback:
    """Use as a context manager; `url` is where it listens."""

    def __init__(self) -> None:
        self.resources: dict[str, Resource] = {}
        self.requests: list[Request] = []
        self.override: Callable[[str], str | None] = lambda path: None
        self.connections = 0
        self.headers: list[dict[str, str]] = []
        self._counts: collections.Counter[str] = collections.Counter()
        self._lock = threading.Lock()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                outer.connections += 1
                super().setup()

            def do_GET(self) -> None:
                outer._answer(self, head=False)

            def do_HEAD(self) -> None:
                outer._answer(self, head=True)

            def log_message(self, format: str, *args: object) -> None:
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 64

            def handle_error(self, request, client_address) -> None:
                pass  # clients that were killed

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Loopback:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *unused: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def add(self, path: str, body: bytes | Callable[[], bytes] = b"", *behaviours: str, **more) -> None:
        self.resources[path] = Resource(body, behaviours or ("ok",), **more)

    def add_player(self, video: str, response: dict, *behaviours: str, **more) -> None:
        """Answers for a video as YouTube's player API does."""
        body = json.dumps({"videoDetails": {"videoId": video, "title": "a; rm -rf $(x)/../"}, **response}).encode()
        self.add(f"/player/{video}", body, *behaviours, content_type="application/json", **more)

    def seen(self, prefix: str) -> list[Request]:
        with self._lock:
            return [request for request in self.requests if request.path.startswith(prefix)]

    def _answer(self, handler: http.server.BaseHTTPRequestHandler, head: bool) -> None:
        path = urllib.parse.unquote(urllib.parse.urlsplit(handler.path).path)
        resource = self.resources.get(path)
        with self._lock:
            count = self._counts[path]
            self._counts[path] += 1
            behaviour = self.override(path) or (
                resource.behaviours[min(count, len(resource.behaviours) - 1)] if resource else "404"
            )
            self.headers.append(dict(handler.headers))
            self.requests.append(Request(time.time(), path, handler.headers.get("Range"), behaviour))
        kind, _, argument = behaviour.partition(":")
        if kind.isdigit():
            headers = {"Retry-After": argument} if argument else {}
            self._send(handler, int(kind), PAGE, {"Content-Type": "text/html", **headers}, head)
        elif kind == "redirect":
            self._send(handler, 302, b"", {"Location": argument}, head)
        elif kind == "html":
            self._send(handler, 200, PAGE, {"Content-Type": "video/mp4"}, head)
        elif kind == "stall":
            time.sleep(float(argument or 60))
        else:
            assert resource is not None
            self._send_body(handler, resource, kind, argument, head)

    @staticmethod
    def _send(handler, status: int, body: bytes, headers: dict[str, str], head: bool) -> None:
        handler.send_response(status)
        for key, value in headers.items():
            handler.send_header(key, value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        if not head:
            handler.wfile.write(body)

    @staticmethod
    def _send_body(handler, resource: Resource, kind: str, argument: str, head: bool) -> None:
        body = resource.body() if callable(resource.body) else resource.body
        etag = resource.etag
        if kind == "changed":
            body, etag = body[::-1], '"another"'
        span = Loopback._span(handler, resource, len(body), etag, kind)
        if span.start >= len(body) > 0:
            Loopback._send(handler, 416, b"", {"Content-Range": f"bytes */{len(body)}"}, head)
            return
        part = body[span.start : span.stop]
        handler.send_response(206 if span.partial else 200)
        if span.partial:
            handler.send_header("Content-Range", f"bytes {span.start}-{span.stop - 1}/{len(body)}")
        handler.send_header("Content-Type", resource.content_type)
        if resource.ranges:
            handler.send_header("Accept-Ranges", "bytes")
        known = {"ETag": etag, "Last-Modified": resource.modified, **resource.headers}
        for key, value in known.items():
            if value is not None:
                handler.send_header(key, value)
        if resource.chunked:
            handler.send_header("Transfer-Encoding", "chunked")
            part = b"%x\r\n%b\r\n0\r\n\r\n" % (len(part), part)
        elif not resource.unsized:
            handler.send_header("Content-Length", str(len(part) + 10 * (kind == "long")))
        if kind == "breaks":
            part = part[: max(int(argument) - span.start, 0)]
        if kind in ("short", "reset", "long", "breaks") or resource.unsized:
            handler.close_connection = True
        handler.end_headers()
        if not head:
            Loopback._write(handler, part, kind, argument)

    @staticmethod
    def _span(handler, resource: Resource, total: int, etag: str | None, kind: str) -> Span:
        wanted = handler.headers.get("Range")
        known = (None, etag, resource.modified)
        other = handler.headers.get("If-Range") not in known and not resource.ignores_if_range
        if not wanted or not resource.ranges or other:
            return Span(0, total, False)
        low, _, high = wanted.removeprefix("bytes=").partition("-")
        return Span(int(low) + (kind == "shifted"), min(int(high) + 1, total) if high else total, True)

    @staticmethod
    def _write(handler, part: bytes, kind: str, argument: str) -> None:
        half = len(part) // 2
        handler.wfile.write(part[:half])
        handler.wfile.flush()
        if kind == "short":
            return
        if kind == "reset":
            handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            handler.connection.close()
            return
        while kind == "drip" and half < len(part):
            handler.wfile.write(part[half : half + 1])
            handler.wfile.flush()
            time.sleep(float(argument or 0.05))
            half += 1
        if kind == "slow":
            time.sleep(float(argument or 0.5))
        handler.wfile.write(part[half:])
