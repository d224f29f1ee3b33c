"""Whole runs in this process, against a real server through the real yt-dlp."""

from __future__ import annotations

import collections
import errno
import pathlib
import threading
import time

import pytest
from acquire.loopback import Loopback
from media import make_video

from kinetics_tfds.acquire.config import AcquireConfig, CheckSettings, CutSettings, RetrySettings
from kinetics_tfds.acquire.ledger.attempt import Attempt
from kinetics_tfds.acquire.ledger.attempts_by_clip import AttemptsByClip, LastAttempt
from kinetics_tfds.acquire.ledger.ledger import read_ledger
from kinetics_tfds.acquire.outcome import OutcomeClass, Reason
from kinetics_tfds.acquire.run.passes import Run, acquire, run_pass_here, sample_rows
from kinetics_tfds.acquire.run.schedule import NEVER, RetryRules, make_schedule, next_try
from kinetics_tfds.acquire.run.stop import stopping
from kinetics_tfds.acquire.source import RateLimit, StoppedError
from kinetics_tfds.acquire.sources.youtube import YouTube
from kinetics_tfds.acquire.store.clip_store import open_store
from kinetics_tfds.annotations.clip import Clip, Split
from kinetics_tfds.annotations.versions import get_version
from kinetics_tfds.decode.probe import probe_media
from kinetics_tfds.errors import AcquireError

VERSION = get_version("kinetics600")


@pytest.fixture(scope="module")
def media(tmp_path_factory) -> bytes:
    path = tmp_path_factory.mktemp("media") / "x.mp4"
    return make_video(path, seconds=6, fps=10, width=96, height=64, audio=True).read_bytes()


@pytest.fixture
def server():
    with Loopback() as running:
        yield running


def clip(name: str, start: float = 1, end: float = 4, label: str | None = "archery") -> Clip:
    return Clip(Split.TRAIN, name.ljust(11, "0"), start, end, label)


def site(server: Loopback, **more) -> YouTube:
    """Videos on a plain site, through yt-dlp's generic extractor."""
    settings = {
        "name": "site",
        "url": server.url + "/watch/{youtube_id}",
        "retries": 0,
        "extractor_retries": 0,
        "timeout": 20.0,
        "request_pause": 0.0,
        "rate_limit": RateLimit(concurrency=2, first_wait=0.2, longest_wait=1.0, max_refusals=3),
    }
    return YouTube(**(settings | more))


def start(tmp_path: pathlib.Path, clips, *sources, **more) -> Run:
    config = AcquireConfig(
        sources=sources,
        cut=CutSettings(preset="ultrafast", crf=30),
        check=CheckSettings(min_duration=1.0),
        retry=RetrySettings(attempts=3, first_wait=0.1, longest_wait=0.2),
        min_free_gb=0.01,
        workers=1,
        state=tmp_path / "state",
    )
    said: list[str] = []
    values = {
        "version": VERSION,
        "clips": tuple(clips),
        "store": str(tmp_path / "store"),
        "config": config,
        "say": said.append,
        "interval": 0.2,
    }
    run = Run(**(values | more))
    object.__setattr__(run, "said", said)
    return run


def reasons(tmp_path: pathlib.Path, source: str = "site") -> dict[str, Reason]:
    last = {}
    for record in sorted(read_ledger(open_store(tmp_path / "store")), key=lambda record: record.time):
        if record.source == source:
            last[record.clip.youtube_id.rstrip("0")] = record.reason
    return last


def test_one_download_a_video_and_whole_clips(tmp_path, server, media):
    clips = [clip("a", 0, 3), clip("a", 2, 5), clip("b", label=None), clip("c", 4, 14)]
    for name in "abc":
        server.add(f"/watch/{name.ljust(11, '0')}", media)
    summary = acquire(start(tmp_path, clips, site(server)))
    assert (summary.had, summary.stored, summary.left) == (0, 4, 0)
    # yt-dlp looks at a page's head before it downloads: two requests a video, however many clips it serves.
    assert collections.Counter(r.path for r in server.seen("/watch")).most_common(1)[0][1] == 2
    store = tmp_path / "store"
    assert {p.relative_to(store).as_posix() for p in store.rglob("*.mp4")} == {
        "train/archery/a0000000000_000000_000003.mp4",
        "train/archery/a0000000000_000002_000005.mp4",
        "train/b0000000000_000001_000004.mp4",
        "train/archery/c0000000000_000004_000014.mp4",
    }
    durations = {p.name[0]: probe_media(str(p)).duration for p in store.rglob("*.mp4")}
    assert durations == {"a": pytest.approx(3, abs=0.1), "b": pytest.approx(3, abs=0.1), "c": pytest.approx(2, abs=0.1)}
    assert list((store / ".acquire" / "tmp").iterdir()) == []
    records = list(read_ledger(open_store(store)))
    assert all((store / r.path).stat().st_size == r.bytes for r in records)
    assert {r.cut for r in records} == {"reencoded"}
    before = len(server.requests)
    again = acquire(start(tmp_path, clips, site(server)))
    assert (again.had, again.stored) == (4, 0)
    assert len(server.requests) == before


def test_every_kind_of_end(tmp_path, server, media):
    ends = {
        "gone": (("404",), Reason.GONE, 1),
        "flaky": (("503", "ok"), Reason.STORED, 2),
        "broken": (("503",), Reason.SERVER_ERROR, 3),
        "forbid": (("403",), Reason.FORBIDDEN, 1),
        "html": (("html",), None, 3),
        "cut": (("short",), None, 3),
    }
    for name, (behaviours, _, _) in ends.items():
        server.add(f"/watch/{name.ljust(11, '0')}", media, *behaviours, ranges=False)
    run = start(tmp_path, [clip(name) for name in ends], site(server))
    summary = acquire(run)
    assert (summary.stored, summary.left) == (1, 5)
    records = list(read_ledger(open_store(tmp_path / "store")))
    attempts = collections.Counter(r.clip.youtube_id.rstrip("0") for r in records)
    assert attempts == {name: tries for name, (_, _, tries) in ends.items()}
    for name, (_, reason, _) in ends.items():
        found = reasons(tmp_path)[name]
        assert (
            found is reason
            if reason
            else found in (Reason.NOT_MEDIA, Reason.INCOMPLETE, Reason.UNEXPECTED, Reason.UNKNOWN)
        )
    before = len(server.requests)
    acquire(start(tmp_path, run.clips, site(server)))
    assert len(server.requests) == before  # nothing is due any more
    server.add(f"/watch/{'forbid'.ljust(11, '0')}", media)
    summary = acquire(start(tmp_path, run.clips, site(server), force=frozenset({OutcomeClass.NEEDS_ACCESS})))
    assert (summary.stored, summary.left) == (1, 4)


def test_one_slow_video_holds_up_no_other(tmp_path, server, media):
    """The first unit lasts until all others were asked for: the second place at the source serves them."""
    names = [f"v{number:02d}" for number in range(15)]
    first = names[0].ljust(11, "0")  # of a work list of one shard, in the order of ids

    def when_others_were_asked_for() -> bytes:
        end = time.monotonic() + 60
        while len({request.path for request in server.seen("/watch")}) < len(names) and time.monotonic() < end:
            time.sleep(0.05)
        return media

    for name in names:
        server.add(f"/watch/{name.ljust(11, '0')}", b"", "404")
    server.add(f"/watch/{first}", when_others_were_asked_for)
    source = site(server, timeout=200.0, rate_limit=RateLimit(concurrency=2))
    assert acquire(start(tmp_path, [clip(name) for name in names], source)).stored == 1
    times = {record.clip.youtube_id: record.time for record in read_ledger(open_store(tmp_path / "store"))}
    assert sorted(times, key=lambda video: times[video])[-1] == first


def test_sources_are_tried_in_order(tmp_path, server, media):
    server.add("/one/a0000000000", media)
    for name in "ab":
        server.add(f"/two/{name}0000000000", media)
    one, two = (site(server, name=n, url=f"{server.url}/{n}/{{youtube_id}}") for n in ("one", "two"))
    summary = acquire(start(tmp_path, [clip("a"), clip("b"), clip("c")], one, two))
    assert (summary.stored, summary.left) == (2, 1)
    assert reasons(tmp_path, "one") == {"a": Reason.STORED, "b": Reason.GONE, "c": Reason.GONE}
    assert reasons(tmp_path, "two") == {"b": Reason.STORED, "c": Reason.GONE}
    assert server.seen("/two/a") == []


def test_refusals_stop_the_run_and_it_goes_on_later(tmp_path, server, media):
    names = [f"v{number}" for number in range(6)]
    for name in names:
        server.add(f"/watch/{name.ljust(11, '0')}", media)
    count = [0]

    def refuse(path: str) -> str | None:
        count[0] += 1
        return "429:0" if count[0] > 4 else None

    server.override = refuse
    run = start(
        tmp_path,
        [clip(name) for name in names],
        site(server, rate_limit=RateLimit(concurrency=1, first_wait=0.1, longest_wait=0.3, max_refusals=3)),
    )
    with pytest.raises(AcquireError, match="3 refusals in a row"):
        acquire(run)
    assert count[0] == 4 + 3
    server.override = lambda path: None
    summary = acquire(start(tmp_path, run.clips, *run.config.sources))
    assert (summary.had + summary.stored, summary.left) == (6, 0)


def test_stopping_leaves_nothing_half_done(tmp_path, server, media):
    server.add(f"/watch/{'slow'.ljust(11, '0')}", media, "slow:600")
    server.add(f"/watch/{'fast'.ljust(11, '0')}", media)
    run = start(tmp_path, [clip("slow"), clip("fast")], site(server))

    def stop_soon(task, work) -> None:
        def stop() -> None:
            while not list(read_ledger(open_store(tmp_path / "store"))):
                time.sleep(0.05)
            stopping.set()

        threading.Thread(target=stop, daemon=True).start()
        run_pass_here(task, work)

    object.__setattr__(run, "run_pass", stop_soon)
    try:
        with pytest.raises(StoppedError):
            acquire(run)
    finally:
        stopping.clear()
    assert reasons(tmp_path) == {"fast": Reason.STORED}
    assert [p.name for p in (tmp_path / "store").rglob("*.mp4")] == ["fast0000000_000001_000004.mp4"]
    assert list((tmp_path / "store/.acquire/tmp").iterdir()) == []


def test_a_full_disk_stops_before_anything_is_fetched(tmp_path, server, media):
    import dataclasses

    server.add(f"/watch/{'a'.ljust(11, '0')}", media)
    run = start(tmp_path, [clip("a")], site(server))
    run = dataclasses.replace(run, config=dataclasses.replace(run.config, min_free_gb=1e9))
    with pytest.raises(AcquireError, match="min_free_gb"):
        acquire(run)
    assert server.requests == []


def test_a_disk_that_fills_up_meanwhile_ends_the_run_with_the_way_on(tmp_path, server, media, monkeypatch):
    server.add(f"/watch/{'a'.ljust(11, '0')}", media)
    run = start(tmp_path, [clip("a")], site(server))

    def full(self, data):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("kinetics_tfds.acquire.ledger.ledger._LocalFile.append", full)
    with pytest.raises(AcquireError, match="are free at"):
        acquire(run)
    monkeypatch.undo()
    assert not list((tmp_path / "store").rglob("*.mp4"))  # none without a record of its origin
    assert acquire(start(tmp_path, run.clips, *run.config.sources)).stored == 1


def test_a_lost_clip_is_fetched_again(tmp_path, server, media):
    server.add(f"/watch/{'a'.ljust(11, '0')}", media)
    run = start(tmp_path, [clip("a")], site(server))
    acquire(run)
    (path,) = (tmp_path / "store").rglob("*.mp4")
    path.unlink()
    assert acquire(start(tmp_path, run.clips, site(server))).stored == 1
    assert [record.attempt for record in read_ledger(open_store(tmp_path / "store"))] == [1, 1]


def test_progress_tells_rate_end_and_outcomes(tmp_path, server, media):
    for name in "ab":
        server.add(f"/watch/{name.ljust(11, '0')}", media, "slow:0.5")
    run = start(tmp_path, [clip("a"), clip("b"), clip("gone")], site(server, rate_limit=RateLimit(concurrency=1)))
    acquire(run)
    lines = [line for line in run.said if line.startswith("site:")]  # type: ignore[attr-defined]
    assert any("about" in line and "to go (until" in line for line in lines)
    assert "3 of 3 clips, 3 of 3 units (2 stored, 1 not there)" in lines[-2]


def test_a_store_in_a_bucket(tmp_path, server, media):
    """The same run, with nothing but objects to keep clips, ledger and work lists in."""
    for name in "ab":
        server.add(f"/watch/{name.ljust(11, '0')}", media)
    root = f"memory://bucket/{tmp_path.name}"
    clips = [clip("a", 0, 3), clip("a", 2, 5), clip("b"), clip("gone")]
    assert acquire(start(tmp_path, clips, site(server), store=root)).stored == 3
    store = open_store(root)
    assert len(store.listing().media) == 3
    assert sorted(record.reason for record in read_ledger(store)) == ["gone", "stored", "stored", "stored"]
    again = acquire(start(tmp_path, clips, site(server), store=root))
    assert (again.had, again.stored, again.left) == (3, 0, 1)


RULES = RetryRules(
    RetrySettings(attempts=3, first_wait=100, longest_wait=150, recheck_hours=1, rechecks=1), began=5000.0
)


@pytest.mark.parametrize(
    ("reason", "attempts", "low", "high"),
    [
        (Reason.PRIVATE, 1, NEVER, NEVER),
        (Reason.GEO_BLOCKED, 1, NEVER, NEVER),
        (Reason.STORED, 1, 0, 0),
        (Reason.BOT_CHECK, 9, 0, 0),
        (Reason.TIMEOUT, 1, 1100, 1125),
        (Reason.TIMEOUT, 2, 1150, 1188),
        (Reason.TIMEOUT, 3, NEVER, NEVER),
        (Reason.UNAVAILABLE, 1, 4600, 4600),
        (Reason.UNAVAILABLE, 2, NEVER, NEVER),
    ],
)
def test_when_a_row_is_due(reason, attempts, low, high):
    assert low <= next_try("train/x", LastAttempt(reason, attempts, 1000.0), RULES) <= high


def test_forcing_a_class_counts_once_a_run():
    rules = RetryRules(RULES.retry, began=5000.0, force=frozenset({OutcomeClass.PERMANENT}))
    assert next_try("x", LastAttempt(Reason.PRIVATE, 1, 1000.0), rules) == 0
    assert next_try("x", LastAttempt(Reason.PRIVATE, 2, 5001.0), rules) == NEVER


def attempt(row: Clip, reason: Reason, time: float, source: str = "s") -> Attempt:
    return Attempt(clip=row, source=source, reason=reason, time=time)


def test_find_due_sorts_all_rows():
    rows = [clip(name) for name in ("new", "have", "gone", "soon", "odd")]
    states = AttemptsByClip(
        [
            attempt(rows[2], Reason.GONE, 0.0),
            attempt(rows[3], Reason.TIMEOUT, 950.0),
            attempt(rows[3], Reason.GONE, 0.0, source="t"),
            attempt(rows[4], Reason.UNAVAILABLE, 900.0),
        ]
    )
    due = make_schedule(rows, {rows[1]}.__contains__, states, "s", RULES, now=1000.0)
    assert (due.now, due.later, due.another_day, due.final) == ([rows[0]], 1, 1, 1)


def test_choosing_rows():
    rows = [clip(f"v{number}", label="archery" if number % 2 else "abseiling") for number in range(100)]
    assert sample_rows(rows, None, None) == tuple(rows)
    assert len(sample_rows(rows, {"archery"}, None)) == 50
    few = sample_rows(rows, None, 10)
    assert len(few) == 10
    assert set(few) <= set(sample_rows(rows, None, 20))
    assert {c.label for c in few} == {"archery", "abseiling"}
