from __future__ import annotations

import errno
import http.client
import os

import pytest
import requests
import tensorflow as tf

from kinetics_tfds import retrying
from kinetics_tfds.errors import StorageError
from kinetics_tfds.retrying import Failure, classify, with_retries


def tensorflow_error(name):
    return getattr(tf.errors, name)(None, None, "message")


def wrapped(cause):
    error = OSError("HttpError: in a class of its own")
    error.__cause__ = cause
    return error


class HttpError(Exception):
    """As gcsfs has it."""

    def __init__(self, code):
        super().__init__("message")
        self.code = code


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (FileNotFoundError(errno.ENOENT, "gone"), Failure.MISSING),
        (tensorflow_error("NotFoundError"), Failure.MISSING),
        (HttpError(404), Failure.MISSING),
        (PermissionError(errno.EACCES, "no"), Failure.DENIED),
        (OSError(errno.EROFS, "read only"), Failure.DENIED),
        (OSError("Forbidden: https://storage.googleapis.com/bucket"), Failure.DENIED),
        (tensorflow_error("PermissionDeniedError"), Failure.DENIED),
        (wrapped(HttpError("403")), Failure.DENIED),
        (HttpError(503), Failure.TRANSIENT),
        (HttpError(429), Failure.TRANSIENT),
        (OSError(errno.EBUSY, "SlowDown"), Failure.TRANSIENT),
        (OSError(errno.ESTALE, "a mount that came back"), Failure.TRANSIENT),
        (ConnectionResetError(), Failure.TRANSIENT),
        (TimeoutError(), Failure.TRANSIENT),
        (requests.ConnectionError("reset"), Failure.TRANSIENT),
        (http.client.IncompleteRead(b""), Failure.TRANSIENT),
        (tensorflow_error("UnavailableError"), Failure.TRANSIENT),
        (wrapped(HttpError(500)), Failure.TRANSIENT),
        (OSError(errno.ENOSPC, "full"), Failure.PERMANENT),
        (HttpError(400), Failure.PERMANENT),
        (tensorflow_error("ResourceExhaustedError"), Failure.PERMANENT),
        (ZeroDivisionError("a bug"), None),
        (ValueError("a bug"), None),
    ],
)
def test_what_an_error_means(error, failure):
    assert classify(error) is failure


def test_errors_of_s3_are_known():
    errors = pytest.importorskip("s3fs.errors")
    client = pytest.importorskip("botocore.exceptions")
    for code, failure in {
        "SlowDown": Failure.TRANSIENT,
        "500": Failure.TRANSIENT,
        "AccessDenied": Failure.DENIED,
    }.items():
        error = client.ClientError({"Error": {"Code": code, "Message": "message"}}, "GetObject")
        assert classify(errors.translate_boto_error(error)) is failure
    assert classify(client.EndpointConnectionError(endpoint_url="http://127.0.0.1")) is Failure.TRANSIENT
    assert classify(client.NoCredentialsError()) is Failure.DENIED


@pytest.fixture
def at_once(monkeypatch):
    monkeypatch.setattr(retrying, "_LONGEST_WAIT_SECONDS", 0.0)


class Failing:
    def __init__(self, *errors):
        self.errors = list(errors)

    def __call__(self, value):
        if self.errors:
            raise self.errors.pop(0)
        return value


def test_what_may_pass_is_tried_again(at_once):
    function = Failing(HttpError(503), ConnectionResetError(), TimeoutError())
    assert with_retries("read", "gs://bucket/x", function, 7) == 7


def test_what_does_not_pass_says_so(at_once):
    function = Failing(*[HttpError(503)] * 100)
    with pytest.raises(StorageError, match=r"Cannot write gs://bucket/x: .* \(tried 6 times\)"):
        with_retries("write", "gs://bucket/x", function, 7)
    assert len(function.errors) == 94


@pytest.mark.parametrize(
    ("path", "action", "right"),
    [
        ("gs://bucket/x", "write", "storage.objects.create and storage.objects.delete (docs/buckets.md)"),
        ("s3://bucket/x", "list", "s3:ListBucket (docs/buckets.md)"),
        ("/data/x", "remove", "the right to remove there"),
    ],
)
def test_what_is_refused_names_the_path_and_the_right(path, action, right):
    function = Failing(PermissionError(errno.EACCES, os.strerror(errno.EACCES)), AssertionError("tried again"))
    with pytest.raises(StorageError, match=f"Cannot {action} {path}: PermissionError") as caught:
        with_retries(action, path, function, 7)
    assert right in caught.value.next_step
    assert len(function.errors) == 1


def test_what_is_missing_is_missing_by_any_driver():
    for error in (tensorflow_error("NotFoundError"), HttpError(404), FileNotFoundError()):
        with pytest.raises(FileNotFoundError):
            with_retries("read", "gs://bucket/x", Failing(error), 7)


def test_bugs_are_raised_as_they_are():
    with pytest.raises(ZeroDivisionError):
        with_retries("read", "x", Failing(ZeroDivisionError()), 7)
