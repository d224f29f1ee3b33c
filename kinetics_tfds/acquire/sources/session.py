"""One HTTP session a thread, and what its errors mean."""

from __future__ import annotations

import threading
from typing import Any

from kinetics_tfds.acquire.outcome import Reason

_local = threading.local()


def this_threads_session() -> Any:
    """Returns this thread's session: connections are kept between the clips of one server."""
    if not hasattr(_local, "session"):
        import requests

        class Session(requests.Session):
            """Keeps our own headers from hosts that a server redirects to, as requests does with `Authorization`."""

            private: tuple[str, ...] = ()

            def rebuild_auth(self, prepared_request: Any, response: Any) -> None:
                super().rebuild_auth(prepared_request, response)
                if self.should_strip_auth(response.request.url, prepared_request.url):
                    for name in self.private:
                        prepared_request.headers.pop(name, None)

        _local.session = Session()
        _local.session.max_redirects = 10
    return _local.session


def reason_of(error: BaseException) -> Reason:
    """Returns what an error of urllib3, requests or a socket means."""
    name = type(error).__name__
    if isinstance(error, TimeoutError) or "Timeout" in name:
        return Reason.TIMEOUT
    if name in ("IncompleteRead", "ProtocolError", "ChunkedEncodingError"):
        return Reason.INCOMPLETE
    if name in ("TooManyRedirects", "InvalidSchema", "InvalidURL", "MissingSchema", "LocationParseError"):
        return Reason.UNEXPECTED
    return Reason.CONNECTION
