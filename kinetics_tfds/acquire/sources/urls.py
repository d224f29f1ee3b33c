"""URLs: as servers expect them, and as they may be shown."""

from __future__ import annotations

import urllib.parse


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
