"""A whole run over a mirror and a folder: from archives on a server to a store that a build can read."""

from __future__ import annotations

import pytest
from acquire.archive_maker import tar, tar_gz
from acquire.loopback import Loopback
from media import make_video

from kinetics_tfds.acquire.config import AcquireConfig, CutSettings, RetrySettings
from kinetics_tfds.acquire.ledger.ledger import read_ledger
from kinetics_tfds.acquire.outcome import Reason
from kinetics_tfds.acquire.run.passes import Run, acquire
from kinetics_tfds.acquire.sources.archives import Archives
from kinetics_tfds.acquire.sources.folder import Folder
from kinetics_tfds.acquire.sources.mirror import Mirror
from kinetics_tfds.acquire.sources.part_downloads import Reading
from kinetics_tfds.acquire.sources.web import Web
from kinetics_tfds.acquire.store.clip_store import open_store
from kinetics_tfds.annotations.clip import Clip, Split
from kinetics_tfds.annotations.versions import get_version
from kinetics_tfds.clips.listing import list_folder
from kinetics_tfds.clips.match import match_clips

VERSION = get_version("kinetics400")


@pytest.fixture(scope="module")
def media(tmp_path_factory) -> bytes:
    path = tmp_path_factory.mktemp("media") / "x.mp4"
    return make_video(path, seconds=3, fps=10, width=96, height=64).read_bytes()


def test_from_archives_to_a_store(tmp_path, media):
    clips = [Clip(Split.VALIDATION, f"-bcdefgh_{n:02d}", 5, 8, "archery") for n in range(10)]
    whole, wrong, in_folder, damaged, nowhere = clips[:5], clips[5], clips[6], clips[7], clips[8:]
    with Loopback() as server:
        index = f"{server.url}/part 0.tar.gz\n{server.url}/part 1.tar.gz\n"
        server.add("/400/val/k400_val_path.txt", index.encode())
        server.add("/400/replacement_for_corrupted_k400.tgz", tar_gz({f"./{whole[0].id}.mp4": media}))
        server.add("/part 0.tar.gz", tar_gz({f"./{clip.id}.mp4": media for clip in whole[1:]}), "short", "ok")
        bodies = {
            f"nested/{whole[0].id}.mp4": media[: len(media) // 2],  # the damaged copy
            f"nested/{wrong.id}.mp4": media[:-200] + bytes(200),
            f"nested/{damaged.id}.mp4": media[: len(media) // 2],
        }
        server.add("/part 1.tar.gz", tar(bodies))
        (tmp_path / "old").mkdir()
        (tmp_path / "old" / f"{in_folder.id}.mp4").write_bytes(media)
        web = Web(timeout=2.0, retries=2, retry_wait=0.01)
        config = AcquireConfig(
            sources=(Folder(path=tmp_path / "old"), Mirror(base=server.url, reading=Reading(web=web))),
            retry=RetrySettings(attempts=1, first_wait=0.1, longest_wait=0.1),
            min_free_gb=0.01,
            workers=1,
            state=tmp_path / "state",
        )
        run = Run(version=VERSION, clips=clips, store=str(tmp_path / "store"), config=config, say=lambda line: None)
        summary = acquire(run)
        requests = len(server.requests)
        again = acquire(run)
        assert len(server.requests) <= requests + 1  # the index at most
    assert again.stored == 0
    store = open_store(tmp_path / "store")
    last = {record.clip.youtube_id: record for record in read_ledger(store) if record.source == "mirror"}
    stored = {clip for clip in clips if clip.youtube_id in last and last[clip.youtube_id].reason is Reason.STORED}
    assert stored >= set(whole)
    assert last[damaged.youtube_id].reason is Reason.DAMAGED
    assert {last[clip.youtube_id].reason for clip in nowhere} == {Reason.NOT_IN_SOURCE}
    assert (
        last[whole[0].youtube_id].origin == f"{server.url}/400/replacement_for_corrupted_k400.tgz!./{whole[0].id}.mp4"
    )
    assert in_folder.youtube_id not in last
    matches = match_clips(clips, list_folder(tmp_path / "store"), VERSION)
    assert set(matches.found) == stored | {in_folder}
    assert summary.stored == len(stored) + 1
    assert not matches.unclaimed
    assert not list((tmp_path / "store" / ".acquire" / "tmp").iterdir())


def test_a_good_file_after_a_damaged_one_is_stored(tmp_path, media):
    """In the same archive or in another; only decoding tells that the first one is damaged."""
    clips = [Clip(Split.VALIDATION, f"-bcdefgh_{n:02d}", 5, 8, "archery") for n in range(4)]
    half = media[: len(media) // 2]
    with Loopback() as server:
        server.add("/a.tar", tar([(f"1/{clips[0].id}.mp4", half), (f"2/{clips[0].id}.mp4", media)]))
        server.add("/b.tar.gz", tar_gz([(f"x/{clip.id}.mp4", half) for clip in clips[1:3]]))
        server.add("/c.tar", tar([(f"x/{clips[1].id}.mp4", media), (f"x\udcff/{clips[3].id}.mp4", media)]))
        urls = tuple(f"{server.url}/{name}" for name in ("a.tar", "b.tar.gz", "c.tar"))
        config = AcquireConfig(
            sources=(Archives(urls=urls),), min_free_gb=0.01, workers=1, state=tmp_path / "state", cut=CutSettings()
        )
        store = str(tmp_path / "store")
        summary = acquire(Run(version=VERSION, clips=clips, store=store, config=config, say=lambda line: None))
        assert len(server.requests) == 3
    assert (summary.stored, summary.left, summary.pending) == (3, 1, 0)
    last = {record.clip: record for record in sorted(read_ledger(open_store(store)), key=lambda record: record.time)}
    assert {clip: last[clip].reason for clip in clips} == {
        **dict.fromkeys(clips, Reason.STORED),
        clips[2]: Reason.DAMAGED,
    }
    assert (last[clips[0]].origin or "").endswith(f"/a.tar!2/{clips[0].id}.mp4")
    assert (last[clips[1]].origin or "").endswith(f"/c.tar!x/{clips[1].id}.mp4")
    # A name in an archive need not be UTF-8, and yet every report must be.
    assert (last[clips[3]].origin or "").endswith(f"/c.tar!x\\udcff/{clips[3].id}.mp4")
    assert (last[clips[3]].origin or "").encode("utf-8")
