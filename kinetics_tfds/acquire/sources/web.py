"""URLs and HTTP: how they are asked for, what may be shown of them, and what an answer's headers promise."""

from __future__ import annotations

import base64
import dataclasses
import email.utils
import re
import threading
import urllib.parse
from collections.abc import Mapping
from typing import Any

_local = threading.local()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Web:
    """How URLs are read.

    Attributes:
        timeout: seconds without a byte before a connection counts as dead.
        min_rate: bytes a second, over the last `timeout` seconds, below which it counts as dead too.
        retries: connections in a row that may bring next to nothing new before the transfer is given up.
        retry_wait: seconds before the first of them, doubled each time up to 30 s, with jitter.
        headers: sent along, to the host of the URL only and not to where it may redirect: for tokens.
    """

    timeout: float = 30.0
    min_rate: float = 1000.0
    retries: int = 5
    retry_wait: float = 1.0
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)


def get(url: str, web: Web, **headers: str) -> Any:
    """Asks for a URL with further headers; returns an answer of `requests` whose body is still to be read."""
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

        # One a thread: connections are kept between the clips of one server.
        _local.session = Session()
        _local.session.max_redirects = 10
    session = _local.session
    session.private = tuple(web.headers)
    all_headers = {"Accept-Encoding": "identity", **web.headers, **headers}
    return session.get(url, headers=all_headers, stream=True, timeout=web.timeout)


def strong_validator(headers: Mapping[str, str]) -> str | None:
    """Returns what changes whenever a file's bytes do, for `If-Range`; None where the server gives nothing of the kind.

    Source: RFC 9110, 8.8. A weak ETag does not promise equal bytes, nor does the date of a change a moment ago.
    """
    etag = headers.get("ETag") or ""
    if etag.startswith('"'):
        return etag
    try:
        changed, now = (email.utils.parsedate_to_datetime(headers[name]) for name in ("Last-Modified", "Date"))
        return headers["Last-Modified"] if (now - changed).total_seconds() >= 60 else None
    except (KeyError, ValueError, TypeError):
        return None


def content_md5(headers: Mapping[str, str]) -> str | None:
    """Returns a file's MD5, hexadecimal, from `Content-MD5` or what Google's buckets give; None where there is none."""
    found = re.search(r"\bmd5=([\w+/]+=*)", headers.get("x-goog-hash", ""))
    try:
        digest = base64.b64decode(found[1] if found else headers.get("Content-MD5", ""), validate=True)
    except ValueError:
        return None
    return digest.hex() if len(digest) == 16 else None


def quote_url(url: str) -> str:
    """Returns a URL as a server expects it: raw spaces, parentheses and other signs in its path are quoted, once.

    >>> quote_url("https://host/600/train/tying knot (not on a tie).tar.gz")
    'https://host/600/train/tying%20knot%20%28not%20on%20a%20tie%29.tar.gz'
    >>> quote_url("https://host/a%20b.tar?sig=x%2Fy")
    'https://host/a%20b.tar?sig=x%2Fy'
    """
    parts = urllib.parse.urlsplit(url)
    # What is quoted already stays: unquoting first makes the two forms one.
    path = urllib.parse.quote(urllib.parse.unquote(parts.path), safe="/:@-._~!$&*+,;=")
    return urllib.parse.urlunsplit(parts._replace(path=path, query=parts.query.replace(" ", "%20")))


def public_url(url: str) -> str:
    """Returns a URL without what may be secret: user, password, query.

    >>> public_url("https://me:pass@host:8080/a.mp4?token=1")
    'https://host:8080/a.mp4'
    """
    parts = urllib.parse.urlsplit(url)
    return urllib.parse.urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def is_http(url: str) -> bool:
    """Returns whether a URL is a web server's, rather than a bucket's or a path."""
    return url.lower().startswith(("http://", "https://"))
