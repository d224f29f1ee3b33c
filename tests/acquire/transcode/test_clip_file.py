from __future__ import annotations

import contextlib
import dataclasses
import os
import pathlib
import signal
import threading
import time

import psutil
import pytest
from media import make_video

from kinetics_tfds.acquire.config import CheckSettings, CutSettings
from kinetics_tfds.acquire.outcome import Outcome, Reason
from kinetics_tfds.acquire.source import Fetched
from kinetics_tfds.acquire.store.clip_store import file_digest
from kinetics_tfds.acquire.transcode.clip_file import Finished, Job
from kinetics_tfds.acquire.transcode.pool import make_pool, result_of_job, submit_job
from kinetics_tfds.annotations.clip import Clip, Split
from kinetics_tfds.clips.media import Span
from kinetics_tfds.decode.types import DecodeLimits
from kinetics_tfds.errors import WorkerError
from kinetics_tfds.workers import WorkerPool

CUT = CutSettings(preset="ultrafast", crf=28)


@pytest.fixture(scope="module")
def pool():
    with make_pool(1) as running:
        yield running


def finish(pool: WorkerPool, one: Job) -> Finished | Outcome:
    return result_of_job(submit_job(pool, one), one)


@pytest.fixture(scope="module")
def video(tmp_path_factory) -> pathlib.Path:
    return make_video(tmp_path_factory.mktemp("v") / "v.mp4", seconds=12, width=96, height=64, fps=15, audio=True)


def job(video: pathlib.Path, folder: pathlib.Path, span=Span.UNKNOWN, times=(2.0, 7.0), complete=True, **more) -> Job:
    clip = Clip(Split.TRAIN, "-abc_DEF123", *times, "archery")
    fetched = Fetched((clip,), video, span, "somewhere", complete=complete)
    values = {"target": folder / "out", "may_move": False, "cut": CUT, "check": CheckSettings()}
    return Job(clip, fetched, **(values | more))


def test_a_whole_video_is_cut(pool, video, tmp_path):
    done = finish(pool, job(video, tmp_path))
    assert isinstance(done, Finished), done
    assert (done.cut, done.path, done.duration) == ("reencoded", tmp_path / "out.mp4", 5.0)
    assert (done.sha256, done.bytes) == file_digest(tmp_path / "out.mp4")


def test_a_trimmed_file_stays_as_it_is_under_a_true_suffix(pool, tmp_path):
    lying = make_video(tmp_path / "x.webm", codec="vp9", seconds=5, width=96, height=64).rename(tmp_path / "x.mp4")
    before = lying.read_bytes()
    done = finish(pool, job(lying, tmp_path, span=Span.TRIMMED, may_move=True))
    assert isinstance(done, Finished), done
    assert (done.cut, done.path.suffix) == ("as_is", ".webm")
    assert done.path.read_bytes() == before
    assert not lying.exists()


def test_a_file_of_the_user_is_only_read(pool, video, tmp_path):
    done = finish(pool, job(video, tmp_path, span=Span.TRIMMED, times=(100.0, 112.0)))
    assert isinstance(done, Finished)
    assert video.exists()


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"times": (50.0, 60.0), "span": Span.WHOLE}, Reason.OUT_OF_RANGE),
        ({"times": (11.5, 21.5), "span": Span.WHOLE}, Reason.TOO_SHORT),
        ({"span": Span.TRIMMED}, Reason.WRONG_LENGTH),
        ({"cut": dataclasses.replace(CUT, seconds=0.01)}, Reason.TIMEOUT),
        ({"limits": DecodeLimits(max_pixels=100)}, Reason.TOO_LARGE),
    ],
)
def test_what_is_refused(pool, video, tmp_path, more, reason):
    result = finish(pool, job(video, tmp_path, **more))
    assert isinstance(result, Outcome)
    assert result.reason is reason, result


@pytest.mark.parametrize(
    ("data", "complete", "reason"),
    [
        (b"<!doctype html><html>sorry</html>", False, Reason.NOT_MEDIA),
        (b"#EXTM3U\n#EXTINF:10,\nfile:///etc/passwd\n", False, Reason.NOT_MEDIA),
        (b"<!doctype html><html>sorry</html>", True, Reason.DAMAGED),  # the source's copy is just that
        (b"", False, Reason.INCOMPLETE),
        (b"", True, Reason.DAMAGED),
        ("half", True, Reason.DAMAGED),
        ("half", False, Reason.INCOMPLETE),
        ("noise", True, Reason.DAMAGED),
    ],
)
def test_damaged_files(pool, tmp_path, data, complete, reason):
    path = make_video(tmp_path / "x.mkv", seconds=5, width=96, height=64)
    whole = path.read_bytes()
    if data == "half":
        data = whole[: len(whole) // 2]
    elif data == "noise":
        middle = len(whole) // 2
        data = whole[:middle] + os.urandom(2000) + whole[middle + 2000 :]
    path.write_bytes(data)
    result = finish(pool, job(path, tmp_path, span=Span.TRIMMED, complete=complete))
    assert isinstance(result, Outcome), result
    assert result.reason is reason, result


def worker_processes() -> set[int]:
    found = set()
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):  # it has ended meanwhile
            if "kinetics_tfds.workers" in " ".join(child.cmdline()):
                found.add(child.pid)
    return found


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_worker_that_is_killed_while_it_cuts_costs_no_clip(video, tmp_path, number):
    """As by the kernel that runs out of memory, or a signal to the whole process group: never `damaged`."""
    others = worker_processes()
    with make_pool(1) as pool:
        slow = job(video, tmp_path, times=(0.0, 12.0), span=Span.WHOLE, cut=dataclasses.replace(CUT, preset="veryslow"))
        future = submit_job(pool, slow)
        while not (tmp_path / "out.mp4").exists():
            time.sleep(0.01)
        for worker in worker_processes() - others:
            os.kill(worker, number)
        assert isinstance(result_of_job(future, slow), Finished)


def test_workers_that_are_killed_again_and_again_end_the_run_and_fail_no_clip(video, tmp_path):
    others, over = worker_processes(), threading.Event()

    def kill() -> None:
        while not over.is_set():
            for worker in worker_processes() - others:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(worker, signal.SIGKILL)

    with make_pool(1) as pool:
        one = job(video, tmp_path)
        killer = threading.Thread(target=kill)
        killer.start()
        try:
            with pytest.raises(WorkerError):
                finish(pool, one)
        finally:
            over.set()
            killer.join()


def test_jobs_share_a_pool(video, tmp_path):
    with make_pool(2) as pool:
        jobs = [job(video, tmp_path, target=tmp_path / f"{number}") for number in range(6)]
        futures = [submit_job(pool, each) for each in jobs]
        assert {type(result_of_job(*pair)) for pair in zip(futures, jobs, strict=True)} == {Finished}
