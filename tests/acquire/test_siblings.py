"""Files named by a video's id alone, of videos that several rows are about, when only some rows are wanted."""

from __future__ import annotations

import pytest
from acquire.archive_maker import tar
from acquire.loopback import Loopback
from acquire.source_run import media, run

from kinetics_tfds.acquire.config import AcquireConfig
from kinetics_tfds.acquire.ledger.ledger import read_ledger
from kinetics_tfds.acquire.outcome import Reason
from kinetics_tfds.acquire.run.passes import Run, acquire
from kinetics_tfds.acquire.siblings import find_siblings, others_of
from kinetics_tfds.acquire.sources.archives import Archives
from kinetics_tfds.acquire.sources.folder import Folder
from kinetics_tfds.acquire.sources.http import Http
from kinetics_tfds.acquire.store.clip_store import open_store
from kinetics_tfds.acquire.store.intact import intact_clips
from kinetics_tfds.annotations.clip import Clip, Split
from kinetics_tfds.annotations.versions import get_version
from kinetics_tfds.clips.media import Span

VIDEO = "_a-b_12_34-"
VERSION = get_version("kinetics600")
# As in Kinetics-600: two clips of one video in two classes of one split, and one of another split.
ROWS = (
    Clip(Split.VALIDATION, VIDEO, 0, 10, "archery"),
    Clip(Split.VALIDATION, VIDEO, 30, 40, "zumba"),
    Clip(Split.TEST, VIDEO, 60, 70, None),
    Clip(Split.VALIDATION, "another_one", 0, 10, "zumba"),
)
ARCHERY, ZUMBA, TEST, ALONE = ROWS

# Where the file lies, which single row is wanted, and what that row must come to: a span, or None for "not there".
CASES = [
    ("validate/archery", ARCHERY, Span.UNKNOWN),
    ("validate/archery", ZUMBA, None),
    ("validate/archery", TEST, None),
    ("test", ARCHERY, None),
    ("test", TEST, Span.UNKNOWN),
    ("clips", ZUMBA, Span.WHOLE),  # no hint: it may hold all three
]


@pytest.mark.parametrize(("folder", "row", "span"), CASES)
@pytest.mark.parametrize("kind", ["folder", "archives"])
def test_a_file_is_not_taken_for_a_sibling(tmp_path, kind, folder, row, span):
    path = f"{folder}/{VIDEO}.mp4"
    if kind == "folder":
        (tmp_path / "old" / folder).mkdir(parents=True)
        (tmp_path / "old" / path).write_bytes(media())
        source = Folder(path=tmp_path / "old")
    else:
        (tmp_path / "a.tar").write_bytes(tar({f"./{path}": media()}))
        source = Archives(paths=(tmp_path / "a.tar",))
    results, _ = run(source, [row, ALONE], tmp_path, rows=ROWS)
    assert results[ALONE].reason is Reason.NOT_IN_SOURCE
    if span is None:
        assert results[row].reason is Reason.NOT_IN_SOURCE
    else:
        assert results[row].span is span


def test_one_url_for_a_video_of_several_rows(tmp_path):
    with Loopback() as server:
        for video in (VIDEO, "another_one"):
            server.add(f"/{video}.mp4", media())
        source = Http(url=server.url + "/{youtube_id}.mp4")
        results, units = run(source, [ZUMBA, ALONE], tmp_path, rows=ROWS)
    assert [(unit.clips, len(unit.others)) for unit in units] == [((ZUMBA,), 2), ((ALONE,), 0)]
    assert (results[ZUMBA].span, results[ALONE].span) == (Span.WHOLE, Span.UNKNOWN)


def test_what_a_store_has_is_told_by_all_rows(tmp_path):
    store = open_store(tmp_path)
    (tmp_path / "validate/archery").mkdir(parents=True)
    (tmp_path / f"validate/archery/{VIDEO}.mp4").write_bytes(media())
    siblings = find_siblings(ROWS)
    assert list(intact_clips([ARCHERY], store, VERSION, siblings)) == [ARCHERY]
    assert intact_clips([ZUMBA], store, VERSION, siblings) == {}
    assert list(intact_clips(ROWS, store, VERSION, siblings)) == [ARCHERY]


def test_others_are_the_rows_of_the_same_videos():
    siblings = find_siblings(iter(ROWS))
    assert list(siblings) == [VIDEO]
    assert others_of((ZUMBA, ALONE), siblings) == (ARCHERY, TEST)
    assert others_of(ROWS, siblings) == ()


def test_a_whole_run_hands_them_on(tmp_path):
    """Through the work list as well: the archive is read in another process, later."""
    (tmp_path / "a.tar").write_bytes(tar({f"validate/archery/{VIDEO}.mp4": media(1), "x/another_one.mp4": media(2)}))
    config = AcquireConfig(
        sources=(Archives(paths=(tmp_path / "a.tar",)),), min_free_gb=0.01, workers=1, state=tmp_path / "state"
    )
    store = str(tmp_path / "store")
    acquire(Run(version=VERSION, clips=ROWS[1:], rows=ROWS, store=store, config=config, say=lambda line: None))
    reasons = {record.clip: record.reason for record in read_ledger(open_store(store))}
    assert reasons[ZUMBA] is reasons[TEST] is Reason.NOT_IN_SOURCE
    assert reasons[ALONE] is Reason.DAMAGED  # it was taken; that these bytes do not play is another matter
