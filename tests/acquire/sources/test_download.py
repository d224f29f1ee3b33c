"""Reading URLs through everything that a server can do to a body."""

from __future__ import annotations

import base64
import hashlib
import random
import time

import pytest
from acquire.loopback import Loopback, Resource

from kinetics_tfds.acquire.outcome import OutcomeClass, Reason
from kinetics_tfds.acquire.source import StoppedError
from kinetics_tfds.acquire.sources.download import TransferError, download
from kinetics_tfds.acquire.sources.web import Web, public_url, quote_url
from kinetics_tfds.errors import AcquireError

BODY = random.Random(0).randbytes(300_000)
QUICK = Web(timeout=1.0, retries=3, retry_wait=0.01)
LONG_AGO = "Thu, 01 Jan 2015 00:00:00 GMT"
SAME = [{"etag": '"one"'}, {"modified": LONG_AGO}, {"etag": 'W/"weak"', "modified": LONG_AGO}]
PERHAPS_ANOTHER = [{}, {"etag": 'W/"weak"'}]


@pytest.fixture
def server():
    with Loopback() as loopback:
        yield loopback


@pytest.fixture
def read(server, tmp_path):
    """Downloads a path of the server, and returns its bytes and whether they are surely right."""

    def read(path="/a.bin", web=QUICK, name="file", **more):
        sure = download(server.url + path, tmp_path / name, web, **more)
        assert not [left.name for left in tmp_path.iterdir() if left.suffix in (".part", ".json")]
        data = (tmp_path / name).read_bytes()
        (tmp_path / name).unlink()
        return data, sure

    return read


def starts(server):
    return [int((request.range or "bytes=0-").removeprefix("bytes=").rstrip("-")) for request in server.requests]


@pytest.mark.parametrize("headers", SAME)
@pytest.mark.parametrize("breaks", ["reset", "short"])
def test_broken_bodies_are_continued(server, read, breaks, headers):
    server.add("/a.bin", BODY, breaks, breaks, "ok", **headers)
    assert read() == (BODY, True)
    first, second, third = starts(server)
    assert first == 0 < second <= 150_000 < third <= 225_000  # never the same byte twice


@pytest.mark.parametrize("headers", PERHAPS_ANOTHER)
def test_a_body_is_begun_again_where_nothing_tells_that_the_file_is_the_same(server, read, headers):
    bodies = iter([BODY[::-1], BODY])  # it changes between the two requests
    server.add("/a.bin", lambda: next(bodies), "short", "ok", **headers)
    assert read() == (BODY, True)
    assert starts(server) == [0, 0]


@pytest.mark.parametrize("behaviour", ["changed", "shifted", "416"])
@pytest.mark.parametrize("headers", SAME[:2])
def test_a_file_that_changes_is_never_spliced(server, read, behaviour, headers):
    server.add("/a.bin", BODY, "short", behaviour, "ok", **headers)
    data, _ = read()
    assert data in (BODY, BODY[::-1])
    assert len(server.requests) <= 3


@pytest.mark.parametrize("headers", SAME[:2])
def test_a_server_that_ignores_if_range_is_found_out(server, read, headers):
    server.add("/a.bin", BODY, "short", **headers)
    other = {"etag": '"two"'} if "etag" in headers else {"modified": "Fri, 02 Jan 2015 00:00:00 GMT"}

    def swap(path):
        if server.requests:
            server.resources[path] = Resource(BODY[::-1], ignores_if_range=True, **other)

    server.override = swap
    assert read() == (BODY[::-1], True)


def test_a_server_without_ranges_is_read_again(server, read):
    server.add("/a.bin", BODY, "short", "ok", ranges=False, etag='"one"')
    assert read() == (BODY, True)


def test_a_body_without_length(server, read):
    server.add("/a.bin", BODY, "ok", chunked=True)
    assert read() == (BODY, True)
    server.add("/b.bin", BODY, "short", "ok", chunked=True)
    assert read("/b.bin") == (BODY, True)
    # Without an end mark nobody can tell a body that was cut from a whole one.
    server.add("/c.bin", BODY, "short", unsized=True)
    assert read("/c.bin") == (BODY[:150_000], False)


@pytest.mark.parametrize("ranges", [True, False])
@pytest.mark.parametrize("behaviour", ["short", "long", "breaks:2500000"])
@pytest.mark.parametrize("headers", [{}, {"etag": '"one"'}])
def test_requests_are_bounded_whatever_the_server_does(server, tmp_path, behaviour, ranges, headers):
    server.add("/a.bin", BODY * 10, behaviour, ranges=ranges, **headers)  # connections may count as useful
    with pytest.raises(TransferError) as caught:
        download(server.url + "/a.bin", tmp_path / "a", QUICK)
    assert caught.value.outcome.reason is Reason.INCOMPLETE
    assert len(server.requests) <= 2 * (1 + QUICK.retries)


def test_a_hash_that_the_server_gives_is_checked(server, read):
    right = base64.b64encode(hashlib.md5(BODY).digest()).decode()
    wrong = base64.b64encode(bytes(16)).decode()
    server.add("/a.bin", BODY, "short", "ok", etag='"one"', headers={"Content-MD5": right})
    server.add("/b.bin", BODY, headers={"x-goog-hash": f"crc32c=n03x6A==,md5={right}"})
    assert read("/a.bin") == read("/b.bin") == (BODY, True)
    server.add("/c.bin", BODY, headers={"Content-MD5": wrong})
    with pytest.raises(TransferError, match="hash"):
        read("/c.bin")
    assert len(server.seen("/c.bin")) == 1 + QUICK.retries


def test_going_on_where_an_earlier_process_was_killed(server, tmp_path):
    server.add("/a.bin", BODY, "short", "429:9", "ok", etag='"one"')
    path = tmp_path / "file"
    with pytest.raises(TransferError):
        download(server.url + "/a.bin", path, QUICK)
    assert not download(server.url + "/a.bin", path, QUICK)  # a power cut may have spoilt what was there
    assert path.read_bytes() == BODY
    assert starts(server)[-1] == 150_000
    assert not download(server.url + "/a.bin", path, QUICK)
    assert len(server.requests) == 3


def test_what_is_too_large_is_refused(server, tmp_path):
    for name, more in (("sized", {}), ("chunked", {"chunked": True})):
        server.add(f"/{name}", BODY, **more)
        with pytest.raises(TransferError) as caught:
            download(f"{server.url}/{name}", tmp_path / name, QUICK, max_bytes=1000)
        assert caught.value.outcome.reason is Reason.TOO_LARGE
    assert not (tmp_path / "sized.part").exists()  # by its length, before a byte came
    server.add("/huge", BODY, headers={"Content-Length": str(1 << 60)}, unsized=True)
    with pytest.raises(AcquireError, match="GB are free"):
        download(f"{server.url}/huge", tmp_path / "huge", QUICK)


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
def test_answers_are_typed(server, read, behaviour, reason, outcome_class):
    server.add("/a.bin", BODY, behaviour)
    with pytest.raises(TransferError) as caught:
        read()
    assert caught.value.outcome.reason is reason
    assert caught.value.outcome.outcome_class is outcome_class
    if ":" in behaviour and behaviour[0] in "45":
        assert caught.value.outcome.retry_after == float(behaviour.partition(":")[2])
        assert len(server.seen("/a.bin")) == 1  # whoever asks for quiet is not asked again


def test_an_error_half_way_is_waited_out_but_a_refusal_is_not(server, read):
    server.add("/a.bin", BODY, "short", "503", "500", "ok")
    assert read()[0] == BODY
    server.add("/b.bin", BODY, "short", "429:3", "ok")
    with pytest.raises(TransferError) as caught:
        read("/b.bin")
    assert caught.value.outcome.retry_after == 3


def test_nobody_listens(tmp_path):
    with Loopback() as server:
        url = server.url
    with pytest.raises(TransferError) as caught:
        download(url + "/a?token=hidden", tmp_path / "a", QUICK)
    assert "hidden" not in str(caught.value)
    assert caught.value.outcome.reason is Reason.CONNECTION


def test_a_dripping_body_is_given_up(server, read):
    server.add("/a.bin", BODY[:4000], "drip:0.02")
    began = time.monotonic()
    with pytest.raises(TransferError) as caught:
        read(web=Web(timeout=0.4, min_rate=1000, retries=1, retry_wait=0.01))
    assert caught.value.outcome.reason is Reason.TIMEOUT
    assert time.monotonic() - began < 40  # to its end it would drip for 80 s


def test_a_slow_body_is_read(server, read):
    server.add("/a.bin", BODY, "slow:0.6")
    assert read()[0] == BODY


def test_redirects_are_followed(server, read):
    server.add("/a.bin", b"", "redirect:/b.bin")
    server.add("/b.bin", BODY, "short", "ok")
    assert read()[0] == BODY


def test_own_headers_stay_with_their_host(server, read):
    seen = []
    server.override = lambda path: seen.append(path)
    with Loopback() as other:
        other.add("/b.bin", BODY)
        server.add("/a.bin", b"", f"redirect:{other.url.replace('127.0.0.1', 'localhost')}/b.bin")
        assert read(web=Web(headers={"X-Token": "secret", "Authorization": "Bearer secret"}))[0] == BODY
        assert server.headers[-1]["X-Token"] == "secret"
        assert "X-Token" not in other.headers[-1]
        assert "Authorization" not in other.headers[-1]


def test_connections_are_kept(server, read):
    server.add("/a.bin", BODY)
    for _ in range(5):
        read()
    assert server.connections == 1


def test_stopping_comes_through(server, read):
    server.add("/a.bin", BODY, "drip:0.05")
    calls = []

    def check():
        calls.append(1)
        if len(calls) > 5:
            raise StoppedError("stopped", "go on")

    with pytest.raises(StoppedError):
        read(check=check)


@pytest.mark.parametrize(
    ("raw", "quoted"),
    [
        ("http://h/a b(c)'s.tar", "http://h/a%20b%28c%29%27s.tar"),
        ("http://h/a%20b.tar", "http://h/a%20b.tar"),
        ("http://h/50% off.tar", "http://h/50%25%20off.tar"),
        ("http://h/é.tar", "http://h/%C3%A9.tar"),
    ],
)
def test_quoting(raw, quoted):
    assert quote_url(raw) == quoted
    assert quote_url(quoted) == quoted


def test_secrets_are_left_out():
    assert public_url("https://user:pw@h/a/b.mp4?X-Amz-Signature=1#x") == "https://h/a/b.mp4"
