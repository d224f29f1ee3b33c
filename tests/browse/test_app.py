"""The server over real HTTP: what it answers, and what it refuses."""

from __future__ import annotations

import http.client
import io
import pathlib
import re
import shutil
import wave
from collections.abc import Iterator

import pytest
import requests
from page_server import serving

from kinetics_tfds.browse import answers
from kinetics_tfds.browse.collection import StoredClip
from kinetics_tfds.browse.marks import Marks
from kinetics_tfds.browse.prepared_dataset import PreparedDataset
from kinetics_tfds.prepared.dataset import open_prepared
from kinetics_tfds.shards.records import read_records


@pytest.fixture(scope="module", params=["tfrecord", "array_record"])
def folder(request, prepared) -> pathlib.Path:
    return prepared[request.param]


@pytest.fixture(scope="module")
def page(folder, tmp_path_factory) -> Iterator[str]:
    with serving(PreparedDataset(folder), Marks(tmp_path_factory.mktemp("marks") / "marks.txt")) as address:
        yield address


def get(address: str, **parameters) -> dict:
    response = requests.get(address, params=parameters, timeout=60)
    assert response.status_code == 200, response.text
    return response.json()


def unpack(data: bytes) -> list[bytes]:
    numbers = [
        int.from_bytes(data[4 * at : 4 * at + 4], "little") for at in range(1 + int.from_bytes(data[:4], "little"))
    ]
    frames, at = [], 4 * len(numbers)
    for size in numbers[1:]:
        frames.append(data[at : at + size])
        at += size
    assert at == len(data)
    return frames


def test_the_collection(page: str) -> None:
    found = get(f"{page}/api/collection")
    assert found["kind"] == "dataset"
    assert found["title"] == "kinetics600/tiny:1.0.0"
    assert found["splits"] == {"train": {"written": 12, "failed": 1, "missing": 1}, "test": {"written": 6}}
    assert found["facts"]["short_side"] == 32


def test_every_record_is_sent_as_it_is_stored(page: str, folder: pathlib.Path) -> None:
    from tensorflow_datasets.proto import tf_example_pb2

    cards = {card["key"]: card for card in get(f"{page}/api/clips", state="written", size=200)["clips"]}
    seen = 0
    for shard in open_prepared(folder).shards():
        for raw, expected in zip(read_records(shard.path, shard.file_format), shard.records, strict=True):
            card = cards[f"{shard.split}/{expected.id}"]
            stored = tf_example_pb2.Example.FromString(raw.data).features.feature
            frames = list(stored["video"].bytes_list.value)
            assert unpack(requests.get(f"{page}/api/frames/{card['row']}", timeout=60).content) == frames
            clip = get(f"{page}/api/clip", key=card["key"])
            assert clip["record"]["fields"]["id"] == expected.id
            assert clip["record"]["frames"] == clip["columns"]["frames"] == len(frames)
            assert clip["record"]["timestamps"] == pytest.approx(list(stored["timestamps"].float_list.value), abs=1e-6)
            assert clip["columns"]["digest"] == expected.digest
            assert clip["card"]["label"] == (expected.label or "(no label)")
            assert clip["youtube"].startswith("https://www.youtube.com/watch?v=-")
            seen += 1
    assert seen == 18


def test_previews_are_frames_spread_over_the_clip(page: str) -> None:
    card = get(f"{page}/api/clips", state="written")["clips"][0]
    every = unpack(requests.get(f"{page}/api/frames/{card['row']}", timeout=60).content)
    few = unpack(requests.get(f"{page}/api/frames/{card['row']}?most=3", timeout=60).content)
    assert len(every) == 10
    assert few == [every[1], every[5], every[8]]


def test_clips_that_failed_or_are_missing_are_told_as_such(page: str) -> None:
    (failed,) = get(f"{page}/api/clips", state="failed")["clips"]
    clip = get(f"{page}/api/clip", key=failed["key"])
    assert clip["card"]["reason"] == clip["columns"]["reason"] == "not_media"
    assert clip["columns"]["detail"]
    assert clip["record"] is None
    assert clip["problem"] is None
    (missing,) = get(f"{page}/api/clips", state="missing")["clips"]
    assert get(f"{page}/api/clip", key=missing["key"])["columns"]["path"] is None
    for card in (failed, missing):
        assert requests.get(f"{page}/api/frames/{card['row']}", timeout=60).status_code == 404


def test_pages_hold_every_clip_once(page: str) -> None:
    pages = [get(f"{page}/api/clips", page=number, size=7) for number in (1, 2, 3)]
    assert [each["pages"] for each in pages] == [3, 3, 3]
    assert sorted(card["row"] for each in pages for card in each["clips"]) == list(range(20))
    # Beyond the end is the end; nonsense is the default.
    assert get(f"{page}/api/clips", page=99, size=7) == pages[2]
    assert get(f"{page}/api/clips", page="²", size="-1")["page"] == 1


def test_marks_are_written_and_filter(page: str) -> None:
    card = get(f"{page}/api/clips")["clips"][0]
    mark = {"youtube_id": card["youtube_id"], "marked": True}
    assert requests.post(f"{page}/api/marks", json=mark, timeout=60).json() == [card["youtube_id"]]
    assert [each["key"] for each in get(f"{page}/api/clips", marked=1)["clips"]] == [card["key"]]
    assert requests.post(f"{page}/api/marks", json={**mark, "marked": False}, timeout=60).json() == []
    assert get(f"{page}/api/clips", marked=1)["matching"] == 0


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"youtube_id": 3, "marked": true}', b'{"youtube_id": "../../../x", "marked": true}']
)
def test_marks_that_make_no_sense_are_refused_in_words(page: str, body: bytes) -> None:
    response = requests.post(f"{page}/api/marks", data=body, timeout=60)
    assert response.status_code == 400
    assert response.json()["next"]
    assert requests.post(f"{page}/api/marks", data=b"x" * 5000, timeout=60).status_code == 413


def ask_raw(page: str, path: str, headers: dict[str, str], method: str = "GET") -> tuple[int, str]:
    """Sends a path as it is: `requests` would put it right first."""
    connection = http.client.HTTPConnection(page.removeprefix("http://"), timeout=60)
    connection.putrequest(method, path, skip_host="Host" in headers)
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    response = connection.getresponse()
    return response.status, response.read().decode("utf-8", "replace")


@pytest.mark.parametrize(
    "path",
    [
        *("/assets/../app.py", "/assets/..%2Fapp.py", "/assets/%2e%2e/%2e%2e/errors.py", "/assets//etc/passwd"),
        *("/assets/nothing.js", "/api/frames/../../etc/passwd", "/api/frames/-1", "/api/frames/20", "/api/media/0"),
        *("/api/frames/99999999999999999999999", "/manifest.parquet", "//etc/passwd"),
    ],
)
def test_no_part_of_an_address_becomes_a_path(page: str, path: str) -> None:
    status, text = ask_raw(page, path, {})
    assert status == 404
    assert "root:" not in text
    assert "import" not in text


@pytest.mark.parametrize(
    "key", ["", "train", "train/", "../..", "train/" + "x" * 10_000, "train/<script>", "\x00/\x00"]
)
def test_unknown_clips_are_refused_in_words(page: str, key: str) -> None:
    response = requests.get(f"{page}/api/clip", params={"key": key}, timeout=60)
    assert response.status_code == 400
    assert "has no clip" in response.json()["problem"]
    assert len(response.content) < 1000


def test_other_host_names_are_refused(page: str) -> None:
    """A page elsewhere may let its own name mean 127.0.0.1, and would then be of one origin with this one."""
    port = page.rpartition(":")[2]
    for host in ("evil.example", f"evil.example:{port}", "127.0.0.1.evil.example", ""):
        assert ask_raw(page, "/api/collection", {"Host": host})[0] == 400, host
    for host in ("localhost", f"localhost:{port}", "127.0.0.1"):
        assert ask_raw(page, "/api/collection", {"Host": host})[0] == 200, host


def test_other_origins_are_refused(page: str) -> None:
    for origin in ("http://evil.example", "null", f"{page}.evil.example", "https://localhost"):
        assert ask_raw(page, "/api/marks", {"Origin": origin}, "POST")[0] == 403, origin
        assert ask_raw(page, "/api/collection", {"Origin": origin})[0] == 403, origin
    assert ask_raw(page, "/api/collection", {"Origin": page})[0] == 200


def test_every_answer_keeps_the_page_to_itself(page: str) -> None:
    for path in ("/", "/api/collection", "/api/frames/0", "/nothing", "/api/clip?key=x"):
        headers = requests.get(page + path, timeout=60).headers
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert not re.search(r"unsafe|\*|https?:|data:", policy)
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert "Access-Control-Allow-Origin" not in headers


def test_the_page_names_nothing_elsewhere(page: str) -> None:
    index = requests.get(page, timeout=60).text
    assets = set(re.findall(r'(?:src|href)="(?!#)([^"]+)"', index))
    assert assets == {"assets/icon.svg", "assets/page.css", "assets/viewer.css", "assets/main.js"}
    waiting, seen = list(assets), set()
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            text = requests.get(f"{page}/{name}", timeout=60).text
            assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|url\(", text), name
            outside = set(re.findall(r"https?://[\w.]+", text))
            assert outside <= {"http://www.w3.org", "https://www.youtube.com"}, name
            waiting += [f"assets/{each}" for each in re.findall(r'(?:from|import\() ?"\./([\w.]+)"', text)]
    assert len(seen) > 10


@pytest.fixture
def damaged(prepared, tmp_path) -> pathlib.Path:
    folder = tmp_path / "tiny" / "1.0.0"
    shutil.copytree(prepared["tfrecord"], folder)
    return folder


def test_a_damaged_record_is_shown_as_damaged(damaged: pathlib.Path, tmp_path) -> None:
    shards = sorted(damaged.glob("kinetics600-train.tfrecord-*"))
    data = bytearray(shards[0].read_bytes())
    data[len(data) // 2] ^= 0xFF
    shards[0].write_bytes(data)
    shards[1].write_bytes(shards[1].read_bytes()[:100])
    shards[2].unlink()
    with serving(PreparedDataset(damaged), Marks(tmp_path / "marks.txt")) as page:
        cards = get(f"{page}/api/clips", split="train", state="written")["clips"]
        clips = [get(f"{page}/api/clip", key=card["key"]) for card in cards]
    told = [clip["problem"] or clip["record"]["fields"].get("problem") for clip in clips]
    assert sum("checksum of its data" in (each or "") for each in told) == 1
    assert sum("no record of this length" in (each or "") for each in told) > 0
    assert sum("cannot be read" in (each or "") for each in told) > 0
    assert None in told


def test_audio_is_sent_as_wav() -> None:
    samples = b"\x01\x00\xff\xff\x00\x80"
    clip = StoredClip({}, (), (), samples, 16_000)
    with wave.open(io.BytesIO(answers.to_wav(clip))) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 16_000)
        assert file.readframes(3) == samples
