"""What a file is, by its first bytes: names lie, on servers as in archives."""

from __future__ import annotations

# Enough for all signatures below, a tar's at byte 257 among them.
HEAD_BYTES = 512


def describe(head: bytes) -> str:
    """Says in a few words what a file that is no media seems to be.

    >>> describe(b"  <html><title>Sign in</title>")
    'a web page'
    """
    if not head:
        return "an empty file"
    text = head.lstrip().lower()
    if text.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        return "a web page"
    if text.startswith((b"<?xml", b"{", b"[")):
        return "an XML or JSON answer"
    if text.startswith(b"#extm3u"):
        return "a playlist"
    if is_archive(head):
        return "an archive"
    return f"no media container (it begins with {head[:12]!r})"


def is_archive(head: bytes) -> bool:
    """Returns whether a file begins like a tar, gzip or zip file."""
    return head[:2] == b"\x1f\x8b" or head[:4] == b"PK\x03\x04" or head[257:262] == b"ustar"
