"""The pool: order, limits, and workers that hang or die."""

from __future__ import annotations

import contextlib
import pickle
import random
import signal
import threading
import time

import psutil
import pytest
from decoding import decode, request_for
from media import cached_video
from pool_workers import decoding_worker, short, worker_ids

from kinetics_tfds.decode.failure import DecodeError, failed
from kinetics_tfds.decode.pool import DecodePool
from kinetics_tfds.decode.types import DecodedClip, DecodeFailure, DecodeLimits, DecodeSettings, FailureReason

# Order and amounts.


def test_results_come_in_order_and_equal_those_of_one_process():
    paths = [cached_video(seconds=s, width=160, height=128) for s in (1, 0.2, 2, 0.5)] * 5
    requests = [request_for(path, i, i + 2) for i, path in enumerate(paths)]
    with DecodePool(DecodeSettings(audio_rate=8000), workers=2) as pool:
        results = list(pool.decode(requests))
    assert [request for request, _ in results] == requests
    for path, (_, clip) in zip(paths[:4], results, strict=False):
        alone = decode(path, 0, 2, audio_rate=8000)
        assert clip.frames == alone.frames
        assert clip.timestamps.tolist() == alone.timestamps.tolist()
        assert clip.audio.tolist() == alone.audio.tolist()
        assert clip.decode_seconds > 0


def test_requests_are_taken_as_they_are_needed():
    taken = []

    def requests():
        for number in range(20):
            taken.append(number)
            yield request_for(short(), 0, 1)

    with DecodePool(DecodeSettings(), workers=2) as pool:
        for number, _ in enumerate(pool.decode(requests())):
            assert len(taken) <= number + 4


def test_a_pool_may_be_used_again_and_for_nothing():
    with DecodePool(DecodeSettings(), workers=1) as pool:
        assert list(pool.decode([])) == []
        for _ in range(2):
            [(_, clip)] = pool.decode([request_for(short(), 0, 1)])
            assert len(clip.frames) == 25


def test_several_threads_share_a_pool():
    problems = []

    def work(pool, length):
        path = cached_video(seconds=length, width=160, height=128)
        for _, clip in pool.decode(request_for(path, 0, 2) for _ in range(6)):
            if not isinstance(clip, DecodedClip) or len(clip.frames) != 25 * length:
                problems.append(clip)

    with DecodePool(DecodeSettings(), workers=2) as pool:
        threads = [threading.Thread(target=work, args=(pool, length)) for length in (1, 2, 1, 2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    assert problems == []


def test_failures_are_told_and_cost_nothing_else(tmp_path):
    empty = tmp_path / "empty.mp4"
    empty.touch()
    paths = [short(), empty, tmp_path / "missing.mp4", short()]
    with DecodePool(DecodeSettings(), workers=2) as pool:
        results = [result for _, result in pool.decode(request_for(p, 0, 1) for p in paths)]
    assert results[1] == DecodeFailure(FailureReason.EMPTY, "the file has no bytes")
    assert results[2].reason is FailureReason.UNREADABLE
    assert len(results[0].frames) == len(results[3].frames) == 25


@pytest.mark.parametrize("reason", FailureReason)
def test_every_reason_survives_pickling_and_says_what_to_do(reason):
    error = pickle.loads(pickle.dumps(failed(reason, "line one\nline two")))
    assert isinstance(error, DecodeError)
    assert error.failure == DecodeFailure(reason, "line one line two")
    assert error.next_step


# Limits.


def mixed_with(path, count: int = 6):
    """Returns requests of which number 2 is for `path` and the others for a short clip."""
    return [request_for(path if i == 2 else short(), 0, 10 if i == 2 else 1) for i in range(count)]


def check_neighbours(results, reason: FailureReason, count: int = 6):
    assert results[2].reason is reason, results[2]
    assert "\n" not in results[2].detail
    others = [r for i, r in enumerate(results) if i != 2]
    assert [len(clip.frames) for clip in others] == [25] * (count - 1)


def test_a_clip_that_takes_too_long_costs_only_itself(large):
    limits = DecodeLimits(wall_seconds=0.6)
    requests = mixed_with(large)
    began = time.monotonic()
    with DecodePool(DecodeSettings(short_side=None, fps=None), limits, workers=2) as pool:
        results = [r for _, r in pool.decode(requests)]
    assert results[2].reason is FailureReason.TIMEOUT
    assert "0.6 s" in results[2].detail
    assert [len(r.frames) for i, r in enumerate(results) if i != 2] == [30] * 5
    assert time.monotonic() - began < 20


def test_a_clip_that_needs_too_much_memory_costs_only_itself():
    path = cached_video(seconds=0.2, width=4096, height=2304, options={"preset": "ultrafast"})
    limits = DecodeLimits(memory_bytes=30 << 20)
    with DecodePool(DecodeSettings(), limits, workers=2) as pool:
        check_neighbours([r for _, r in pool.decode(mixed_with(path))], FailureReason.MEMORY)


@contextlib.contextmanager
def when_busy(act):
    """Calls `act` with the one worker once it is at work on a clip."""
    thread = threading.Thread(target=lambda: act(decoding_worker()))
    thread.start()
    yield
    thread.join()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_a_worker_that_is_killed_costs_no_clip(number):
    path = cached_video(seconds=4, width=640, height=480)
    requests = [request_for(path, 0, 4), *[request_for(short(), 0, 1)] * 4]
    with DecodePool(DecodeSettings(short_side=None), workers=1) as pool:
        list(pool.decode(requests[1:]))
        with when_busy(lambda worker: worker.send_signal(number)):
            results = [result for _, result in pool.decode(requests)]
    assert [len(clip.frames) for clip in results] == [100, 25, 25, 25, 25]


@pytest.mark.slow
def test_time_in_which_a_worker_is_suspended_does_not_count():
    path = cached_video(seconds=4, width=640, height=480)

    def suspend(worker: psutil.Process) -> None:
        worker.suspend()
        time.sleep(12)
        worker.resume()

    with DecodePool(DecodeSettings(short_side=None), DecodeLimits(wall_seconds=10.0), workers=1) as pool:
        list(pool.decode([request_for(short(), 0, 1)]))
        with when_busy(suspend):
            [(_, clip)] = pool.decode([request_for(path, 0, 4)])
    assert len(clip.frames) == 100


def test_idle_workers_that_die_cost_nothing():
    with DecodePool(DecodeSettings(), workers=2) as pool:
        for _ in range(3):
            assert [len(clip.frames) for _, clip in pool.decode([request_for(short(), 0, 1)] * 4)] == [25] * 4
            for pid in worker_ids():
                with contextlib.suppress(psutil.Error):
                    psutil.Process(pid).kill()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_killing_and_suspending_workers_at_random_loses_no_clip(seed):
    rng = random.Random(seed)
    over = threading.Event()

    def kill():
        while not over.wait(rng.uniform(0.1, 0.8)):
            with contextlib.suppress(psutil.Error, IndexError):
                worker = psutil.Process(rng.choice(worker_ids()))
                worker.kill() if rng.random() < 0.7 else worker.suspend()
                over.wait(rng.uniform(0, 0.3))
                worker.resume()

    thread = threading.Thread(target=kill)
    with DecodePool(DecodeSettings(), workers=2) as pool:
        thread.start()
        path = cached_video(seconds=4, width=320, height=192)
        results = [r for _, r in pool.decode(request_for(path, 0, 4) for _ in range(80))]
        over.set()
        thread.join()
    assert [len(clip.frames) for clip in results] == [100] * 80
