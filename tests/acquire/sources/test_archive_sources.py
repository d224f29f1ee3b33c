"""The archives source and CVDF's mirror: which archives are read for which clips, and what goes wrong in them."""

from __future__ import annotations

import concurrent.futures
import itertools
import threading
import zipfile

import pytest
from acquire.archive_maker import make_zip, tar, tar_gz
from acquire.loopback import Loopback
from acquire.source_run import make_clips, media, run

from kinetics_tfds.acquire.outcome import OutcomeClass, Reason
from kinetics_tfds.acquire.source import FetchContext, PlanContext, StoppedError, Unit
from kinetics_tfds.acquire.sources.archives import Archives
from kinetics_tfds.acquire.sources.mirror import Mirror
from kinetics_tfds.acquire.sources.part_downloads import Reading
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
    server.add("/a.tar.gz", body, "reset", "short", "ok", etag='"one"')
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


def test_a_member_of_no_use_gives_way_to_a_better_one(server, tmp_path):
    """In the same archive or in another, whether or not it is known what that one holds."""
    clips = make_clips(3)
    bad, good = (f"{clips[0].id}.mp4", b"<html>"), (f"again/{clips[0].id}.mp4", content_of(clips[0]))
    server.add("/a.tar", tar([bad, good, *members(clips[1:2]).items()]))
    server.add("/b.tar", tar([bad, *members(clips[1:2]).items()]))
    server.add("/c.tar", tar(members(clips)))
    for names in ("a", "bc"):
        source = Archives(urls=tuple(f"{server.url}/{name}.tar" for name in names), reading=QUICK, name=names)
        check_all(run(source, clips[:2], tmp_path / names)[0], clips[:2])
    results, units = run(source, clips[:1], tmp_path / "bc")
    check_all(results, clips[:1])
    assert units[0].key.endswith("b.tar")


def test_a_damaged_member_of_a_zip_leaves_the_others(tmp_path):
    clips = make_clips(3)
    data = bytearray(make_zip(members(clips), zipfile.ZIP_STORED))
    data[data.index(content_of(clips[1])) + 500] ^= 1
    (tmp_path / "a.zip").write_bytes(data)
    results, _ = run(Archives(paths=(tmp_path / "a.zip",)), clips, tmp_path)
    check_all(results, [clips[0], clips[2]])
    assert results[clips[1]].reason is Reason.DAMAGED


def test_members_that_are_too_large(tmp_path):
    clips = make_clips(2)
    (tmp_path / "a.tar").write_bytes(tar({f"{clips[0].id}.mp4": media(0, 200_000)} | members(clips[1:])))
    source = Archives(paths=(tmp_path / "a.tar",), reading=Reading(max_clip_gb=1e-4))
    results, _ = run(source, clips, tmp_path)
    assert results[clips[0]].reason is Reason.TOO_LARGE
    check_all(results, clips[1:])


def stopped_after(calls):
    """Returns a `check` that ends the run at that call."""
    left = iter(range(calls))

    def check():
        if next(left, None) is None:
            raise StoppedError("stopped", "go on")

    return check


def fetch_until_stopped(source, clips, folder, calls):
    folder.mkdir()
    (unit,) = source.plan(clips, PlanContext("kinetics600", folder.parent / "cache"))
    assert isinstance(unit, Unit)
    context = FetchContext(folder, check=stopped_after(calls), cache=folder.parent / "cache", version="kinetics600")
    with pytest.raises(StoppedError):
        list(source.fetch(unit, context))


def test_a_stopping_run_ends_every_download(server, tmp_path):
    clips = make_clips(40)
    for number in range(4):
        part = tar(members(clips[10 * number : 10 * number + 10]))
        server.add(f"/{number}.tar", part, "stall:9" if number % 2 else "drip:0.001")
    source = Archives(urls=tuple(f"{server.url}/{number}.tar" for number in range(4)), reading=QUICK)
    fetch_until_stopped(source, clips, tmp_path / "first", 3)
    # Nor does a generator that is closed half-way leave one behind.
    server.add("/0.tar", server.resources["/0.tar"].body)
    (unit,) = source.plan(clips, PlanContext("kinetics600", tmp_path))
    iterator = source.fetch(unit, FetchContext(tmp_path, version="kinetics600"))
    next(iterator)
    iterator.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "archive-part"]


@pytest.mark.parametrize("etag", [None, '"one"'])
def test_a_run_that_was_ended_goes_on_in_the_middle_of_the_archive(server, tmp_path, etag):
    clips = make_clips(100)
    body = tar_gz(members(clips))
    server.add("/a.tar.gz", body, etag=etag)
    source = Archives(urls=(f"{server.url}/a.tar.gz",), reading=QUICK)
    fetch_until_stopped(source, clips, tmp_path / "first", 5)
    results, _ = run(source, clips, tmp_path)
    check_all(results, results)
    first, second = server.requests
    assert first.range is None
    assert (second.range is None) is (etag is None)
    assert not list((tmp_path / "cache").glob("partial-*"))


def test_what_was_kept_of_another_state_of_the_archive_is_dropped(server, tmp_path):
    clips = make_clips(100)
    server.add("/a.tar.gz", tar_gz(members(clips)), etag='"one"')
    source = Archives(urls=(f"{server.url}/a.tar.gz",), reading=QUICK)
    fetch_until_stopped(source, clips, tmp_path / "first", 5)
    server.add("/a.tar.gz", tar(members(clips)), etag='"two"')
    check_all(run(source, clips, tmp_path)[0], clips)


def test_kept_bytes_that_were_spoilt_are_no_verdict_on_the_archive(server, tmp_path):
    clips = make_clips(100)
    server.add("/a.tar.gz", tar_gz(members(clips)), etag='"one"')
    source = Archives(urls=(f"{server.url}/a.tar.gz",), reading=QUICK)
    fetch_until_stopped(source, clips, tmp_path / "first", 5)
    (kept,) = (tmp_path / "cache").glob("partial-*.part")
    data = bytearray(kept.read_bytes())
    data[len(data) // 2 :] = bytes(len(data) - len(data) // 2)  # zeros, as after a power cut
    kept.write_bytes(data)
    results, _ = run(source, clips, tmp_path)
    failed = [clip for clip in clips if not hasattr(results[clip], "content")]
    assert {results[clip].reason for clip in failed} == {Reason.INCOMPLETE}
    check_all(run(source, failed, tmp_path)[0], failed)


def test_nothing_is_kept_where_that_is_not_wanted(server, tmp_path):
    clips = make_clips(100)
    server.add("/a.tar.gz", tar_gz(members(clips)), etag='"one"')
    source = Archives(urls=(f"{server.url}/a.tar.gz",), reading=Reading(keep_partial=False))
    fetch_until_stopped(source, clips, tmp_path / "first", 5)
    assert not list(tmp_path.glob("cache/partial-*"))
    check_all(run(source, clips, tmp_path)[0], clips)


def test_two_runs_on_one_machine_do_not_share_a_download(server, tmp_path):
    clips = make_clips(20)
    server.add("/a.tar", tar(members(clips)), "slow:0.3")
    source = Archives(urls=(f"{server.url}/a.tar",), reading=QUICK)
    runs = [concurrent.futures.Future() for _ in range(3)]

    def go(number, future):
        (tmp_path / f"{number}").mkdir()
        future.set_result(run(source, clips, tmp_path / f"{number}", cache=tmp_path / "cache")[0])

    threads = [threading.Thread(target=go, args=pair) for pair in enumerate(runs)]
    for thread in threads:
        thread.start()
    for each in runs:
        check_all(each.result(60), clips)


@pytest.mark.parametrize("where", ["folder", "server"])
def test_a_split_archive_is_read_as_one(server, tmp_path, where):
    clips = make_clips(30)
    body = tar_gz(members(clips))
    cuts = [0, 100, 200_000, 200_001, len(body)]
    parts = {f"k.tar.gz.{n:04d}": body[a:b] for n, (a, b) in enumerate(itertools.pairwise(cuts))}
    for name, part in parts.items():
        (tmp_path / "tars").mkdir(exist_ok=True)
        (tmp_path / "tars" / name).write_bytes(part)
        server.add(f"/{name}", part, *(["503", "ok"] if where == "server" and name.endswith("2") else []))
    (tmp_path / "tars" / "other.zip").write_bytes(make_zip(members(clips[:1])))
    source = Archives(paths=(tmp_path / "tars",))
    if where == "server":
        source = Archives(urls=tuple(f"{server.url}/{name}" for name in sorted(parts, reverse=True)), reading=QUICK)
        results, _ = run(source, clips, tmp_path)  # one part fails, for a moment
        failed = [clip for clip in clips if not hasattr(results[clip], "content")]
        assert {results[clip].reason for clip in failed} == {Reason.SERVER_ERROR}
    check_all(run(source, clips, tmp_path)[0], clips)
    assert not list(tmp_path.glob("cache/partial-*"))


def test_a_split_archive_whose_last_part_is_missing_is_not_damaged_for_good(tmp_path):
    clips = make_clips(30)
    body = tar_gz(members(clips))
    (tmp_path / "k.tar.gz.aa").write_bytes(body[:300_000])
    source = Archives(paths=(tmp_path / "k.tar.gz.aa",))
    results, _ = run(source, clips, tmp_path)
    assert {result.reason for result in results.values() if not hasattr(result, "content")} == {Reason.INCOMPLETE}


def test_a_file_without_length_that_was_cut_is_not_damaged_for_good(server, tmp_path):
    clips = make_clips(30)
    server.add("/a.tar", tar(members(clips)), "short", unsized=True)
    results, _ = run(Archives(urls=(f"{server.url}/a.tar",), reading=QUICK), clips, tmp_path)
    assert {result.reason for result in results.values() if not hasattr(result, "content")} == {Reason.INCOMPLETE}


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


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        ("404", Reason.UNEXPECTED),
        ("html", Reason.UNEXPECTED),
        ("stall:4", Reason.TIMEOUT),
        ("429:9", Reason.RATE_LIMITED),
    ],
)
def test_an_index_that_fails_costs_its_own_rows(server, tmp_path, behaviour, reason):
    train, val = make_clips(1), make_clips(1, Split.VALIDATION, mark="v")
    server.add("/600/train/k600_train_path.txt", b"x", behaviour)
    server.add("/600/val/k600_val_path.txt", f"{server.url}/v.tar".encode())
    server.add("/v.tar", tar(members(val)))
    results, _ = run(Mirror(base=server.url, reading=QUICK), [*train, *val], tmp_path)
    check_all(results, val)
    assert results[train[0]].reason is reason  # never a final one: an index is not a clip
    assert "index" in results[train[0]].message


def test_settings_that_cannot_work(tmp_path):
    for make in (Archives, lambda: Archives(urls=("x",)), lambda: Mirror(indexes={"val": "x"})):
        with pytest.raises(ConfigError):
            make()
    (tmp_path / "a.mp4").touch()
    with pytest.raises(AcquireError, match="no archive"):
        run(Archives(paths=(tmp_path,)), make_clips(1), tmp_path)
