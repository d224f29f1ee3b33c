"""What a run must survive: sources that are down, other runs, damaged stores; and what it says and counts then."""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import pathlib
import re
import socket
import subprocess
import sys
import threading
import time

import pytest
from acquire.loopback import Loopback
from media import make_video

from kinetics_tfds.acquire.config import AcquireConfig, CutSettings, RetrySettings
from kinetics_tfds.acquire.ledger.attempt import ledger_table
from kinetics_tfds.acquire.ledger.ledger import read_ledger
from kinetics_tfds.acquire.outcome import Reason
from kinetics_tfds.acquire.rate_limit import SourceStoppedError
from kinetics_tfds.acquire.reports.clip_status import ClipStatus, find_statuses
from kinetics_tfds.acquire.reports.snapshot import take_snapshot
from kinetics_tfds.acquire.run.passes import Run, Summary, acquire
from kinetics_tfds.acquire.source import RateLimit
from kinetics_tfds.acquire.sources.folder import Folder
from kinetics_tfds.acquire.sources.http import Http
from kinetics_tfds.acquire.sources.web import Web
from kinetics_tfds.acquire.sources.youtube import YouTube
from kinetics_tfds.acquire.store.clip_store import open_store
from kinetics_tfds.acquire.store.run_lock import run_lock
from kinetics_tfds.annotations.clip import Clip, Split
from kinetics_tfds.annotations.versions import get_version
from kinetics_tfds.cli.acquire import INCOMPLETE, report
from kinetics_tfds.errors import AcquireError

VERSION = get_version("kinetics600")
PLUGINS = str(pathlib.Path(__file__).parents[1] / "plugins")
QUICK = RateLimit(concurrency=2, first_wait=0.1, longest_wait=0.3, max_refusals=3, max_failures=5)
WEB = Web(retries=0, retry_wait=0.01)


@pytest.fixture(scope="module")
def media(tmp_path_factory) -> bytes:
    path = tmp_path_factory.mktemp("media") / "x.mp4"
    return make_video(path, seconds=2, fps=10, width=96, height=64).read_bytes()


@pytest.fixture
def server():
    with Loopback() as running:
        yield running


def rows(count: int, first: int = 0) -> list[Clip]:
    return [Clip(Split.TRAIN, f"{number:011d}", 0, 2, "archery") for number in range(first, first + count)]


def files(server: Loopback, name: str = "files", **more) -> Http:
    return Http(url=f"{server.url}/{name}/{{youtube_id}}.mp4", name=name, rate_limit=QUICK, web=WEB, **more)


def start(folder: pathlib.Path, clips, *sources, said: list[str] | None = None, **more) -> Summary:
    config = AcquireConfig(
        sources=sources,
        cut=CutSettings(preset="ultrafast"),
        retry=RetrySettings(attempts=3, first_wait=0.05, longest_wait=0.1),
        min_free_gb=0.01,
        workers=1,
        state=folder / "state",
    )
    values = {"store": str(folder / "store"), "config": config, "say": (said if said is not None else []).append}
    return acquire(Run(version=VERSION, clips=tuple(clips), interval=0.1, **(values | more)))


def statuses(folder: pathlib.Path, clips, check: bool = False) -> dict[str, tuple[ClipStatus, str]]:
    store = open_store(folder / "store")
    return {row.clip.youtube_id: (row.status, str(row.reason)) for row in find_statuses(clips, store, VERSION, check)}


def closed_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return bound.getsockname()[1]


def down(server: Loopback, tmp_path) -> Http:
    return Http(url=f"http://127.0.0.1:{closed_port()}/{{youtube_id}}", name="bad", rate_limit=QUICK, web=WEB)


def without_driver(server: Loopback, tmp_path) -> Http:
    return Http(url="abfs://bucket/{youtube_id}.mp4", name="bad", rate_limit=QUICK, web=WEB)


def broken_server(server: Loopback, tmp_path) -> Http:
    server.override = lambda path: "500" if path.startswith("/bad") else None
    return files(server, "bad")


def old_ytdlp(server: Loopback, tmp_path) -> YouTube:
    for clip in rows(30):
        server.add_player(clip.youtube_id, {"playabilityStatus": {"status": "OK"}})
    arguments = {"server": [server.url], "player_skip": ["webpage", "configs", "js", "initial_data"]}
    return YouTube(
        name="bad",
        extractor_args={"youtube": arguments},
        js_runtimes={},
        plugin_dirs=(PLUGINS,),
        retries=0,
        extractor_retries=0,
        request_pause=0.0,
        rate_limit=QUICK,
    )


def no_such_folder(server: Loopback, tmp_path) -> Folder:
    return Folder(path=tmp_path / "nowhere", name="bad", rate_limit=QUICK)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (down, "connection"),
        (without_driver, "Install adlfs"),
        (broken_server, "HTTP 500"),
        (old_ytdlp, "No video formats found"),
        (no_such_folder, "nowhere"),
    ],
)
@pytest.mark.parametrize("count", [2, 30])
def test_a_source_that_fails_for_all_is_left_and_costs_no_row_a_try(tmp_path, server, media, source, words, count):
    """However few rows there are; the next source is tried, and the first one again by the next run."""
    clips = rows(count)
    server.add(f"/good/{clips[0].youtube_id}.mp4", media)
    said: list[str] = []
    with pytest.raises(SourceStoppedError) as error:
        start(tmp_path, clips, source(server, tmp_path), files(server, "good"), said=said)
    assert words in error.value.problem + error.value.next_step
    assert any(line.startswith("bad: ") and error.value.problem in line for line in said)
    asked = [attempt for attempt in read_ledger(open_store(tmp_path / "store")) if attempt.source == "bad"]
    tries = [attempt for attempt in asked if attempt.reason is not Reason.SOURCE_FAILED]
    assert len(tries) <= max(QUICK.max_failures + QUICK.concurrency, 3 * count)
    found = statuses(tmp_path, clips)
    assert found.pop(clips[0].youtube_id) == (ClipStatus.THERE, "stored")
    assert {status for status, _ in found.values()} == {ClipStatus.PENDING}
    # Mended, it serves all of them: three tries each would have been final.
    server.override = lambda path: None
    for clip in clips:
        server.add(f"/files/{clip.youtube_id}.mp4", media)
    mended = dataclasses.replace(files(server), name="bad")
    assert start(tmp_path, clips, mended).stored == count - 1


def test_a_server_that_goes_down_on_the_way_costs_no_try(tmp_path, server, media):
    clips = rows(40)
    for clip in clips:
        server.add(f"/files/{clip.youtube_id}.mp4", media)
    count = iter(range(1000))
    server.override = lambda path: "500" if next(count) >= 8 else None
    for _ in range(4):  # more often than a row has tries
        with pytest.raises(SourceStoppedError, match="units in a row failed"):
            start(tmp_path, clips, files(server))
    server.override = lambda path: None
    summary = start(tmp_path, clips, files(server))
    assert (summary.had + summary.stored, summary.left) == (40, 0)
    assert summary.had >= 6


def test_rows_that_fail_alone_use_up_their_tries_and_end(tmp_path, server, media):
    """More of them than `max_failures`, and they are all that is left."""
    good, bad = rows(12), rows(8, first=100)
    for clip in good:
        server.add(f"/files/{clip.youtube_id}.mp4", media)
    for clip in bad:
        server.add(f"/files/{clip.youtube_id}.mp4", b"", "500")
    limit = dataclasses.replace(QUICK, max_failures=20)
    summary = start(tmp_path, good + bad, dataclasses.replace(files(server), rate_limit=limit))
    assert summary == Summary(had=0, stored=12, left=8, pending=0)
    found = statuses(tmp_path, good + bad)
    assert {found[clip.youtube_id] for clip in bad} == {(ClipStatus.FAILED, "server_error")}
    before = len(server.requests)
    assert start(tmp_path, good + bad, files(server)).pending == 0
    assert len(server.requests) == before


def test_the_most_informative_reason_of_all_sources_shows(tmp_path, server, media):
    clips = rows(3)
    for clip, one, two in zip(clips, ("500", "404", "403"), ("404", "500", "404"), strict=True):
        server.add(f"/one/{clip.youtube_id}.mp4", b"", one)
        server.add(f"/two/{clip.youtube_id}.mp4", b"", two)
    summary = start(tmp_path, clips, files(server, "one"), files(server, "two"))
    assert (summary.left, summary.pending) == (3, 0)
    assert [statuses(tmp_path, clips)[clip.youtube_id] for clip in clips] == [
        (ClipStatus.FAILED, "server_error"),
        (ClipStatus.FAILED, "server_error"),
        (ClipStatus.NEEDS_ACCESS, "forbidden"),
    ]


@pytest.mark.parametrize("refusal", ["429:3", "503:3"])
def test_progress_says_what_retry_after_makes_it_wait_for(tmp_path, server, media, refusal):
    clips = rows(2)
    server.add(f"/files/{clips[0].youtube_id}.mp4", media, refusal, "ok")
    server.add(f"/files/{clips[1].youtube_id}.mp4", media)
    limit = dataclasses.replace(QUICK, concurrency=1, first_wait=0.01)
    said: list[str] = []
    summary = start(tmp_path, clips, dataclasses.replace(files(server), rate_limit=limit), said=said)
    assert summary.stored == 2
    waits = [int(found[1]) for line in said if (found := re.search(r"left alone for (\d+) s, as it asked", line))]
    assert waits
    assert max(waits) <= 3
    first, second = [r.time for r in server.requests if r.path.endswith(f"{clips[0].youtube_id}.mp4")]
    assert second - first >= 3
    assert not [r for r in server.requests if first < r.time < first + 3]


HOLD = """
import sys
from kinetics_tfds.acquire.store.clip_store import open_store
from kinetics_tfds.acquire.store.run_lock import run_lock
with run_lock(open_store(sys.argv[1]), lambda: None):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_run_on_a_store_is_refused_while_the_first_lives(tmp_path, server, media):
    clips = rows(1)
    server.add(f"/files/{clips[0].youtube_id}.mp4", media)
    command = [sys.executable, "-c", HOLD, str(tmp_path / "store")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(AcquireError, match=f"Another run is filling .*: process {other.pid} on "):
            start(tmp_path, clips, files(server))
        assert server.requests == []
        other.kill()
    assert start(tmp_path, clips, files(server)).stored == 1


def test_a_bucket_is_leased_to_one_run(tmp_path, monkeypatch):
    monkeypatch.setattr("kinetics_tfds.acquire.store.run_lock._SETTLE_SECONDS", 0.2)
    store = open_store(f"memory://bucket/{tmp_path.name}")
    with run_lock(store, lambda: None):
        with pytest.raises(AcquireError, match=f"process {os.getpid()}"), run_lock(store, lambda: None):
            pass
        (lease,) = store.read_lines("run.lock")
    with run_lock(store, lambda: None):
        pass
    ended = {**json.loads(lease), "pid": 2**22 + 1}  # of this machine, and no process any more
    store.write_hidden("run.lock", json.dumps(ended).encode())
    with run_lock(store, lambda: None):
        pass
    store.write_hidden("run.lock", json.dumps({**ended, "host": "elsewhere"}).encode())
    with pytest.raises(AcquireError, match="elsewhere"), run_lock(store, lambda: None):
        pass
    store.write_hidden("run.lock", json.dumps({**ended, "host": "elsewhere", "time": time.time() - 200}).encode())
    with run_lock(store, lambda: None):
        pass


def test_a_run_that_lost_its_lease_hears_of_it(tmp_path, monkeypatch):
    monkeypatch.setattr("kinetics_tfds.acquire.store.run_lock._SETTLE_SECONDS", 0.1)
    monkeypatch.setattr("kinetics_tfds.acquire.store.run_lock._RENEW_SECONDS", 0.1)
    store, lost = open_store(f"memory://bucket/{tmp_path.name}"), threading.Event()
    with run_lock(store, lost.set):
        store.write_hidden("run.lock", json.dumps({"token": "of another", "time": time.time()}).encode())
        assert lost.wait(60)
    (lease,) = store.read_lines("run.lock")
    assert json.loads(lease)["token"] == "of another"


@pytest.mark.parametrize(
    ("summary", "code", "word"),
    [
        (Summary(had=1, stored=2, left=0, pending=0), 0, "Complete"),
        (Summary(had=1, stored=2, left=3, pending=0), 0, "Complete"),
        (Summary(had=1, stored=0, left=3, pending=2), INCOMPLETE, "Incomplete"),
        (Summary(had=0, stored=0, left=3, pending=0), 1, "Nothing worked"),
        (Summary(had=0, stored=0, left=3, pending=3), 1, "Nothing worked"),
    ],
)
def test_exit_code_and_last_line(capsys, summary, code, word):
    assert report(summary, "kinetics coverage …") == code
    assert capsys.readouterr().out.startswith(f"{word}: ")


def test_empty_and_damaged_files_are_not_there(tmp_path, server, media):
    """Cut off after they were stored, or put there by the user: coverage and snapshots leave them out."""
    clips = rows(5)
    for clip in clips[:3]:
        server.add(f"/files/{clip.youtube_id}.mp4", media)
    assert start(tmp_path, clips[:3], files(server)).stored == 3
    store = open_store(tmp_path / "store")
    paths = {row.clip: pathlib.Path(store.root, row.path) for row in find_statuses(clips, store, VERSION) if row.path}
    paths[clips[0]].write_bytes(b"")
    paths[clips[1]].write_bytes(media[: len(media) // 2])
    beside = paths[clips[2]].parent
    (beside / f"{clips[3].id}.mp4").write_bytes(b"")
    same_size = bytearray(media)
    same_size[len(media) // 3 : len(media) * 2 // 3] = bytes(len(media) * 2 // 3 - len(media) // 3)
    (beside / f"{clips[4].id}.mp4").write_bytes(same_size)  # the ledger does not know it: its size is all that counts

    def there(check: bool) -> set[str]:
        found = statuses(tmp_path, clips, check)
        there = {video for video, (status, _) in found.items() if status is ClipStatus.THERE}
        assert there == {e.clip.youtube_id for e in take_snapshot(clips, store, VERSION, check=check)}
        return there

    assert there(check=False) == {clips[2].youtube_id, clips[4].youtube_id}
    assert there(check=True) == {clips[2].youtube_id}
    assert start(tmp_path, clips[:3], files(server)).stored == 2  # fetched anew


def test_secrets_reach_no_ledger_report_log_or_error(tmp_path, server, media, caplog):
    caplog.set_level(logging.DEBUG, logger="kinetics_tfds")
    clips = rows(3)
    server.add(f"/files/{clips[0].youtube_id}.mp4", media)
    server.add(f"/files/{clips[1].youtube_id}.mp4", b"", "500")
    secret = server.url.replace("http://", "http://me:pass-word@")
    said: list[str] = []
    source = Http(url=f"{secret}/files/{{youtube_id}}.mp4?token=s3cret", rate_limit=QUICK, web=WEB)
    unreachable = Http(
        url=f"http://me:pass-word@127.0.0.1:{closed_port()}/{{youtube_id}}?token=s3cret",
        name="down",
        rate_limit=QUICK,
        web=WEB,
    )
    with pytest.raises(SourceStoppedError) as error:
        start(tmp_path, clips, source, unreachable, said=said)
    store = open_store(tmp_path / "store")
    reports = json.dumps(ledger_table(read_ledger(store)).to_pylist(), default=str)
    written = b"".join(path.read_bytes() for path in (tmp_path / "store").rglob("*") if path.is_file())
    shared = b"".join(path.read_bytes() for path in (tmp_path / "state").rglob("*") if path.is_file())
    everything = "\n".join([*said, str(error.value), reports, caplog.text]).encode() + written + shared
    for word in (b"s3cret", b"pass-word"):
        assert word not in everything
    assert Reason.STORED in {attempt.reason for attempt in read_ledger(store)}
