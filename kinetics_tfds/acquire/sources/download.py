"""Downloading a URL to a local file, through everything that servers and networks do on the way.

A body that breaks off is continued with a range request, but only where the server tells whether the file is still the
same; everywhere else it is begun again. What cannot be mended is a `TransferError`, whose outcome says what to do next.
"""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
import pathlib
import random
import re
import shutil
import time
from collections.abc import Callable
from typing import Any

from kinetics_tfds.acquire.outcome import Outcome, Reason, of_status, retry_after_seconds
from kinetics_tfds.acquire.sources.web import Web, content_md5, get, is_http, public_url, quote_url, strong_validator
from kinetics_tfds.errors import AcquireError

_BLOCK = 1 << 18


class TransferError(Exception):
    """A file that cannot be had.

    Attributes:
        outcome: what that means for its clips.
        broken: whether only a connection ended too early: the next one may do better.
    """

    def __init__(self, reason: Reason, message: str, retry_after: float | None = None, broken: bool = False) -> None:
        self.outcome = Outcome(reason, message, retry_after)
        super().__init__(self.outcome.message)
        self.broken = broken


def download(
    url: str,
    path: pathlib.Path,
    web: Web | None = None,
    check: Callable[[], None] = lambda: None,
    max_bytes: float = math.inf,
) -> bool:
    """Downloads a file. What was received of it stays beside `path` until it is whole, also when the process is killed.

    Args:
        url: `http(s)://`, or anything that fsspec opens.
        path: the file to make; one that exists is taken for the result of an earlier call.
        web: how `http(s)` is read.
        check: called for every block; raises to end the download.
        max_bytes: the most that it may be.

    Returns:
        Whether these are surely the bytes that the server has. That is not so where it did not tell how many there are,
        and where some of them lay on this disk before.

    Raises:
        TransferError: the file cannot be had.
        AcquireError: it does not fit on the disk, or `check` raises it.
    """
    if path.exists():
        return False
    try:
        if is_http(url):
            return _download_http(_Transfer(url, path, web or Web(), check, max_bytes), web or Web(), check)
        _copy_from_bucket(url, path, check, max_bytes)
        return True
    except (TransferError, AcquireError):
        raise
    except Exception as error:  # buckets' drivers bring their own classes
        raise_if_full(error, path.parent)
        outcome = outcome_of(error)
        raise TransferError(outcome.reason, outcome.message) from error


def _download_http(transfer: _Transfer, web: Web, check: Callable[[], None]) -> bool:
    useless = 0  # connections in a row that brought next to nothing new
    while True:
        before = transfer.furthest
        try:
            return transfer.receive()
        except TransferError as error:
            useless = useless + 1 if transfer.furthest - before < transfer.least_progress else 0
            # A server that never answered is left to whoever decides when to come back.
            if not error.broken or useless > (web.retries if transfer.furthest else min(web.retries, 1)):
                raise
        until = time.monotonic() + min(web.retry_wait * 2.0 ** max(useless - 1, 0), 30.0) * random.uniform(0.5, 1.0)
        while (left := until - time.monotonic()) > 0:
            check()
            time.sleep(min(left, 0.2))


def outcome_of(error: BaseException) -> Outcome:
    """Returns what an error met while fetching means for a clip: one of ours, or of a library or driver."""
    if isinstance(error, TransferError):
        return error.outcome
    name = type(error).__name__
    message = f"{name}: {error}" if str(error) else name
    if isinstance(error, TimeoutError) or "Timeout" in name:
        return Outcome(Reason.TIMEOUT, message)
    if name in ("IncompleteRead", "ProtocolError", "ChunkedEncodingError"):
        return Outcome(Reason.INCOMPLETE, message)
    for kind, reason in (
        (FileNotFoundError, Reason.GONE),
        (PermissionError, Reason.FORBIDDEN),
        (ValueError, Reason.UNEXPECTED),  # what requests raises for URLs is both this and the next
        (OSError, Reason.CONNECTION),
    ):
        if isinstance(error, kind):
            return Outcome(reason, message)
    return Outcome(Reason.UNEXPECTED, message)


def raise_if_full(error: BaseException, folder: pathlib.Path) -> None:
    """Raises `AcquireError` where an error says that the disk is full: that ends the run, not the clip."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        raise disk_full(folder) from error


def disk_full(folder: pathlib.Path) -> AcquireError:
    """Returns the error of a disk without room for what is downloaded to `folder`."""
    free = shutil.disk_usage(folder).free / 1e9
    return AcquireError(
        f"Only {free:.1f} GB are free at {str(folder)!r}: too few for what is downloaded there.",
        "Make room, or let `state` in the config name a folder on another disk, and run the same command again: it "
        "goes on where it stopped.",
    )


class _Transfer:
    """One file on its way over HTTP, over as many connections as it takes.

    Attributes:
        furthest: bytes that any connection brought, from the file's beginning on.
    """

    def __init__(self, url: str, path: pathlib.Path, web: Web, check: Callable[[], None], max_bytes: float) -> None:
        self._url, self._path, self._web, self._check, self._max_bytes = quote_url(url), path, web, check, max_bytes
        self._part, self._notes = (path.with_name(f"{path.name}.{suffix}") for suffix in ("part", "json"))
        self._size: int | None = None
        self._validator: str | None = None
        self._md5: str | None = None
        self._sure = False
        self._offset = self._resume()
        self.furthest = self._offset

    @property
    def least_progress(self) -> float:
        """Bytes that a connection must bring to count as useful: so the number of connections is bounded."""
        return max(1 << 20, (self._size or 0) / 100)

    def _resume(self) -> int:
        """Returns how many bytes an earlier process left that can be continued."""
        try:
            notes = json.loads(self._notes.read_text("ascii"))
            self._size, self._validator = notes["size"], notes["validator"]
            return self._part.stat().st_size if self._validator is not None else 0
        except (OSError, ValueError, KeyError, TypeError):
            return 0

    def receive(self) -> bool:
        """Opens a connection and reads it to its end; returns whether the bytes are surely right.

        Raises:
            TransferError: it ended too early, or no other will do better.
        """
        import requests
        import urllib3

        if self._validator is None:
            self._offset = 0
        rest = {"Range": f"bytes={self._offset}-", "If-Range": self._validator or ""} if self._offset else {}
        try:
            with get(self._url, self._web, **rest) as answer:
                self._take_headers(answer)
                self._save_body(answer)
        except (requests.RequestException, urllib3.exceptions.HTTPError, TimeoutError) as error:
            outcome = outcome_of(error)
            final = outcome.reason is Reason.UNEXPECTED or isinstance(error, requests.TooManyRedirects)
            raise self._error(Reason.UNEXPECTED if final else outcome.reason, outcome.message, not final) from error
        if self._size is not None and self._offset != self._size:
            raise self._error(Reason.INCOMPLETE, f"{self._offset:,} of {self._size:,} bytes came", broken=True)
        self._check_md5()
        self._notes.unlink(missing_ok=True)
        os.replace(self._part, self._path)
        return self._sure

    def _take_headers(self, answer: Any) -> None:
        """Learns from an answer's headers what the file is, and where in it the answer begins."""
        if self._offset and answer.status_code in (206, 416):
            if answer.status_code == 416 or not self._continues(answer):
                self._validator = None
                raise self._error(Reason.INCOMPLETE, f"from byte {self._offset:,} on it is another file", broken=True)
            return
        if answer.status_code != 200:
            self._raise_status(answer)
        length = answer.headers.get("Content-Length", "")
        self._offset, self._size = 0, int(length) if length.isdecimal() else None
        self._validator, self._md5 = strong_validator(answer.headers), content_md5(answer.headers)
        self._sure = self._size is not None or bool(answer.raw.chunked)
        if (self._size or 0) > self._max_bytes:
            raise self._error(Reason.TOO_LARGE, f"{self._size:,} bytes, more than {self._max_bytes / 1e9:g} GB")
        if (self._size or 0) > shutil.disk_usage(self._path.parent).free:
            raise disk_full(self._path.parent)
        self._notes.write_text(json.dumps({"size": self._size, "validator": self._validator}), "ascii")

    def _continues(self, answer: Any) -> bool:
        """Returns whether a partial answer is of the same file and begins where the bytes received so far end."""
        found = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", answer.headers.get("Content-Range", ""))
        if found is None or int(found[1]) != self._offset or self._size not in (None, int(found[2])):
            return False
        self._size = int(found[2])
        # To a request with If-Range a server need not repeat the date of the last change.
        validator = strong_validator(answer.headers)
        return validator == self._validator or (validator is None and not (self._validator or "").startswith('"'))

    def _raise_status(self, answer: Any) -> None:
        where = "" if answer.url == self._url else f" (redirected to {public_url(answer.url)})"
        message = f"HTTP {answer.status_code} for {public_url(self._url)}{where}"
        outcome = of_status(answer.status_code, message, retry_after_seconds(answer.headers.get("Retry-After")))
        # In the middle of a file a server's error is most likely one of a moment.
        broken = outcome.reason is Reason.SERVER_ERROR and self.furthest > 0
        raise TransferError(outcome.reason, message, outcome.retry_after, broken)

    def _save_body(self, answer: Any) -> None:
        began, received = time.monotonic(), 0
        with self._part.open("r+b" if self._offset else "wb") as file:
            file.seek(self._offset)
            file.truncate()
            while block := answer.raw.read1(_BLOCK, decode_content=False):
                self._check()
                file.write(block)
                self._offset += len(block)
                received += len(block)
                self.furthest = max(self.furthest, self._offset)
                if self._offset > self._max_bytes:
                    raise self._error(Reason.TOO_LARGE, f"more than {self._max_bytes / 1e9:g} GB")
                if (passed := time.monotonic() - began) >= self._web.timeout:
                    if received < self._web.min_rate * passed:
                        raise TimeoutError(f"slower than {self._web.min_rate:g} bytes a second")
                    began, received = time.monotonic(), 0

    def _check_md5(self) -> None:
        if self._md5 is None:
            return
        with self._part.open("rb") as file:
            if hashlib.file_digest(file, "md5").hexdigest() != self._md5:
                self._validator = None  # from the beginning again
                raise self._error(Reason.INCOMPLETE, "not the bytes of the hash that the server gives", broken=True)

    def _error(self, reason: Reason, message: str, broken: bool = False) -> TransferError:
        return TransferError(reason, f"{public_url(self._url)}: {message}", broken=broken)


def _copy_from_bucket(url: str, path: pathlib.Path, check: Callable[[], None], max_bytes: float) -> None:
    import fsspec

    part = path.with_name(f"{path.name}.part")
    source: Any = fsspec.open(url, "rb")
    with source as file, part.open("wb") as target:
        while block := file.read(_BLOCK):
            check()
            if target.tell() + len(block) > max_bytes:
                raise TransferError(Reason.TOO_LARGE, f"{public_url(url)}: more than {max_bytes / 1e9:g} GB")
            target.write(block)
    os.replace(part, path)
