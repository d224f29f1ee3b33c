"""coverage, snapshot and doctor, as commands, on a store that a folder and a few made-up attempts filled."""

from __future__ import annotations

import datetime
import json
import pathlib
import re

import cv2
import pyarrow.parquet
import pytest
import yaml
from acquire.loopback import Loopback
from media import make_video

from kinetics_tfds.acquire.config import AcquireConfig
from kinetics_tfds.acquire.ledger.attempt import Attempt
from kinetics_tfds.acquire.ledger.ledger import LedgerWriter
from kinetics_tfds.acquire.outcome import Reason
from kinetics_tfds.acquire.reports import doctor
from kinetics_tfds.acquire.reports.clip_status import ClipStatus, find_statuses
from kinetics_tfds.acquire.reports.snapshot import read_snapshot, take_snapshot
from kinetics_tfds.acquire.run.passes import Run, acquire
from kinetics_tfds.acquire.run.rows import read_rows
from kinetics_tfds.acquire.source import RateLimit
from kinetics_tfds.acquire.sources.folder import Folder
from kinetics_tfds.acquire.sources.youtube import YouTube
from kinetics_tfds.acquire.store.clip_store import open_store
from kinetics_tfds.annotations.clip import Clip, Split
from kinetics_tfds.annotations.versions import get_version
from kinetics_tfds.cli.main import main

VERSION = get_version("kinetics600")
ENDS = {
    "there_a": None,
    "there_b": None,
    "lost": None,
    "private": ("youtube", Reason.PRIVATE),
    "copyright": ("youtube", Reason.COPYRIGHT),
    "age": ("youtube", Reason.AGE_RESTRICTED),
    "timeout": ("youtube", Reason.TIMEOUT),
    "unclear": ("youtube", Reason.UNAVAILABLE),
    "mirror": ("mirror", Reason.NOT_IN_SOURCE),
    "server": ("server", Reason.GONE),
    "half": ("mirror", Reason.DAMAGED),
    "</script>": None,
    "never": None,
}


def video_id(name: str) -> str:
    return re.sub(r"\W", "-", name).ljust(11, "-")


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> pathlib.Path:
    """A store with three clips, one of which is lost again, and attempts that failed in every class."""
    root = tmp_path_factory.mktemp("reports")
    rows = [
        f"{label},{video_id(name)},1,3,validate" for name, label in zip(ENDS, ["zumba", "archery"] * 7, strict=False)
    ]
    (root / "val.csv").write_text("\n".join(["label,youtube_id,time_start,time_end,split", *rows]) + "\n")
    for name in ("there_a", "there_b", "lost"):
        make_video(root / "old" / f"{video_id(name)}_000001_000003.mp4", seconds=2, fps=10, width=96, height=64)
    store = open_store(root / "store")
    clips = read_rows(VERSION, store, [str(root / "val.csv")]).clips
    config = AcquireConfig(sources=(Folder(path=root / "old"),), min_free_gb=0.01, workers=1, state=root / "state")
    acquire(Run(version=VERSION, clips=clips, store=store.root, config=config, say=lambda line: None))
    next((root / "store").rglob(f"{video_id('lost')}*.mp4")).unlink()
    with LedgerWriter(store) as ledger:
        ledger.write(
            Attempt(
                clip=Clip(Split.VALIDATION, video_id(name), 1, 3),
                source=end[0],
                reason=end[1],
                message=f"said of {name}",
                time=1_800_000_000.0,
            )
            for name, end in ENDS.items()
            if end is not None
        )
    return root


def run(capsys, *arguments) -> str:
    assert main([str(argument) for argument in arguments]) == 0
    return capsys.readouterr().out


def test_where_every_row_stands(made):
    store = open_store(made / "store")
    clips = read_rows(VERSION, store).clips
    found = {row.clip.youtube_id: (row.status, str(row.reason)) for row in find_statuses(clips, store, VERSION)}
    assert found == {
        video_id("there_a"): (ClipStatus.THERE, "stored"),
        video_id("there_b"): (ClipStatus.THERE, "stored"),
        video_id("lost"): (ClipStatus.PENDING, "lost"),
        video_id("private"): (ClipStatus.GONE, "private"),
        video_id("copyright"): (ClipStatus.GONE, "copyright"),
        video_id("age"): (ClipStatus.NEEDS_ACCESS, "age_restricted"),
        video_id("timeout"): (ClipStatus.PENDING, "timeout"),
        video_id("unclear"): (ClipStatus.PENDING, "unavailable"),
        video_id("mirror"): (ClipStatus.FAILED, "not_in_source"),
        video_id("server"): (ClipStatus.FAILED, "gone"),  # HTTP 404 there: the video may play
        video_id("half"): (ClipStatus.FAILED, "damaged"),
        video_id("</script>"): (ClipStatus.FAILED, "not_in_source"),
        video_id("never"): (ClipStatus.FAILED, "not_in_source"),
    }


def test_coverage_as_table_json_parquet_picture_and_page(made, capsys, tmp_path):
    store = f"--store={made / 'store'}"
    table = run(capsys, "coverage", "kinetics600", store)
    assert re.search(r"validation +13 +2 +15.4% +2 +1 +5 +3\n", table)
    assert "needs_access  age_restricted" in table
    assert "least covered classes" in table
    outputs = [f"--{kind}={tmp_path / kind}" for kind in ("parquet", "attempts", "png", "html")]
    counts = json.loads(run(capsys, "coverage", "kinetics600", store, "--json", *outputs))
    assert counts["splits"] == {"validation": {"there": 2, "gone": 2, "needs_access": 1, "failed": 5, "pending": 3}}
    assert sum(sum(c.values()) for c in counts["classes"]["validation"].values()) == 13
    assert counts["sources"] == {"folder": 2}
    assert counts["months"]["2027-01"]["gone"] == 2
    rows = pyarrow.parquet.read_table(tmp_path / "parquet").to_pylist()
    assert len(rows) == 13
    assert {row["message"] for row in rows if row["status"] == "gone"} == {"said of private", "said of copyright"}
    assert {row["time"].year for row in rows if row["status"] == "gone"} == {2027}
    assert pyarrow.parquet.read_table(tmp_path / "attempts").num_rows == 13 + 8
    picture = cv2.imread(str(tmp_path / "png"))
    assert picture.shape[1] == 1280
    assert len({tuple(pixel) for pixel in picture[100:400, 100:1200].reshape(-1, 3)}) >= 5  # the statuses' colours
    page = (tmp_path / "html").read_text()
    data = re.search(r'id="data">(.*?)</script>', page, re.S)
    assert data is not None
    classes = dict(json.loads(data[1]))
    assert len(classes["archery"]) + len(classes["zumba"]) == 13
    assert ["validation", video_id("private"), "1", "3", "gone", "private"] in classes["archery"] + classes["zumba"]
    assert not re.search(r'(src|href)="?https?://(?!www\.youtube)', page)  # loads nothing from elsewhere


def test_snapshots_are_taken_compared_and_acquired(made, capsys, tmp_path):
    store = f"--store={made / 'store'}"
    for suffix in ("parquet", "csv"):
        said = run(capsys, "snapshot", "kinetics600", store, f"--out={tmp_path / 'mine'}.{suffix}")
        assert "clips          2" in said
        entries = read_snapshot(f"{tmp_path / 'mine'}.{suffix}")
        assert [entry.clip.youtube_id for entry in entries] == [video_id("there_a"), video_id("there_b")]
        assert {(entry.source, entry.cut) for entry in entries} == {("folder", "as_is")}
        clips = read_rows(VERSION, open_store(made / "store")).clips
        assert entries == take_snapshot(clips, open_store(made / "store"), VERSION, rehash=True)
    same = json.loads(run(capsys, "snapshot", "kinetics600", store, "--json", "--compare", tmp_path / "mine.csv"))
    assert (same["same bytes"], same["verdict"]) == (2, "the same clips")
    text = (tmp_path / "mine.csv").read_text().replace(entries[0].sha256, "0" * 64)
    (tmp_path / "theirs.csv").write_text("\n".join(text.splitlines()[:2]) + "\n")
    both = run(capsys, "snapshot", "kinetics600", "--json", "--compare", tmp_path / "mine.csv", tmp_path / "theirs.csv")
    assert list(json.loads(both).values()) == [0, 1, 1, 0, "not the same clips"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["snapshot", "kinetics600"], "Neither --store nor --compare"),
        (["snapshot", "kinetics600", "--compare", "x.csv"], "cannot be read as a snapshot"),
        (["snapshot", "kinetics600", "--compare", "x.txt"], "neither .parquet nor .csv"),
        (["coverage", "kinetics600", "--store=/no/such/store"], "No store '/no/such/store' exists"),
        (["coverage", "kinetics6000", "--store=x"], "kinetics600"),
    ],
)
def test_wrong_calls_are_told(capsys, arguments, words):
    assert main(arguments) == 1
    assert words in capsys.readouterr().err


def test_doctor_says_what_is_wrong_and_how_long_it_will_take(made, capsys, tmp_path):
    config = tmp_path / "config.yaml"
    good = "sources: [{kind: youtube, js_runtimes: {node: {path: /no/node}}, cookies: cookies.txt}]\n"
    config.write_text(f"{good}state: {tmp_path / 'state'}\nmin_free_gb: 0.01\n")
    (tmp_path / "cookies.txt").write_text("# Netscape HTTP Cookie File\n.youtube.com\tTRUE\t/\tTRUE\t0\tSID\tx\n")
    calls = ["doctor", "kinetics600", f"--store={made / 'store'}", f"--config={config}"]
    findings = json.loads(run(capsys, *calls, "--json"))
    levels = {finding["check"]: finding["level"] for finding in findings}
    assert levels["store"] == levels["disk"] == levels["merging"] == levels["cookies"] == "ok"
    assert levels["JavaScript runtime"] == "warning"
    estimate = next(f["what"] for f in findings if "an hour" in f["what"])
    assert estimate.startswith("11 videos; 250 an hour: at least")
    config.write_text(
        good.replace("cookies.txt", "absent.txt, format: bv+ba, options: {ffmpeg_location: ''}, plugin_dirs: [x]")
    )
    assert main(["doctor", "kinetics600", f"--store={made / 'store'}", f"--config={config}"]) == 1
    said = capsys.readouterr().out
    assert "failure  cookies" in said
    assert "failure  yt-dlp plugins" in said


def test_doctor_parts(tmp_path, monkeypatch):
    import yt_dlp.version

    released = datetime.date(*(int(part) for part in yt_dlp.version.__version__.split(".")[:3]))
    assert doctor.check_ytdlp(released + datetime.timedelta(10)).level is doctor.Level.OK
    assert doctor.check_ytdlp(released + datetime.timedelta(100)).level is doctor.Level.WARNING
    monkeypatch.setenv("PATH", str(tmp_path))
    assert doctor.check_merging(YouTube(format="bv+ba")).level is doctor.Level.FAILURE
    config = AcquireConfig(sources=(YouTube(),), min_free_gb=1e9, state=tmp_path / "state")
    assert doctor.check_space(open_store(tmp_path), config, 10).level is doctor.Level.FAILURE
    (tmp_path / "file").touch()
    bad = AcquireConfig(sources=(YouTube(),), state=tmp_path / "file" / "state")
    assert doctor.check_state(bad).level is doctor.Level.FAILURE
    slow = YouTube(rate_limit=RateLimit(units_per_hour=300))
    assert "at least 62 d 12 h" in doctor.estimate(slow, list(_clips(450_000))).what


def _clips(count: int):
    from kinetics_tfds.annotations.clip import Clip, Split

    return (Clip(Split.TRAIN, f"{number:011d}", 0, 10) for number in range(count))


def test_doctor_tries_one_video_and_says_whether_this_address_is_refused(tmp_path, capsys):
    media = make_video(tmp_path / "x.mp4", seconds=2, fps=10, width=96, height=64).read_bytes()
    refused = {"playabilityStatus": {"status": "LOGIN_REQUIRED", "reason": "Sign in to confirm you\u2019re not a bot"}}
    (tmp_path / "val.csv").write_text("label,youtube_id,time_start,time_end,split\narchery,abc_DEF-123,0,10,validate\n")
    with Loopback() as server:
        form = {"itag": 18, "url": f"{server.url}/media", "mimeType": 'video/mp4; codecs="avc1.42001E, mp4a.40.2"'}
        plays = {"playabilityStatus": {"status": "OK"}, "streamingData": {"formats": [form]}}
        server.add("/media", media)
        server.add_player("jNQXAC9IVRw", plays)
        server.add_player("refused____", refused)
        arguments = {"server": [server.url], "player_skip": ["webpage", "configs", "js", "initial_data"]}
        plugins = str(pathlib.Path(__file__).parents[1] / "plugins")
        source = {"kind": "youtube", "plugin_dirs": [plugins], "js_runtimes": {}, "request_pause": 0}
        source |= {"extractor_args": {"youtube": arguments | {"po_token": ["web.gvs+QUJD"]}}}
        config = {"sources": [source], "min_free_gb": 0.01, "state": str(tmp_path / "state")}
        (tmp_path / "c.yaml").write_text(yaml.safe_dump(config))
        calls = ["doctor", "kinetics600", f"--store={tmp_path}", f"--config={tmp_path / 'c.yaml'}"]
        calls += [f"--annotations={tmp_path / 'val.csv'}"]
        said = run(capsys, *calls)
        assert "the config gives some for web.gvs" in said
        assert server.requests == []
        assert "jNQXAC9IVRw was fetched" in run(capsys, *calls, "--try")
        assert main([*calls, "--try=refused____"]) == 1
        said = capsys.readouterr().out
        assert "bot_check" in said
        assert "This address is refused." in said
        before = len(server.requests)
        assert "was asked to stay away" in run(capsys, *calls, "--try")  # the breaker is open now
        assert len(server.requests) == before


@pytest.mark.parametrize(
    ("tokens", "level", "words"),
    [
        ([], doctor.Level.OK, "none"),
        ("web.gvs+QUJD,mweb.player+QUJD", doctor.Level.OK, "web.gvs, mweb.player"),
        (["QUJD"], doctor.Level.WARNING, "1 of 1 tokens"),
    ],
)
def test_doctor_looks_at_po_tokens(tokens, level, words):
    found = doctor.check_po_tokens(YouTube(extractor_args={"youtube": {"po_token": tokens}}))
    assert found.level is level
    assert words in found.what
    assert "QUJD" not in found.what
