"""Storage that fails now and then: what may pass is tried again, and what will not says which path and which right.

Each driver (TensorFlow's, gcsfs, s3fs, the system's own files) brings its own classes of errors. They are told apart
by HTTP status, class name and errno, so that none of the drivers is imported here.
"""

from __future__ import annotations

import enum
import errno
import os
from collections.abc import Callable
from typing import Any, TypeVar

import tenacity

from kinetics_tfds.errors import StorageError

T = TypeVar("T")

_ATTEMPTS = 6  # with the waits between them about half a minute; TensorFlow's driver tries each request itself as well
_FIRST_WAIT_SECONDS = 0.5
_LONGEST_WAIT_SECONDS = 20.0

_TRANSIENT_ERRNOS = frozenset(
    {errno.EBUSY, errno.EREMOTEIO, errno.ETIMEDOUT, errno.ESTALE, errno.EAGAIN, errno.ECONNRESET, errno.ECONNABORTED}
    | {errno.ECONNREFUSED, errno.ENETDOWN, errno.ENETUNREACH, errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.EPIPE}
)
_DENIED_ERRNOS = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
_TENSORFLOW_ERRORS = "tensorflow.python.framework.errors"
_TRANSIENT_TENSORFLOW = frozenset(
    {"UnavailableError", "DeadlineExceededError", "AbortedError", "InternalError", "UnknownError", "CancelledError"}
)
_DRIVERS = frozenset({"aiohttp", "asyncio", "botocore", "gcsfs", "google", "http", "requests", "ssl", "urllib3"})

# What an account needs, by the start of the URL and what is done.
_RIGHTS = {
    "gs://": {
        "read": "storage.objects.get",
        "list": "storage.objects.list",
        "write": "storage.objects.create and storage.objects.delete",
        "remove": "storage.objects.delete",
    },
    "s3://": {"read": "s3:GetObject", "list": "s3:ListBucket", "write": "s3:PutObject", "remove": "s3:DeleteObject"},
}


class Failure(enum.Enum):
    """What an error of a storage means."""

    MISSING = enum.auto()
    DENIED = enum.auto()
    TRANSIENT = enum.auto()
    PERMANENT = enum.auto()


def with_retries(action: str, path: str | os.PathLike[str], function: Callable[..., T], *args: Any) -> T:
    """Calls `function(*args)`; where the storage fails in a way that may pass, calls it again after a while.

    Args:
        action: `read`, `list`, `write` or `remove`.
        path: what is read or written; for the message.
        function: may be called several times.
        *args: its arguments.

    Raises:
        FileNotFoundError: the path does not exist.
        StorageError: the storage refuses, or still fails after some tries.
    """
    attempts = tenacity.Retrying(
        stop=tenacity.stop_after_attempt(_ATTEMPTS),
        wait=tenacity.wait_random_exponential(multiplier=_FIRST_WAIT_SECONDS, max=_LONGEST_WAIT_SECONDS),
        retry=tenacity.retry_if_exception(lambda error: classify(error) is Failure.TRANSIENT),
        reraise=True,
    )
    try:
        return attempts(function, *args)
    except FileNotFoundError:
        raise
    except Exception as error:
        failure = classify(error)
        if failure is None:
            raise
        if failure is Failure.MISSING:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), os.fspath(path)) from error
        raise _storage_error(action, os.fspath(path), failure, error) from error


def classify(error: BaseException) -> Failure | None:
    """Returns what an error means; None for one that does not come from a storage."""
    status = _http_status(error)
    if status is not None:
        return _of_status(status)
    kind = type(error)
    if kind.__module__.startswith(_TENSORFLOW_ERRORS):
        return _of_tensorflow(kind.__name__)
    if isinstance(error, OSError) and kind.__module__.partition(".")[0] not in _DRIVERS:
        return _of_system(error)
    if isinstance(error, TimeoutError):
        return Failure.TRANSIENT
    if kind.__module__.partition(".")[0] in _DRIVERS:
        denied = "Credential" in kind.__name__ or kind.__name__ == "RefreshError"
        return Failure.DENIED if denied else Failure.TRANSIENT
    return None


def _http_status(error: BaseException) -> int | None:
    for name in ("status", "code"):
        try:
            status = int(getattr(error, name, None))  # pyright: ignore[reportArgumentType] - checked by the except
        except (TypeError, ValueError):
            continue
        if 400 <= status < 600:
            return status
    return None


def _of_status(status: int) -> Failure:
    if status in (401, 403):
        return Failure.DENIED
    if status in (404, 410):
        return Failure.MISSING
    return Failure.TRANSIENT if status in (408, 409, 429) or status >= 500 else Failure.PERMANENT


def _of_tensorflow(name: str) -> Failure:
    if name == "NotFoundError":
        return Failure.MISSING
    if name in ("PermissionDeniedError", "UnauthenticatedError"):
        return Failure.DENIED
    return Failure.TRANSIENT if name in _TRANSIENT_TENSORFLOW else Failure.PERMANENT


def _of_system(error: OSError) -> Failure | None:
    if isinstance(error, FileNotFoundError):
        return Failure.MISSING
    # gcsfs says "Forbidden: ..." in an OSError without a number.
    if isinstance(error, PermissionError) or error.errno in _DENIED_ERRNOS or str(error).startswith("Forbidden"):
        return Failure.DENIED
    if isinstance(error, (ConnectionError, TimeoutError)) or error.errno in _TRANSIENT_ERRNOS:
        return Failure.TRANSIENT
    if error.errno is None and error.__cause__ is not None:
        return classify(error.__cause__)
    return Failure.TRANSIENT if error.errno is None else Failure.PERMANENT


def _storage_error(action: str, path: str, failure: Failure, error: BaseException) -> StorageError:
    lines = str(error).strip().splitlines() or ["no message"]
    problem = f"Cannot {action} {path}: {type(error).__name__}: {lines[0][:300]}"
    if failure is Failure.TRANSIENT:
        return StorageError(
            f"{problem} (tried {_ATTEMPTS} times).",
            "The storage or the way to it fails; when it works again, run the same command: it goes on.",
        )
    if failure is Failure.DENIED:
        rights = _RIGHTS.get(path.partition("://")[0] + "://", {}).get(action)
        needed = f"{rights} (docs/buckets.md)" if rights else f"the right to {action} there"
        return StorageError(problem, f"Give this account {needed}; then run the same command again: it goes on.")
    return StorageError(
        problem, "Put right what the message says (a full disk, say), and run the same command again: it goes on."
    )
