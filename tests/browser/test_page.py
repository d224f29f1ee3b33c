"""The page in a real browser: search, filters, the player, marks, keys, a narrow window, and nothing that axe objects to."""

from __future__ import annotations

import functools
import http.server
import json
import shutil
import threading
import urllib.parse

import pytest
from clip_folder import make_clip_folder

from kinetics_tfds.annotations.clip import Clip, Split
from kinetics_tfds.annotations.exclude import excluded_videos
from kinetics_tfds.annotations.versions import get_version
from kinetics_tfds.browse import answers
from kinetics_tfds.browse.clip_table import SORTS
from kinetics_tfds.browse.marks import Marks, default_name
from kinetics_tfds.browse.open_collection import open_collection
from kinetics_tfds.browse.row_collections import VersionRows
from kinetics_tfds.browse.static_site import ExportLimits, export_site
from kinetics_tfds.cli.main import main

playwright = pytest.importorskip("playwright.sync_api")
axe = pytest.importorskip("axe_playwright_python.sync_playwright")


@pytest.fixture(scope="module")
def dataset(prepared, tmp_path_factory):
    folder = shutil.copytree(prepared["tfrecord"], tmp_path_factory.mktemp("kinetics600") / "1.0.0")
    assert main(["inspect", str(folder)]) == 0
    return folder


@pytest.fixture
def marks(tmp_path):
    return Marks(tmp_path / "marks.txt")


@pytest.fixture
def address(dataset, marks):
    from page_server import serving

    with serving(open_collection(str(dataset)), marks) as found:
        yield found


def open_page(address, tab, question=""):
    tab.goto(f"{address}/{question}")
    tab.wait_for_selector("html[data-ready=true]")
    return tab


def status(tab):
    return tab.inner_text("#status")


def expect_status(tab, text):
    playwright.expect(tab.locator("#status")).to_have_text(text)


def test_search_and_filters_hold_in_the_address_bar(address, tab):
    open_page(address, tab)
    expect_status(tab, "20 clips")
    tab.fill("#class-search", "zum")
    playwright.expect(tab.locator("#classes li:visible")).to_have_count(1)
    tab.click("#classes li:visible a")
    playwright.expect(tab.locator("#heading")).to_have_text("zumba")
    assert "class=zumba" in tab.url
    in_class = status(tab)
    tab.select_option("[aria-label=State]", "written")
    assert "state=written" in tab.url
    tab.reload()
    tab.wait_for_selector("html[data-ready=true]")
    playwright.expect(tab.locator("#heading")).to_have_text("zumba")
    tab.go_back()
    expect_status(tab, in_class)


def test_flags_are_filters_and_near_duplicates_are_linked(address, tab):
    open_page(address, tab, "?flag=near_duplicate")
    expect_status(tab, "18 clips")
    tab.locator("#grid .open").first.click()
    playwright.expect(tab.locator("#viewer .links")).to_contain_text("Near-duplicates: ")


def test_a_clip_is_played_and_stepped_frame_by_frame(address, tab):
    open_page(address, tab, "?state=written")
    tab.locator("#grid .open").first.click()
    tab.wait_for_selector("#viewer canvas")
    time = tab.locator("#viewer output")
    playwright.expect(time).to_contain_text("frame 1 of 10")
    tab.keyboard.press(".")
    playwright.expect(time).to_contain_text("frame 2 of 10")
    tab.keyboard.press(",")
    playwright.expect(time).to_contain_text("frame 1 of 10")
    drawn = tab.evaluate(
        "() => { const c = document.querySelector('#viewer canvas');"
        " return [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data].some((v, i) => i % 4 < 3 && v > 60) }"
    )
    assert drawn
    tab.keyboard.press("Space")
    tab.wait_for_function("() => !document.querySelector('#viewer output').textContent.includes('frame 1 of')")
    tab.keyboard.press("Escape")
    playwright.expect(tab.locator("#viewer")).not_to_be_visible()
    tab.wait_for_function("() => !location.search.includes('clip=')")


def test_marks_go_into_a_file_that_a_config_takes(address, tab, marks):
    open_page(address, tab, "?state=written")
    tab.keyboard.press("ArrowRight")
    tab.keyboard.press("m")
    playwright.expect(tab.locator("#marks-button")).to_contain_text("1")
    assert len(marks.videos()) == 1
    tab.click("#marks-button")
    expect_status(tab, "1 clip")
    tab.locator("#grid .open").first.focus()
    tab.keyboard.press("m")
    playwright.expect(tab.locator("#marks-button")).to_contain_text("0")
    assert marks.videos() == frozenset()
    expect_status(tab, "1 clip")  # it stays in view, so that the mark can be set again
    tab.reload()
    expect_status(tab, "No clip matches.")


def test_the_keyboard_alone(address, tab):
    open_page(address, tab)
    tab.keyboard.press("/")
    assert tab.evaluate("document.activeElement.id") == "class-search"
    tab.keyboard.press("Escape")
    tab.keyboard.press("?")
    playwright.expect(tab.locator("#help")).to_be_visible()
    tab.keyboard.press("Escape")
    playwright.expect(tab.locator("#help")).not_to_be_visible()
    tab.locator("#clips").focus()
    tab.keyboard.press("ArrowRight")
    tab.keyboard.press("Enter")
    playwright.expect(tab.locator("#viewer")).to_be_visible()


@pytest.mark.parametrize("width", [360, 1280])
def test_nothing_overflows_and_axe_objects_to_nothing(address, tab, width):
    tab.set_viewport_size({"width": width, "height": 740})
    for question in ("", "?state=missing"):
        open_page(address, tab, question)
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
        assert_accessible(tab)
    open_page(address, tab, "?state=written")
    tab.locator("#grid .open").first.click()
    tab.wait_for_selector("#viewer canvas")
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    assert_accessible(tab)
    if width < 500:
        tab.keyboard.press("Escape")
        tab.click("#classes-button")
        playwright.expect(tab.locator("#class-search")).to_be_visible()


def assert_accessible(tab):
    found = axe.Axe().run(tab)
    rules = {each["id"]: [node["html"][:120] for node in each["nodes"]] for each in found.response["violations"]}
    assert rules == {}, json.dumps(rules, indent=1)


def test_a_store_plays_its_files(tab, tmp_path, marks):
    from page_server import serving

    folder = make_clip_folder(tmp_path / "kinetics600" / "clips", {Split.TRAIN: 3}, missing=1)
    with serving(open_collection(str(folder.root), version="kinetics600"), marks) as address:
        open_page(address, tab, "?state=there")
        expect_status(tab, "2 clips")
        tab.locator("#grid .open").first.click()
        tab.wait_for_function("() => document.querySelector('#viewer video')?.readyState >= 2")
        tab.keyboard.press("Escape")
        tab.select_option("[aria-label=State]", "pending")
        expect_status(tab, "1 clip")
        tab.goto("about:blank")  # before the server ends


@pytest.fixture
def static_host(tmp_path):
    """The address of a plain file server, and the folder that it serves under `site`."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=tmp_path)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/site", tmp_path / "site"
        server.shutdown()


QUESTIONS = (
    "", "class=zumba", "split=test", "state=missing", "flag=near_duplicate&split=train", "text=.MP4", "text=_0000",
    *(f"sort={sort}" for sort in SORTS), "sort=longest&state=written", "class=nothing",
)  # fmt: skip


def test_an_export_answers_as_the_server_does(dataset, static_host, tab):
    address, folder = static_host
    collection = open_collection(str(dataset))
    export_site(collection, folder)
    open_page(address, tab)
    expect_status(tab, "20 clips")
    ask = "async ([name, ...values]) => (await import(`${location.href}assets/static_site.js`))[name](...values)"
    for question in QUESTIONS:
        query = answers.parse_query(dict(urllib.parse.parse_qsl(question)))
        assert tab.evaluate(ask, ["counts", question]) == collection.table.count(query)
        found = tab.evaluate(ask, ["clips", question, "1"])
        for card in found["clips"]:
            assert card.pop("has_thumbnails") == (card["state"] == "written")
        expected = answers.list_clips(collection, query, frozenset(), 1, 48)
        for card in expected["clips"]:
            card["playable"] = False  # an export holds no media files
        assert found == expected, question


def test_clips_of_an_export_are_looked_at_and_marked(dataset, static_host, tab, tmp_path):
    address, folder = static_host
    collection = open_collection(str(dataset))
    export_site(collection, folder, ExportLimits(clips=12))
    open_page(address, tab, "?state=written")
    expect_status(tab, "12 clips")
    playwright.expect(tab.locator("#summary")).to_contain_text("This export shows 12 of 20 rows.")
    tab.keyboard.press("ArrowRight")
    tab.keyboard.press("m")
    playwright.expect(tab.locator("#marks-button")).to_contain_text("1 marked")
    tab.keyboard.press("Enter")
    playwright.expect(tab.locator("#viewer output")).to_contain_text("frame 1 of 8")
    playwright.expect(tab.locator("#viewer .links")).to_contain_text("Near-duplicates: ")
    video = tab.locator("#viewer button.mark").get_attribute("data-video")
    tab.keyboard.press("Escape")
    tab.wait_for_function("() => !location.search.includes('clip=')")
    tab.reload()
    tab.wait_for_selector("html[data-ready=true]")
    with tab.expect_download() as download:
        tab.click("#save-marks")
    assert download.value.suggested_filename == default_name(collection.title)
    download.value.save_as(tmp_path / "marks.txt")
    assert excluded_videos([str(tmp_path / "marks.txt")]) == {video}
    tab.click("#marks-button")
    expect_status(tab, "1 clip")
    tab.set_viewport_size({"width": 360, "height": 740})
    assert tab.evaluate("document.documentElement.scrollWidth") <= 360
    assert_accessible(tab)


def test_words_of_an_export_stay_words(static_host, tab):
    address, folder = static_host
    hostile = "</script><img src=x onerror=alert(1)>"
    export_site(VersionRows(get_version("kinetics600"), [Clip(Split.TRAIN, hostile, 0, 10, hostile)]), folder)
    open_page(address, tab)
    playwright.expect(tab.locator("#grid .title")).to_have_text(hostile)
    tab.locator("#grid .open").click()
    playwright.expect(tab.locator("#viewer-title")).to_have_text(hostile)
    assert tab.locator("img").count() == 0


def test_a_store_is_exported_with_pictures_of_its_files(tmp_path, static_host, tab):
    address, folder = static_host
    clips = make_clip_folder(tmp_path / "kinetics600" / "clips", {Split.TRAIN: 2}, damaged=1)
    export_site(open_collection(str(clips.root), version="kinetics600"), folder)
    open_page(address, tab)
    playwright.expect(tab.locator("#grid .stage.loaded canvas")).to_have_count(1)
    playwright.expect(tab.locator("#grid .stage .state")).to_have_text("there")
    tab.locator("#grid .open:has(canvas)").click()
    playwright.expect(tab.locator("#viewer output")).to_contain_text("frame 1 of")
