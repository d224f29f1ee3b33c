"""Reading URLs through everything that a server can do to a body."""

from __future__ import annotations

import io
import random
import time

import pytest
from acquire.loopback import Loopback

from kinetics_tfds.acquire.outcome import OutcomeClass, Reason
from kinetics_tfds.acquire.source import StoppedError
from kinetics_tfds.acquire.sources.urls import public_url, quote_url
from kinetics_tfds.acquire.sources.web import TransferError, Web, WebFile

BODY = random.Random(0).randbytes(300_000)
QUICK = Web(timeout=1.0, retries=3, retry_wait=0.01)


@pytest.fixture
def server():
    with Loopback() as loopback:
        yield loopback


def read(server, path="/a.bin", web=QUICK, **more):
    with io.BufferedReader(WebFile(server.url + path, web, **more)) as file:
        return file.read()


@pytest.mark.parametrize("etag", [None, '"one"', 'W/"weak"'])
@pytest.mark.parametrize("breaks", ["reset", "short"])
def test_broken_bodies_are_continued(server, breaks, etag):
    server.add("/a.bin", BODY, breaks, breaks, "ok", etag=etag)
    assert read(server) == BODY
    requests = server.seen("/a.bin")
    assert len(requests) == 3
    assert requests[0].range is None
    starts = [int(request.range.removeprefix("bytes=").rstrip("-")) for request in requests[1:]]
    assert 0 < starts[0] <= 150_000 < starts[1] <= 225_000  # never the same byte twice


def test_a_server_without_ranges_is_read_over(server):
    server.add("/a.bin", BODY, "short", "ok", ranges=False)
    assert read(server) == BODY


def test_a_body_without_length(server):
    server.add("/a.bin", BODY, "ok", chunked=True)
    assert read(server) == BODY
    server.add("/b.bin", BODY, "short", "ok", chunked=True, ranges=False)
    assert read(server, "/b.bin") == BODY


@pytest.mark.parametrize("etag", ['"one"'])
def test_a_file_that_changes_is_not_mixed(server, etag):
    server.add("/a.bin", BODY, "short", "changed", etag=etag)
    with pytest.raises(TransferError) as caught:
        read(server)
    assert caught.value.outcome.reason is Reason.INCOMPLETE
    assert "changed" in caught.value.outcome.message


def test_a_range_that_was_not_asked_for(server):
    server.add("/a.bin", BODY, "short", "shifted")
    with pytest.raises(TransferError, match="the server gave"):
        read(server)


def test_given_up_when_nothing_new_comes(server):
    server.add("/a.bin", BODY[:20_000], "short")
    with pytest.raises(TransferError) as caught:
        read(server)
    assert caught.value.outcome.reason is Reason.INCOMPLETE
    assert len(server.seen("/a.bin")) == 1 + QUICK.retries


@pytest.mark.parametrize(
    ("behaviour", "reason", "outcome_class"),
    [
        ("403", Reason.FORBIDDEN, OutcomeClass.NEEDS_ACCESS),
        ("404", Reason.GONE, OutcomeClass.PERMANENT),
        ("410", Reason.GONE, OutcomeClass.PERMANENT),
        ("429:7", Reason.RATE_LIMITED, OutcomeClass.RUN_LEVEL),
        ("451", Reason.GEO_BLOCKED, OutcomeClass.NEEDS_ACCESS),
        ("500", Reason.SERVER_ERROR, OutcomeClass.TRANSIENT),
        ("503", Reason.SERVER_ERROR, OutcomeClass.TRANSIENT),
        ("503:9", Reason.RATE_LIMITED, OutcomeClass.RUN_LEVEL),
        ("redirect:/a.bin", Reason.UNEXPECTED, OutcomeClass.TRANSIENT),
        ("stall:5", Reason.TIMEOUT, OutcomeClass.TRANSIENT),
    ],
)
def test_answers_are_typed(server, behaviour, reason, outcome_class):
    server.add("/a.bin", BODY, behaviour)
    with pytest.raises(TransferError) as caught:
        read(server)
    assert caught.value.outcome.reason is reason
    assert caught.value.outcome.outcome_class is outcome_class
    if ":" in behaviour and behaviour[0] in "45":
        assert caught.value.outcome.retry_after == float(behaviour.partition(":")[2])
        assert len(server.seen("/a.bin")) == 1  # whoever asks for quiet is not asked again


def test_an_error_half_way_is_waited_out_but_a_refusal_is_not(server):
    server.add("/a.bin", BODY, "short", "503", "500", "ok")
    assert read(server) == BODY
    server.add("/b.bin", BODY, "short", "429:3", "ok")
    with pytest.raises(TransferError) as caught:
        read(server, "/b.bin")
    assert caught.value.outcome.retry_after == 3


def test_nobody_listens():
    with Loopback() as server:
        url = server.url
    with pytest.raises(TransferError) as caught:
        WebFile(url + "/a", QUICK).read()
    assert caught.value.outcome.reason is Reason.CONNECTION


def test_a_dripping_body_is_given_up(server):
    server.add("/a.bin", BODY[:4000], "drip:0.02")
    began = time.monotonic()
    with pytest.raises(TransferError) as caught:
        read(server, web=Web(timeout=0.4, min_rate=1000, retries=1, retry_wait=0.01))
    assert caught.value.outcome.reason is Reason.TIMEOUT
    assert time.monotonic() - began < 40  # to its end it would drip for 80 s


def test_a_slow_body_is_read(server):
    server.add("/a.bin", BODY, "slow:0.6")
    assert read(server) == BODY


def test_redirects_are_followed(server):
    server.add("/a.bin", b"", "redirect:/b.bin")
    server.add("/b.bin", BODY, "short", "ok")
    assert read(server) == BODY


def test_own_headers_stay_with_their_host(server):
    seen = []
    server.override = lambda path: seen.append(path)
    with Loopback() as other:
        other.add("/b.bin", BODY)
        server.add("/a.bin", b"", f"redirect:{other.url.replace('127.0.0.1', 'localhost')}/b.bin")
        assert read(server, web=Web(headers={"X-Token": "secret", "Authorization": "Bearer secret"})) == BODY
        assert server.headers[-1]["X-Token"] == "secret"
        assert "X-Token" not in other.headers[-1]
        assert "Authorization" not in other.headers[-1]


def test_connections_are_kept(server):
    server.add("/a.bin", BODY)
    for _ in range(5):
        read(server)
    assert server.connections == 1


def test_stopping_comes_through(server):
    server.add("/a.bin", BODY, "drip:0.05")
    calls = []

    def check():
        calls.append(1)
        if len(calls) > 5:
            raise StoppedError("stopped", "go on")

    with pytest.raises(StoppedError):
        read(server, check=check)


def test_seeking(server):
    server.add("/a.bin", BODY * 10)
    with io.BufferedReader(WebFile(server.url + "/a.bin", QUICK), 1000) as file:
        for position in (2_999_000, 5, 100_000, 50_000, 2_000_000):
            file.seek(position)
            assert file.read(100) == (BODY * 10)[position : position + 100]
        assert file.seek(0, io.SEEK_END) == 3_000_000
        assert file.read() == b""


@pytest.mark.parametrize(
    ("raw", "quoted"),
    [
        ("http://h/a b(c)'s.tar", "http://h/a%20b%28c%29%27s.tar"),
        ("http://h/a%20b.tar", "http://h/a%20b.tar"),
        ("http://h/50% off.tar", "http://h/50%25%20off.tar"),
        ("http://h/é.tar", "http://h/%C3%A9.tar"),
    ],
)
def test_quoting(server, raw, quoted):
    assert quote_url(raw) == quoted
    assert quote_url(quoted) == quoted


def test_secrets_are_left_out():
    assert public_url("https://user:pw@h/a/b.mp4?X-Amz-Signature=1#x") == "https://h/a/b.mp4"
