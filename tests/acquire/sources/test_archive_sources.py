"""The archives source and CVDF's mirror: which archives are read for which clips, and what goes wrong in them."""

from __future__ import annotations

import itertools
import threading

import pytest
from acquire.archive_maker import make_zip, tar, tar_gz
from acquire.loopback import Loopback
from acquire.source_run import make_clips, media, run

from kinetics_tfds.acquire.outcome import OutcomeClass, Reason
from kinetics_tfds.acquire.source import FetchContext, PlanContext, StoppedError, Unit
from kinetics_tfds.acquire.sources.archive_set import Reading
from kinetics_tfds.acquire.sources.archives import Archives
from kinetics_tfds.acquire.sources.mirror import Mirror
from kinetics_tfds.acquire.sources.web import Web
from kinetics_tfds.annotations.clip import Clip, Split
from kinetics_tfds.clips.media import Span
from kinetics_tfds.errors import AcquireError, ConfigError

QUICK = Reading(streams=2, web=Web(timeout=1.0, retries=2, retry_wait=0.01))


@pytest.fixture
def server():
    with Loopback() as loopback:
        yield loopback


def members(clips, folder="."):
    """Contents of an archive: each clip's bytes are told by its id."""
    return {f"{folder}/{clip.id}.mp4": content_of(clip) for clip in clips}


def content_of(clip):
    return media(int(clip.youtube_id[-6:]))


def check_all(results, clips):
    for clip in clips:
        assert results[clip].content == content_of(clip), clip


def test_local_archives_of_every_form(tmp_path):
    clips = make_clips(20)
    folder = tmp_path / "tars" / "deep"
    folder.mkdir(parents=True)
    (folder / "part_0.tar.gz").write_bytes(tar_gz(members(clips[:5])))
    (folder / "part_1.tar.gz").write_bytes(tar(members(clips[5:10], "nested/folder")))  # plain, under a .gz name
    (folder / "part_2.zip").write_bytes(make_zip(members(clips[10:15])))
    (folder / "part_3.tgz").write_bytes(tar_gz({f"._{clip.id}.mp4": b"\0" * 10 for clip in clips[15:]}))  # AppleDouble
    results, units = run(Archives(paths=(tmp_path / "tars",), reading=QUICK), clips, tmp_path)
    assert len(units) == 1
    check_all(results, clips[:15])
    assert {results[clip].reason for clip in clips[15:]} == {Reason.NOT_IN_SOURCE}
    assert results[clips[0]].origin.endswith(f"part_0.tar.gz!./{clips[0].id}.mp4")


def test_only_wanted_members_are_copied_and_only_needed_archives_read_again(server, tmp_path):
    clips = make_clips(12)
    for number in range(4):
        server.add(f"/part_{number}.tar.gz", tar_gz(members(clips[3 * number : 3 * number + 3])))
    source = Archives(urls=tuple(f"{server.url}/part_{number}.tar.gz" for number in range(4)), reading=QUICK)
    absent = make_clips(1, mark="n")
    results, _ = run(source, [*clips[:6], *absent], tmp_path)
    check_all(results, clips[:6])
    assert results[absent[0]].reason is Reason.NOT_IN_SOURCE
    assert len(server.requests) == 4
    # All four were read whole, so the next run knows what is where.
    results, units = run(source, [clips[7], *absent], tmp_path)
    check_all(results, clips[7:8])
    assert [unit.key for unit in units] == [f"{server.url}/part_2.tar.gz"]
    assert [request.path for request in server.requests[4:]] == ["/part_2.tar.gz"]
    results, units = run(source, absent, tmp_path)
    assert not units
    assert len(server.requests) == 5


def test_a_local_archive_that_changed_is_read_again(tmp_path):
    clips = make_clips(2)
    (tmp_path / "a.tar").write_bytes(tar(members(clips[:1])))
    source = Archives(paths=(tmp_path / "a.tar",))
    assert run(source, clips, tmp_path)[0][clips[1]].reason is Reason.NOT_IN_SOURCE
    (tmp_path / "a.tar").write_bytes(tar(members(clips)))
    check_all(run(source, clips[1:], tmp_path)[0], clips[1:])


def test_reading_ends_when_everything_is_found(server, tmp_path):
    clips = make_clips(3)
    for number, clip in enumerate(clips):
        server.add(f"/{number}.tar", tar(members([clip])))
    urls = tuple(f"{server.url}/{number}.tar" for number in range(3))
    run(Archives(urls=urls, reading=Reading(streams=1)), clips[:1], tmp_path)
    assert [request.path for request in server.requests] == ["/0.tar"]


def test_a_connection_that_breaks_goes_on_in_the_middle_of_the_archive(server, tmp_path):
    clips = make_clips(60)
    body = tar_gz(members(clips))
    server.add("/a.tar.gz", body, "reset", "short", "ok")
    results, _ = run(Archives(urls=(f"{server.url}/a.tar.gz",), reading=QUICK), clips, tmp_path)
    check_all(results, clips)
    assert [request.range is None for request in server.requests] == [True, False, False]


def test_a_zip_over_http(server, tmp_path):
    clips = make_clips(30)
    server.add("/a.zip", make_zip(members(clips)))
    results, _ = run(Archives(urls=(f"{server.url}/a.zip",), reading=QUICK), clips[10:12], tmp_path)
    check_all(results, clips[10:12])


@pytest.mark.parametrize(
    ("body", "behaviours", "reason", "outcome_class"),
    [
        (tar_gz(members(make_clips(9)))[:-500], (), Reason.DAMAGED, OutcomeClass.PERMANENT),
        (b"<html>sorry</html>", (), Reason.NOT_MEDIA, OutcomeClass.TRANSIENT),
        (b"", (), Reason.NOT_MEDIA, OutcomeClass.TRANSIENT),
        (b"", ("404",), Reason.GONE, OutcomeClass.PERMANENT),
        (b"", ("403",), Reason.FORBIDDEN, OutcomeClass.NEEDS_ACCESS),
        (b"", ("503",), Reason.SERVER_ERROR, OutcomeClass.TRANSIENT),
        (b"", ("429:9",), Reason.RATE_LIMITED, OutcomeClass.RUN_LEVEL),
        (tar(members(make_clips(3))), ("short",), Reason.INCOMPLETE, OutcomeClass.TRANSIENT),
    ],
    ids=["truncated", "html", "empty", "404", "403", "503", "429", "short"],
)
def test_what_fails_is_told_apart_from_what_is_not_there(server, tmp_path, body, behaviours, reason, outcome_class):
    good, lost = make_clips(3, mark="g"), make_clips(1, mark="n")
    server.add("/good.tar", tar(members(good)))
    server.add("/bad.tar.gz", body, *behaviours)
    urls = (f"{server.url}/good.tar", f"{server.url}/bad.tar.gz")
    results, _ = run(Archives(urls=urls, reading=QUICK), [*good, *lost], tmp_path)
    check_all(results, good)
    assert results[lost[0]].reason is reason
    assert results[lost[0]].outcome_class is outcome_class
    if behaviours == ("429:9",):
        assert results[lost[0]].retry_after == 9


def test_members_before_the_end_of_a_truncated_archive_are_kept(server, tmp_path):
    clips = make_clips(30)
    server.add("/a.tar", tar(members(clips))[:300_000])
    results, _ = run(Archives(urls=(f"{server.url}/a.tar",), reading=QUICK), clips, tmp_path)
    check_all(results, clips[:14])
    assert {results[clip].reason for clip in clips[14:]} == {Reason.DAMAGED}


def test_a_refusal_leaves_the_other_archives_alone(server, tmp_path):
    for number in range(20):
        server.add(f"/{number}.tar", b"", "429:60")
    urls = tuple(f"{server.url}/{number}.tar" for number in range(20))
    run(Archives(urls=urls, reading=QUICK), make_clips(1), tmp_path)
    assert len(server.requests) <= 2


def test_odd_members(tmp_path):
    clips = make_clips(6)
    contents = [
        (f"{clips[0].id}.flv", content_of(clips[0])),  # a wrong suffix
        (f"{clips[1].id}", content_of(clips[1])),  # none
        (f"{clips[2].youtube_id}.mp4", content_of(clips[2])),  # the id alone
        (f"../../{clips[3].id}.mp4", content_of(clips[3])),  # a name that would leave the folder
        (f"{clips[4].id}.mp4", b"<html>"),  # no media
        (f"{clips[0].id}.mp4", b"twice"),
        (f"{clips[5].youtube_id}_000011_000021.mp4", content_of(clips[5])),  # another clip of that video
    ]
    (tmp_path / "a.tar").write_bytes(tar(contents))
    results, _ = run(Archives(paths=(tmp_path / "a.tar",)), clips, tmp_path)
    check_all(results, clips[:4])
    assert results[clips[2]].span is Span.UNKNOWN
    assert results[clips[4]].reason is Reason.DAMAGED
    assert results[clips[5]].reason is Reason.NOT_IN_SOURCE


def test_a_member_of_no_use_gives_way_to_a_better_one(tmp_path):
    clips = make_clips(2)
    (tmp_path / "a.tar").write_bytes(tar({f"{clips[0].id}.mp4": b"<html>"}))
    (tmp_path / "b.tar").write_bytes(tar(members(clips)))
    source = Archives(paths=(tmp_path / "a.tar", tmp_path / "b.tar"), reading=Reading(streams=1))
    check_all(run(source, clips, tmp_path)[0], clips)


def test_a_stopping_run_stops_every_stream(server, tmp_path):
    clips = make_clips(40)
    for number in range(4):
        server.add(f"/{number}.tar", tar(members(clips[10 * number : 10 * number + 10])), "drip:0.0005")
    source = Archives(urls=tuple(f"{server.url}/{number}.tar" for number in range(4)), reading=QUICK)
    stop = threading.Event()

    def check():
        if stop.is_set():
            raise StoppedError("stopped", "go on")

    (unit,) = source.plan(clips, PlanContext("kinetics600", tmp_path))
    assert isinstance(unit, Unit)
    before = threading.active_count()
    iterator = source.fetch(unit, FetchContext(tmp_path, check=check))
    assert len(list(itertools.islice(iterator, 3))) == 3
    stop.set()
    with pytest.raises(StoppedError):
        list(iterator)
    # A generator that is closed half-way ends its threads as well.
    stop.clear()
    iterator = source.fetch(unit, FetchContext(tmp_path, check=check))
    next(iterator)
    iterator.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("archive-")]
    assert threading.active_count() <= before + 10  # the server's own


def read_until_stopped(source, clips, folder, count):
    """Fetches `count` clips and then stops, as a run that is ended does."""
    folder.mkdir()
    (unit,) = source.plan(clips, PlanContext("kinetics600", folder.parent / "cache"))
    assert isinstance(unit, Unit)
    iterator = source.fetch(unit, FetchContext(folder, cache=folder.parent / "cache"))
    taken = [clip for item in itertools.islice(iterator, count) for clip in item.clips]
    iterator.close()
    return taken


@pytest.mark.parametrize("etag", [None, '"one"'])
def test_a_run_that_was_ended_goes_on_in_the_middle_of_the_archive(server, tmp_path, etag):
    clips = make_clips(400)
    body = tar_gz(members(clips))
    server.add("/a.tar.gz", body, etag=etag)
    source = Archives(urls=(f"{server.url}/a.tar.gz",), reading=Reading(streams=1))
    taken = read_until_stopped(source, clips, tmp_path / "first", 100)
    results, _ = run(source, [clip for clip in clips if clip not in taken], tmp_path)
    check_all(results, results)
    assert len(server.requests) == 2
    assert 500_000 < int(server.requests[1].range.removeprefix("bytes=").rstrip("-")) < len(body)
    assert not list((tmp_path / "cache").glob("partial-*"))


def test_what_was_kept_of_another_state_of_the_archive_is_dropped(server, tmp_path):
    clips = make_clips(400)
    server.add("/a.tar.gz", tar_gz(members(clips)), "ok", "changed", "ok", etag='"one"')
    source = Archives(urls=(f"{server.url}/a.tar.gz",), reading=Reading(streams=1))
    taken = read_until_stopped(source, clips, tmp_path / "first", 10)
    left = [clip for clip in clips if clip not in taken]
    results, _ = run(source, left, tmp_path)
    failed = [clip for clip in left if not hasattr(results[clip], "content")]
    assert {results[clip].reason for clip in failed} == {Reason.INCOMPLETE}
    check_all(run(source, failed, tmp_path)[0], failed)


def test_kept_bytes_that_were_spoilt_are_no_verdict_on_the_archive(server, tmp_path):
    clips = make_clips(400)
    server.add("/a.tar.gz", tar_gz(members(clips)))
    source = Archives(urls=(f"{server.url}/a.tar.gz",), reading=Reading(streams=1))
    taken = read_until_stopped(source, clips, tmp_path / "first", 10)
    (kept,) = (tmp_path / "cache").glob("partial-*.part")
    data = bytearray(kept.read_bytes())
    data[len(data) // 2 :] = bytes(len(data) - len(data) // 2)  # zeros, as after a power cut
    kept.write_bytes(data)
    left = [clip for clip in clips if clip not in taken]
    results, _ = run(source, left, tmp_path)
    failed = [clip for clip in left if not hasattr(results[clip], "content")]
    assert {results[clip].reason for clip in failed} == {Reason.INCOMPLETE}
    check_all(run(source, failed, tmp_path)[0], failed)


def test_nothing_is_kept_where_that_is_not_wanted(server, tmp_path):
    clips = make_clips(400)
    server.add("/a.tar.gz", tar_gz(members(clips)))
    source = Archives(urls=(f"{server.url}/a.tar.gz",), reading=Reading(streams=1, keep_partial=False))
    read_until_stopped(source, clips, tmp_path / "first", 10)
    assert not list(tmp_path.glob("cache/partial-*"))


def test_archives_named_for_classes_are_read_for_their_class_alone(server, tmp_path):
    archery = make_clips(2, label="archery")
    knots = [Clip(Split.TRAIN, f"knot-{n:06d}", 10, 20, "tying knot (not on a tie)") for n in range(2)]
    other = make_clips(1, label="abseiling", mark="n")
    index = (
        "https://replaced/archery.tar.gz\n"
        "https://replaced/tying knot (not on a tie).tar.gz\n"
        "https://replaced/zumba.tar.gz\n"
    ).replace("https://replaced", server.url + "/600/train")
    server.add("/600/train/k600_train_path.txt", index.encode(), content_type="text/plain")
    server.add("/600/train/archery.tar.gz", tar_gz(members(archery)))
    server.add("/600/train/tying knot (not on a tie).tar.gz", tar_gz(members(knots)))
    server.add("/600/train/zumba.tar.gz", b"", "500")
    results, units = run(Mirror(base=server.url, reading=QUICK), [*archery, *knots, *other], tmp_path)
    assert len(units) == 2
    check_all(results, [*archery, *knots])
    assert results[other[0]].reason is Reason.NOT_IN_SOURCE
    assert not server.seen("/600/train/zumba")


def test_replacements_come_first(server, tmp_path):
    clips = make_clips(6)
    server.add("/400/train/k400_train_path.txt", f"{server.url}/part_0.tar.gz\n\n{server.url}/part_1.tar.gz".encode())
    server.add("/part_0.tar.gz", tar_gz(dict.fromkeys(members(clips[:2]), b"<damaged>") | members(clips[2:4])))
    server.add("/part_1.tar.gz", tar_gz(members(clips[4:])))
    server.add("/400/replacement_for_corrupted_k400.tgz", tar_gz(members(clips[:2])))
    source = Mirror(base=server.url, reading=QUICK)
    results, _ = run(source, clips, tmp_path, "kinetics400")
    check_all(results, clips)
    assert "replacement" in results[clips[0]].origin
    # Once known, too: the clip lies in two archives, and the first is right.
    results, units = run(source, clips[:1], tmp_path, "kinetics400")
    check_all(results, clips[:1])
    assert "replacement" in units[0].key


def test_splits_without_archives(server, tmp_path):
    server.add("/600/test/k600_test_path.txt", f"{server.url}/t.tar".encode())
    test, holdout = make_clips(1, Split.TEST, None), make_clips(1, Split.HOLDOUT_TEST, None, mark="h")
    server.add("/t.tar", tar(members(test)))
    results, _ = run(Mirror(base=server.url, reading=QUICK), [*test, *holdout], tmp_path)
    check_all(results, test)
    assert results[holdout[0]].reason is Reason.NOT_IN_SOURCE
    with pytest.raises(AcquireError, match="no index of Kinetics-700"):
        run(Mirror(base=server.url), test, tmp_path, "kinetics700")


def test_ones_own_index_with_relative_names(server, tmp_path):
    clips = make_clips(2)
    server.add("/mine/list.txt", b"# mine\n./one.tar\n/two.tar\n")
    server.add("/mine/one.tar", tar(members(clips[:1])))
    server.add("/two.tar", tar(members(clips[1:])))
    source = Mirror(indexes={"train": f"{server.url}/mine/list.txt"}, reading=QUICK)
    check_all(run(source, clips, tmp_path, "kinetics700")[0], clips)


@pytest.mark.parametrize("behaviour", ["404", "html", "stall:4"])
def test_an_index_that_cannot_be_read(server, tmp_path, behaviour):
    server.add("/600/train/k600_train_path.txt", b"x", behaviour)
    with pytest.raises(AcquireError, match="index"):
        run(Mirror(base=server.url, reading=QUICK), make_clips(1), tmp_path)


def test_settings_that_cannot_work(tmp_path):
    for make in (Archives, lambda: Archives(urls=("x",)), lambda: Mirror(indexes={"val": "x"})):
        with pytest.raises(ConfigError):
            make()
    (tmp_path / "a.mp4").touch()
    with pytest.raises(AcquireError, match="no archive"):
        run(Archives(paths=(tmp_path,)), make_clips(1), tmp_path)
