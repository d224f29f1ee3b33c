"""The whole command as a user runs it, killed on the way, against a small internet that misbehaves."""

from __future__ import annotations

import collections
import itertools
import json
import os
import pathlib
import random
import signal
import subprocess
import sys

import pytest
from acquire.loopback import Loopback
from acquire.world import LENGTH, UNITS_PER_HOUR, World, make_world

from kinetics_tfds.acquire.ledger.attempt import Attempt
from kinetics_tfds.acquire.ledger.ledger import read_ledger
from kinetics_tfds.acquire.outcome import OutcomeClass, Reason
from kinetics_tfds.acquire.reports.clip_status import ClipStatus, find_statuses
from kinetics_tfds.acquire.store.clip_store import file_digest, open_store
from kinetics_tfds.annotations.versions import get_version
from kinetics_tfds.cli.acquire import INCOMPLETE
from kinetics_tfds.clips.media import Span
from kinetics_tfds.decode.clip import decode_clip
from kinetics_tfds.decode.types import DecodeRequest, DecodeSettings


def command(world: World, store: pathlib.Path, *more: str) -> list[str]:
    return [
        *(sys.executable, "-m", "beam_pipelines.acquire", "--dataset=kinetics600", "--split=validation"),
        *(f"--store={store}", f"--annotations={world.lists}", f"--config={world.root / 'config.yaml'}", "--interval=1"),
        *more,
    ]


def run_killed(arguments: list[str], chance: random.Random, seconds: tuple[float, float], repo: pathlib.Path) -> None:
    """Starts the command and ends it on the way: the process alone or its whole group, at once or by asking."""
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(arguments, cwd=repo, stdout=quiet, stderr=quiet, start_new_session=True)
    kill, number = chance.choice(
        [
            (os.kill, signal.SIGKILL),
            (os.killpg, signal.SIGKILL),
            (os.killpg, signal.SIGTERM),
            (os.killpg, signal.SIGINT),
        ]
    )
    try:
        process.wait(chance.uniform(*seconds))
    except subprocess.TimeoutExpired:
        kill(process.pid, number)
        process.wait(60)


def bot_checks(server: Loopback, after: int, many: int) -> None:
    """From the request for a player number `after` on, the site refuses `many` times, in both of its ways."""
    seen = [0]

    def override(path: str) -> str | None:
        if not path.startswith("/player/"):
            return None
        seen[0] += 1
        if not after < seen[0] <= after + many:
            return None
        return "429:0" if seen[0] % 2 else "redirect:/botcheck"

    server.override = override


def go(world: World, store: pathlib.Path, repo: pathlib.Path, kills: int, seconds: tuple[float, float]) -> str:
    chance = random.Random(1)
    for _ in range(kills):
        run_killed(command(world, store), chance, seconds, repo)
    last = subprocess.run(command(world, store), cwd=repo, capture_output=True, text=True, timeout=280)
    assert last.returncode == INCOMPLETE, last.stderr  # some are unclear, and are checked again a day later
    return last.stdout


def check(world: World, store_folder: pathlib.Path) -> None:
    store = open_store(store_folder)
    records = list(read_ledger(store))
    statuses = {row.clip: row for row in find_statuses(world.clips, store, get_version("kinetics600"))}
    check_ends(world, statuses, records)
    check_clips(store_folder, statuses)
    check_requests(world, records)
    assert list((store_folder / ".acquire" / "tmp").iterdir()) == []  # nor work lists of killed runs
    assert {path.name for path in (store_folder / ".acquire").iterdir()} == {
        "ledger",
        "run.lock",
        "settings.json",
        "tmp",
    }
    outside = {path.name for path in store_folder.parent.iterdir()}
    assert not any("escape" in name or "link_" in name for name in outside | {p.name for p in store_folder.rglob("*")})


STATUSES = {
    OutcomeClass.DONE: ClipStatus.THERE,
    OutcomeClass.PERMANENT: ClipStatus.GONE,
    OutcomeClass.NEEDS_ACCESS: ClipStatus.NEEDS_ACCESS,
    OutcomeClass.TRANSIENT: ClipStatus.FAILED,
    OutcomeClass.AMBIGUOUS: ClipStatus.PENDING,
}


def check_ends(world: World, statuses, records: list[Attempt]) -> None:
    wrong = {}
    for clip, (source, reason) in world.ends.items():
        row = statuses[clip]
        expected = STATUSES[Reason(reason).outcome_class]
        last = row.attempt
        found = (last.source, str(last.reason)) if last is not None else None
        if found != (source, reason) or row.status is not expected:
            wrong[clip.id] = (source, reason), row.status, found, last.message if last else None
    assert not wrong, wrong
    refused = {record.reason for record in records if record.outcome_class == "run_level"}
    assert refused >= {"bot_check", "rate_limited"}
    assert all(record.outcome_class is record.reason.outcome_class for record in records)
    assert all(record.fetcher and record.run and record.time for record in records)


def check_clips(store: pathlib.Path, statuses) -> None:
    for row in statuses.values():
        if row.status is not ClipStatus.THERE:
            continue
        path = store / row.path
        assert file_digest(path) == (row.attempt.sha256, row.attempt.bytes)
        request = DecodeRequest("x", str(path), Span.TRIMMED, 0, LENGTH)
        clip = decode_clip(request, DecodeSettings(short_side=16, fps=None))
        assert clip.duration == pytest.approx(LENGTH, abs=0.1)
    files = {path.relative_to(store).as_posix() for path in store.rglob("*.m*") if ".acquire" not in path.parts}
    assert files == {row.path for row in statuses.values() if row.path}


def check_requests(world: World, records: list[Attempt]) -> None:
    stored_at: dict[str, float] = {}
    for record in records:
        if record.reason == "stored":
            # The last one: a run that is killed between writing down and showing a clip gets it again.
            stored_at[record.clip.key] = max(record.time, stored_at.get(record.clip.key, record.time))
    rows = collections.defaultdict(list)
    for clip in world.clips:
        rows[clip.youtube_id].append(clip)
    for prefix in ("/media/", "/files/validation/", "/player/"):
        for request in world.server.seen(prefix):
            video = request.path.removeprefix(prefix)[:11]
            times = [stored_at.get(clip.key, float("inf")) for clip in rows[video]]
            # Nothing is asked for again once all that it serves is in the store.
            assert request.time <= max(times) + 0.01, request
    # Every video that was asked for had its turn before: killed runs may have taken turns and asked nothing.
    begun = json.loads((world.root / "state" / "rate_limit" / "youtube.json").read_text())["begun"]
    assert len(begun) <= UNITS_PER_HOUR
    assert all(after - before >= 0.05 - 1e-6 for before, after in itertools.pairwise(begun))
    twice = {clip.youtube_id for clip, (_, reason) in world.ends.items() if reason == "age_restricted"}
    players = [r for r in world.server.seen("/player/") if r.path.removeprefix("/player/") not in twice]
    assert len(players) <= len(begun)
    assert len({r.path for r in players}) == len(
        {c.youtube_id for c, (s, _) in world.ends.items() if s == "youtube"} - twice
    )


def test_a_few_of_everything_killed_twice(tmp_path, repo):
    with Loopback() as server:
        world = make_world(tmp_path, server, 36)
        world.config()
        bot_checks(server, after=6, many=2)
        store = tmp_path / "store"
        said = go(world, store, repo, kills=2, seconds=(4.0, 6.0))
        check(world, store)
        before = len(server.requests)
        again = subprocess.run(command(world, store), cwd=repo, capture_output=True, text=True, timeout=60)
        assert again.returncode == INCOMPLETE
        asked = [request.path for request in server.requests[before:]]
        assert all(path == "/mirror/index.txt" for path in asked), asked
        assert "Incomplete" in said.splitlines()[-1]


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_some_hundred_of_everything_killed_a_dozen_times(tmp_path, repo):
    """And what it comes to is what a run comes to that nobody disturbed, byte by byte."""
    stores = []
    for kills in (12, 0):
        root = tmp_path / f"kills{kills}"
        root.mkdir()
        with Loopback() as server:
            world = make_world(root, server, 300)
            world.config()
            bot_checks(server, after=60, many=3)
            go(world, root / "store", repo, kills, seconds=(4.0, 9.0))
            check(world, root / "store")
        stores.append(root / "store")
    killed, undisturbed = (
        {path.relative_to(store): file_digest(path) for path in store.rglob("*.mp4")} for store in stores
    )
    assert killed == undisturbed


def test_dry_run_fetches_nothing(tmp_path, repo):
    with Loopback() as server:
        world = make_world(tmp_path, server, 36)
        world.config()
        arguments = command(world, tmp_path / "store", "--dry_run", "--source=youtube", "--source=http")
        done = subprocess.run(arguments, cwd=repo, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        assert f"{len(world.clips)} rows of Kinetics-600 wanted, 0 of them" in done.stdout
        assert "youtube: " in done.stdout
        assert server.requests == []


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--split=dev"], "no split 'dev'"),
        (["--classes=archry"], "no class 'archry'"),
        (["--source=tape"], "no source 'tape'"),
        (["--retry=soon"], "no class of outcomes"),
    ],
)
def test_wrong_arguments_are_told(tmp_path, capsys, more, words):
    from beam_pipelines.acquire import main

    with Loopback() as server:
        world = make_world(tmp_path, server, 3)
        world.config()
        assert main([*command(world, tmp_path / "store")[3:], *more]) == 1
    assert words in capsys.readouterr().err
