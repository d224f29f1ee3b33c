"""What `kinetics browse` shows of stores, folders of clips, bare versions and inspected datasets."""

from __future__ import annotations

import shutil

import pytest
import requests
from clip_folder import make_clip_folder
from page_server import serving

from kinetics_tfds.annotations.clip import Split
from kinetics_tfds.browse.marks import Marks
from kinetics_tfds.browse.open_collection import open_collection
from kinetics_tfds.cli.main import main
from kinetics_tfds.errors import KineticsError


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_clip_folder(
        tmp_path_factory.mktemp("kinetics600") / "clips", {Split.TRAIN: 5, Split.TEST: 2}, missing=1
    )


def get(address, path, **parameters):
    response = requests.get(f"{address}/api/{path}", params=parameters, timeout=60)
    assert response.status_code == 200, response.text
    return response.json()


def test_a_folder_of_clips_is_played_by_the_browser(folder, tmp_path):
    collection = open_collection(str(folder.root), version="kinetics600")
    with serving(collection, Marks(tmp_path / "marks.txt")) as address:
        about = get(address, "collection")
        assert (about["kind"], about["rows"]) == ("store", 7)
        assert about["splits"]["train"] == {"there": 4, "pending": 1}
        cards = get(address, "clips", state="there")["clips"]
        assert len(cards) == 6
        assert all(card["playable"] for card in cards)
        clip = get(address, "clip", key=cards[0]["key"])
        assert clip["record"] is None
        assert clip["media"]["playable"]
        media = requests.get(f"{address}/api/media/{cards[0]['row']}", headers={"Range": "bytes=0-9"}, timeout=60)
        assert media.status_code == 206
        path = folder.root / cards[0]["path"]
        assert media.content == path.read_bytes()[:10]
        assert clip["card"]["bytes"] == path.stat().st_size
        missing = get(address, "clips", state="pending")["clips"][0]
        assert requests.get(f"{address}/api/media/{missing['row']}", timeout=60).status_code == 404


def test_the_rows_of_a_version(folder, tmp_path):
    collection = open_collection("kinetics600", lists=[str(folder.root)])
    with serving(collection, Marks(tmp_path / "marks.txt")) as address:
        assert get(address, "collection")["kind"] == "version"
        clips = get(address, "clips")["clips"]
        assert len(clips) == 7
        assert not any(card["playable"] for card in clips)
        assert get(address, "clip", key=clips[0]["key"])["youtube"].startswith("https://www.youtube.com/watch?v=")


def test_flags_of_an_inspected_dataset_are_filters(prepared, tmp_path):
    dataset = shutil.copytree(prepared["tfrecord"], tmp_path / "1.0.0")
    assert main(["inspect", str(dataset)]) == 0
    with serving(open_collection(str(dataset)), Marks(tmp_path / "marks.txt")) as address:
        assert set(get(address, "collection")["flags"]) >= {"tiny", "near_duplicate"}
        found = get(address, "clips", flag="near_duplicate", size=200)["clips"]
        assert len(found) == 18
        assert all("near_duplicate" in card["flags"] for card in found)
        alike = get(address, "clip", key=found[0]["key"])["alike"]
        assert alike
        assert found[0]["key"] not in {card["key"] for card in alike}


@pytest.mark.parametrize(
    ("what", "message"),
    [("kinetics600", "no lists are given"), ("nothing", "names no dataset"), ("kinetics600/absent", "No dataset")],
)
def test_what_cannot_be_shown(what, message, tmp_path):
    with pytest.raises(KineticsError, match=message):
        open_collection(what, str(tmp_path))
