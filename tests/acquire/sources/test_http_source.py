"""The URL source: templates, and everything a server can answer for a clip."""

from __future__ import annotations

import uuid

import fsspec
import pytest
from acquire.loopback import Loopback
from acquire.source_run import Got, make_clips, media, run

from kinetics_tfds.acquire.outcome import OutcomeClass, Reason
from kinetics_tfds.acquire.sources.http import Http
from kinetics_tfds.acquire.sources.web import Web
from kinetics_tfds.annotations.clip import Clip, Split
from kinetics_tfds.clips.media import Span
from kinetics_tfds.errors import ConfigError

QUICK = Web(timeout=1.0, retries=2, retry_wait=0.01)


@pytest.fixture
def server():
    with Loopback() as loopback:
        yield loopback


def source(server, path="/{split}/{label}/{id}.mp4", **options):
    return Http(url=server.url + path, web=QUICK, **options)


def test_clips_are_found_by_the_template(server, tmp_path):
    clips = make_clips(3, label="massaging person's head")
    for number, clip in enumerate(clips):
        server.add(f"/train/massaging_person's_head/{clip.id}.mp4", media(number))
    results, units = run(source(server, label_spaces="_"), clips, tmp_path)
    assert len(units) == 3
    for number, clip in enumerate(clips):
        assert results[clip] == Got(media(number), Span.TRIMMED, results[clip].origin)
        assert results[clip].origin.startswith(server.url)


def test_times_and_split_names(server, tmp_path):
    clip = Clip(Split.VALIDATION, "-bcdefghi_k", 7, 17)
    server.add("/val/-bcdefghi_k-0007-17.mp4", media())
    url = "/{split}/{youtube_id}-{time_start:04d}-{time_end}.mp4"
    results, _ = run(source(server, url, split_names={"validation": "val"}), [clip], tmp_path)
    assert results[clip].content == media()


def test_one_video_for_all_its_clips(server, tmp_path):
    clips = [Clip(Split.TRAIN, "abcdefghijk", start, start + 10, "archery") for start in (0, 30, 60)]
    server.add("/abcdefghijk", media())
    results, units = run(source(server, "/{youtube_id}"), clips, tmp_path)
    assert len(units) == 1
    assert len(server.seen("/")) == 1
    assert {results[clip].span for clip in clips} == {Span.WHOLE}
    results, _ = run(source(server, "/{youtube_id}"), clips[:1], tmp_path)
    assert results[clips[0]].span is Span.UNKNOWN


@pytest.mark.parametrize(
    ("behaviours", "reason"),
    [
        (("html",), Reason.NOT_MEDIA),
        (("403",), Reason.FORBIDDEN),
        (("404",), Reason.GONE),
        (("410",), Reason.GONE),
        (("429:5",), Reason.RATE_LIMITED),
        (("503:5",), Reason.RATE_LIMITED),
        (("503",), Reason.SERVER_ERROR),
        (("short", "short", "short"), Reason.INCOMPLETE),
        (("stall:4",), Reason.TIMEOUT),
        (("redirect:/page",), Reason.NOT_MEDIA),
    ],
)
def test_every_failure_has_its_reason(server, tmp_path, behaviours, reason):
    (clip,) = make_clips(1)
    server.add(f"/{clip.id}.mp4", media(size=1000), *behaviours)
    server.add("/page", b"", "html")
    results, _ = run(source(server, "/{id}.mp4"), [clip], tmp_path)
    assert results[clip].reason is reason


@pytest.mark.parametrize("behaviours", [("short", "ok"), ("reset", "short", "ok"), ("slow:0.3",)])
def test_hiccups_are_mended(server, tmp_path, behaviours):
    (clip,) = make_clips(1)
    server.add(f"/{clip.id}.mp4", media(size=200_000), *behaviours)
    results, _ = run(source(server, "/{id}.mp4"), [clip], tmp_path)
    assert results[clip].content == media(size=200_000)


def test_redirects_and_containers(server, tmp_path):
    (clip,) = make_clips(1)
    server.add(f"/{clip.id}.mp4", b"", "redirect:/elsewhere")
    server.add("/elsewhere", media(5))
    results, _ = run(source(server, "/{id}.mp4"), [clip], tmp_path)
    assert results[clip].content == media(5)


def test_too_large(server, tmp_path):
    (clip,) = make_clips(1)
    server.add(f"/{clip.id}.mp4", media(size=50_000))
    results, _ = run(source(server, "/{id}.mp4", max_gb=20e-6), [clip], tmp_path)
    assert results[clip].reason is Reason.TOO_LARGE


def test_rows_without_a_class_are_not_in_a_tree_of_classes(server, tmp_path):
    clips = make_clips(2, Split.TEST, None)
    results, units = run(source(server), clips, tmp_path)
    assert not units
    assert {outcome.reason for outcome in results.values()} == {Reason.NOT_IN_SOURCE}
    assert not server.requests


def test_buckets(tmp_path):
    root = f"memory://{uuid.uuid4().hex}"
    clips = make_clips(2)
    fsspec.filesystem("memory").pipe_file(f"{root}/{clips[0].id}.mp4", media(3))
    results, _ = run(Http(url=root + "/{id}.mp4"), clips, tmp_path)
    assert results[clips[0]].content == media(3)
    assert results[clips[1]].reason is Reason.GONE
    assert results[clips[1]].outcome_class is OutcomeClass.PERMANENT


@pytest.mark.parametrize(
    "url", ["http://host/clip.mp4", "http://host/{videoid}.mp4", "/folder/{id}.mp4", "http://h/{id:99}{"]
)
def test_templates_that_cannot_work(url):
    with pytest.raises(ConfigError):
        Http(url=url)
