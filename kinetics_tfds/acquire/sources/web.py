"""Reading a URL as a file, through everything that servers and networks do on the way.

A body that breaks off is continued with a range request from the byte it broke off at. What cannot be mended is a
`TransferError` whose outcome says what to do next.
"""

from __future__ import annotations

import dataclasses
import io
import random
import time
from collections.abc import Callable, Mapping
from typing import Any

from kinetics_tfds.acquire.outcome import Outcome, Reason, of_status, retry_after_seconds
from kinetics_tfds.acquire.sources.session import reason_of, this_threads_session
from kinetics_tfds.acquire.sources.urls import public_url, quote_url

_SKIP = 1 << 20  # a gap up to this many bytes is read over rather than asked for anew
_PROGRESS = 1 << 14  # a connection that brings fewer bytes than this counts as one that brought nothing


class TransferError(OSError):
    """Bytes that cannot be had.

    An `OSError`, so that archive readers let it pass.
    """

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.message)
        self.outcome = outcome


class ChangedError(TransferError):
    """What was read before belongs to another state of the file."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Web:
    """How URLs are read.

    Attributes:
        timeout: seconds without a byte before a connection counts as dead.
        min_rate: bytes a second, over the last `timeout` seconds, below which it counts as dead too.
        retries: connections in a row that may bring next to nothing before the transfer is given up.
        retry_wait: seconds before the first of them, doubled each time up to 30 s, with jitter.
        headers: sent along, to the host of the URL only and not to where it may redirect: for tokens.
    """

    timeout: float = 30.0
    min_rate: float = 1000.0
    retries: int = 5
    retry_wait: float = 1.0
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)


def outcome_of(error: BaseException) -> Outcome:
    """Returns what an error met while reading means for a clip."""
    if isinstance(error, TransferError):
        return error.outcome
    message = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    for kind, reason in (
        (FileNotFoundError, Reason.GONE),
        (PermissionError, Reason.FORBIDDEN),
        (TimeoutError, Reason.TIMEOUT),
        (OSError, Reason.CONNECTION),
    ):
        if isinstance(error, kind):
            return Outcome(reason, message)
    return Outcome(Reason.UNEXPECTED, message)


class WebFile(io.RawIOBase):
    """The body of a URL: read-only, and seekable where the server answers ranges.

    Nothing is asked before the first read.

    Attributes:
        size: bytes in all; None until the first answer, and where the server does not say.
    """

    def __init__(self, url: str, web: Web, check: Callable[[], None] = lambda: None) -> None:
        super().__init__()
        self.size: int | None = None
        self._url, self._web, self._check = quote_url(url), web, check
        self._position = 0
        self._answer: Any = None
        self._answer_position = 0  # of the next byte that the open answer gives
        self._validator: str | None = None
        self._begun = False  # whether the size and the validator are known from an earlier answer
        self._ranges = True  # until the server shows that it does not answer them
        self._useless = 0  # connections in a row that brought next to nothing
        self._received = 0
        self._received_here = 0  # by the open connection
        self._window = (0.0, 0)

    def resume(self, position: int, size: int | None, validator: str | None) -> None:
        """Goes on where an earlier reading of the same file ended.

        Args:
            position: the first byte that is wanted.
            size: `identity` of that reading.
            validator: likewise; if the file has another one by now, reading it fails.
        """
        self._position, self.size, self._validator, self._begun = position, size, validator, True

    @property
    def identity(self) -> tuple[int | None, str | None]:
        """Size and validator that the server gave, None where it gave none."""
        return self.size, self._validator

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes; without ranges, by reading over."""
        return True

    def tell(self) -> int:
        """Returns the position."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Moves the position; the server learns of it at the next read."""
        if whence == io.SEEK_END:
            if self.size is None:
                self._connected()
            if self.size is None:
                raise self._error(Reason.UNEXPECTED, "the server does not say how long the file is")
            offset += self.size
        elif whence == io.SEEK_CUR:
            offset += self._position
        self._position = max(offset, 0)
        return self._position

    def readinto(self, buffer: Any) -> int:
        """Reads what is there, at least one byte but at the end.

        Raises:
            TransferError: the bytes cannot be had.
        """
        while True:
            self._check()
            if self.size is not None and self._position >= self.size:
                return 0
            if not self._connected():
                continue
            gap = self._position - self._answer_position
            block = self._read(min(len(buffer), gap) if gap else len(buffer))
            if block is None or (block and gap):
                continue
            buffer[: len(block)] = block
            self._position += len(block)
            return len(block)

    def close(self) -> None:
        """Drops the connection, if one is open."""
        self._disconnect()
        super().close()

    def _read(self, size: int) -> bytes | None:
        """Returns the next bytes; empty at the end; None where the connection broke."""
        try:
            block = self._answer.raw.read1(size, decode_content=False)
            self._watch_rate(len(block))
        except Exception as error:  # urllib3's, requests' and the socket's own
            self._broken(reason_of(error), f"{type(error).__name__}: {error}")
            return None
        if block:
            self._received += len(block)
            self._received_here += len(block)
            self._answer_position += len(block)
            if self._received_here >= _PROGRESS:
                self._useless = 0
            return block
        if self.size is None:
            self.size = self._answer_position  # a body without a length that ended properly
            self._disconnect()
            return b""
        self._broken(Reason.INCOMPLETE, f"{self._answer_position} of {self.size} bytes came")
        return None

    def _connected(self) -> bool:
        if self._answer is not None:
            gap = self._position - self._answer_position
            if 0 <= gap <= _SKIP or (gap > 0 and not self._ranges):
                return True
        self._disconnect()
        try:
            self._open()
        except TransferError as error:
            # Nothing came yet: the outcome decides when to come back, not this loop.
            temporary = error.outcome.reason is Reason.SERVER_ERROR and error.outcome.retry_after is None
            if not self._received or not temporary:
                raise
            self._broken(error.outcome.reason, error.outcome.message)
            return False
        except Exception as error:  # urllib3's, requests' and the socket's own
            if not self._received and self._useless >= 1:
                raise self._error(reason_of(error), f"{type(error).__name__}: {error}") from error
            self._broken(reason_of(error), f"{type(error).__name__}: {error}")
            return False
        return True

    def _open(self) -> None:
        headers = {"Accept-Encoding": "identity", **self._web.headers}
        if self._position:
            headers["Range"] = f"bytes={self._position}-"
            if self._validator is not None:
                headers["If-Range"] = self._validator
        session = this_threads_session()
        session.private = tuple(self._web.headers)
        answer = session.get(self._url, headers=headers, stream=True, timeout=self._web.timeout)
        try:
            self._answer_position = self._take_headers(answer)
        except BaseException:
            answer.close()
            raise
        self._answer = answer
        self._received_here = 0
        self._window = (time.monotonic(), self._received)

    def _take_headers(self, answer: Any) -> int:
        """Returns the position of the first byte that an answer gives."""
        if answer.status_code not in (200, 206):
            retry_after = retry_after_seconds(answer.headers.get("Retry-After"))
            where = "" if answer.url == self._url else f" (redirected to {public_url(answer.url)})"
            raise TransferError(
                of_status(
                    answer.status_code, f"HTTP {answer.status_code} for {public_url(self._url)}{where}", retry_after
                )
            )
        validator = answer.headers.get("ETag") or answer.headers.get("Last-Modified")
        if validator is not None and validator.startswith("W/"):
            validator = None  # a weak one does not promise equal bytes
        start, size = 0, _whole_number(answer.headers.get("Content-Length"))
        if answer.status_code == 206:
            start, size = _content_range(answer.headers.get("Content-Range", ""))
        if self._begun and (validator != self._validator or (None not in (size, self.size) and size != self.size)):
            raise ChangedError(Outcome(Reason.INCOMPLETE, f"{public_url(self._url)}: changed while it was read"))
        if start != self._position:
            if start != 0:
                raise self._error(Reason.INCOMPLETE, f"asked for byte {self._position}, the server gave {start}")
            self._ranges = False  # all from the start again: what is known already is read over
        self.size, self._validator, self._begun = size, validator, True
        return start

    def _watch_rate(self, received: int) -> None:
        """Raises `TimeoutError` where bytes come, but too few: such a body would take for ever."""
        began, before = self._window
        passed = time.monotonic() - began
        if passed >= self._web.timeout:
            if (self._received + received - before) / passed < self._web.min_rate:
                raise TimeoutError(f"slower than {self._web.min_rate:g} bytes a second")
            self._window = (time.monotonic(), self._received + received)

    def _broken(self, reason: Reason, message: str) -> None:
        self._disconnect()
        self._useless += 1
        if self._useless > self._web.retries:
            raise self._error(reason, message)
        until = time.monotonic() + min(self._web.retry_wait * 2 ** (self._useless - 1), 30.0) * random.uniform(0.5, 1.0)
        while (left := until - time.monotonic()) > 0:
            self._check()
            time.sleep(min(left, 0.2))

    def _disconnect(self) -> None:
        if self._answer is not None:
            self._answer.close()
            self._answer = None

    def _error(self, reason: Reason, message: str) -> TransferError:
        return TransferError(Outcome(reason, f"{public_url(self._url)}: {message}"))


def _whole_number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdigit() else None


def _content_range(text: str) -> tuple[int, int | None]:
    """Reads `bytes 100-199/1000`; returns the first byte (-1 where it makes no sense) and the size in all."""
    unit, _, rest = text.partition(" ")
    span, _, size = rest.partition("/")
    start = _whole_number(span.partition("-")[0])
    return (-1 if unit != "bytes" or start is None else start), _whole_number(size)
