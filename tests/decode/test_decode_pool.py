"""The pool: order, limits, workers that hang or die, and nothing left behind."""

from __future__ import annotations

import contextlib
import gc
import os
import pathlib
import pickle
import random
import re
import signal
import subprocess
import sys
import textwrap
import threading
import time

import psutil
import pytest
from decoding import decode, request_for
from media import cached_video, repeat_video

from kinetics_tfds.decode.failure import DecodeError, failed
from kinetics_tfds.decode.pool import DecodePool, available_cpus
from kinetics_tfds.decode.types import DecodedClip, DecodeFailure, DecodeLimits, DecodeSettings, FailureReason
from kinetics_tfds.errors import WorkerError


def short():
    return cached_video(seconds=1, width=160, height=128)


@pytest.fixture(scope="session")
def large(tmp_path_factory):
    """Ten seconds of 1080p, which take some seconds to decode."""
    part = cached_video(seconds=0.5, width=1920, height=1080, options={"preset": "ultrafast", "bf": "0"})
    return repeat_video(tmp_path_factory.mktemp("large") / "large.mp4", part, 20, 0.5)


def worker_ids() -> list[int]:
    """Process ids of the decode workers, which are grandchildren, and of their server."""
    found = []
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):  # it may end meanwhile
            if "resource_tracker" not in " ".join(process.cmdline()):
                found.append(process.pid)
    return found


def decoding_worker(timeout: float = 10.0) -> psutil.Process:
    """Waits for a worker that is busy, and returns it."""
    until = time.monotonic() + timeout
    while time.monotonic() < until:
        for pid in worker_ids():
            with contextlib.suppress(psutil.Error):
                process = psutil.Process(pid)
                before = process.cpu_times().user
                time.sleep(0.1)
                if process.ppid() != os.getpid() and process.cpu_times().user > before:
                    return process
    raise AssertionError("no worker is busy")


def gone(pids, timeout: float = 10.0) -> bool:
    until = time.monotonic() + timeout
    while time.monotonic() < until:
        if not any(psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE for pid in pids):
            return True
        time.sleep(0.05)
    return False


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


def test_there_is_a_worker_for_each_available_cpu():
    assert DecodePool(DecodeSettings()).workers == available_cpus() == len(os.sched_getaffinity(0))


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


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT])
def test_a_worker_that_dies_costs_only_its_clip(number, large):
    requests = [request_for(large), *[request_for(short(), 0, 1)] * 4]
    with DecodePool(DecodeSettings(short_side=None), workers=1) as pool:
        list(pool.decode(requests[1:]))
        with when_busy(lambda worker: worker.send_signal(number)):
            results = [result for _, result in pool.decode(requests)]
    assert results[0].reason is FailureReason.CRASHED
    assert number.name in results[0].detail
    assert [len(clip.frames) for clip in results[1:]] == [25] * 4


def test_a_worker_that_hangs_costs_only_its_clip(large):
    requests = [request_for(large), *[request_for(short(), 0, 1)] * 4]
    with DecodePool(DecodeSettings(short_side=None), DecodeLimits(wall_seconds=3.0), workers=1) as pool:
        list(pool.decode(requests[1:]))
        with when_busy(lambda worker: worker.suspend()):
            results = [result for _, result in pool.decode(requests)]
    assert results[0].reason is FailureReason.TIMEOUT
    assert [len(clip.frames) for clip in results[1:]] == [25] * 4


def test_idle_workers_that_die_cost_nothing():
    with DecodePool(DecodeSettings(), workers=2) as pool:
        for _ in range(3):
            assert [len(clip.frames) for _, clip in pool.decode([request_for(short(), 0, 1)] * 4)] == [25] * 4
            for process in psutil.Process().children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    if process.ppid() != os.getpid():
                        process.kill()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_killing_workers_at_random_never_hangs_or_loses_more_than_was_killed(seed):
    rng = random.Random(seed)
    kills = 0
    over = threading.Event()

    def kill():
        nonlocal kills
        while not over.wait(rng.uniform(0.02, 0.4)):
            workers = [p for p in psutil.Process().children(recursive=True) if p.ppid() != os.getpid()]
            with contextlib.suppress(psutil.Error, IndexError):
                rng.choice(workers).kill()
                kills += 1

    thread = threading.Thread(target=kill)
    with DecodePool(DecodeSettings(), workers=2) as pool:
        thread.start()
        path = cached_video(seconds=4, width=320, height=192)
        results = [r for _, r in pool.decode(request_for(path, 0, 4) for _ in range(80))]
        over.set()
        thread.join()
    assert len(results) == 80
    assert sum(isinstance(r, DecodeFailure) for r in results) <= kills
    assert {r.reason for r in results if isinstance(r, DecodeFailure)} <= {FailureReason.CRASHED}


# What workers are.


def test_workers_are_small_and_hold_no_tensorflow(tmp_path):
    part = cached_video(seconds=0.5, width=1280, height=720, audio=True)
    path = repeat_video(tmp_path / "long.mp4", part, 8, 0.5)
    peaks, mapped = {}, set()
    over = threading.Event()

    def watch():
        while not over.wait(0.02):
            for pid in worker_ids():
                with contextlib.suppress(OSError):
                    if b"forkserver" not in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes():
                        continue  # between fork and exec it still is what this process is
                    peak = re.search(r"VmHWM:\s+(\d+) kB", pathlib.Path(f"/proc/{pid}/status").read_text())
                    if peak is None:
                        continue  # it has ended, and is not waited for yet
                    peaks[pid] = max(peaks.get(pid, 0), int(peak[1]) >> 10)
                    maps = pathlib.Path(f"/proc/{pid}/maps").read_text()
                    mapped.update(name for name in ("tensorflow", "apache_beam") if f"/{name}/" in maps)

    thread = threading.Thread(target=watch)
    thread.start()
    with DecodePool(DecodeSettings(audio_rate=16_000), workers=2) as pool:
        assert [len(clip.frames) for _, clip in pool.decode([request_for(path, 0, 4)] * 8)] == [100] * 8
    over.set()
    thread.join()
    assert mapped == set()
    assert len(peaks) >= 3
    assert max(peaks.values()) < 150, peaks


def run_script(text: str, *arguments, **options) -> subprocess.CompletedProcess:
    """Runs a program of its own, whose main module starts a pool."""
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(text), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        **options,
    )


PREAMBLE = """
import os, sys, time
from kinetics_tfds.decode import DecodePool, DecodeSettings, DecodeRequest
from kinetics_tfds.clips.media import Span
requests = [DecodeRequest("a", sys.argv[1], Span.TRIMMED, 0, 10)] * 4
"""


def test_the_main_module_is_not_imported_by_workers(tmp_path):
    script = tmp_path / "program.py"
    script.write_text(
        "import sys, os\nwith open(sys.argv[2], 'a') as file: file.write(f'{os.getpid()}\\n')\n"
        + PREAMBLE
        + "with DecodePool(DecodeSettings(), workers=2) as pool: print(len(list(pool.decode(requests))))\n"
    )
    seen = tmp_path / "imports"
    done = subprocess.run([sys.executable, script, short(), seen], capture_output=True, text=True, timeout=60)
    assert done.stdout == "4\n", done.stderr
    assert len(seen.read_text().split()) == 1


def test_workers_neither_print_nor_keep_a_program_from_ending():
    done = run_script(
        PREAMBLE + "pool = DecodePool(DecodeSettings(), workers=2)\nprint(len(list(pool.decode(requests))))", short()
    )
    assert (done.stdout, done.stderr, done.returncode) == ("4\n", "", 0)


def test_a_program_may_end_in_the_midst_of_decoding(large):
    text = (
        PREAMBLE
        + "pool = DecodePool(DecodeSettings(short_side=None), workers=2)\nnext(pool.decode(requests))\nraise SystemExit(3)"
    )
    assert run_script(text, large).returncode == 3


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_workers_end_with_a_program_that_is_killed(number, large):
    text = (
        PREAMBLE
        + "pool = DecodePool(DecodeSettings(short_side=None), workers=2)\nprint('go', flush=True)\nlist(pool.decode(requests))"
    )
    program = subprocess.Popen([sys.executable, "-c", text, str(large)], stdout=subprocess.PIPE, text=True)
    program.stdout.readline()
    parent = psutil.Process(program.pid)
    until = time.monotonic() + 20
    while len(parent.children(recursive=True)) < 4 and time.monotonic() < until:
        time.sleep(0.05)  # resource tracker, server, two workers
    time.sleep(0.5)
    children = [p.pid for p in parent.children(recursive=True)]
    assert len(children) >= 4
    program.send_signal(number)
    program.wait()
    assert gone(children)


# Nothing is left behind.


def test_nothing_is_left_after_close():
    with DecodePool(DecodeSettings(), workers=2) as pool:
        list(pool.decode([request_for(short(), 0, 1)] * 3))
        ids = worker_ids()
        assert len(ids) == 3
    assert gone(ids)
    with pytest.raises(RuntimeError, match="closed"):
        next(pool.decode([request_for(short(), 0, 1)]))
    pool.close()


def test_nothing_is_left_after_an_exception(large):
    ids = []

    def work():
        with DecodePool(DecodeSettings(short_side=None), workers=2) as pool:
            for _ in pool.decode([request_for(short(), 0, 1), *[request_for(large)] * 3]):
                ids.extend(worker_ids())
                raise KeyError("the caller's own")

    with pytest.raises(KeyError):
        work()
    assert ids
    assert gone(ids)


def test_a_source_of_requests_that_fails_leaves_the_pool_usable():
    def requests():
        yield request_for(short(), 0, 1)
        raise KeyError("the source's own")

    with DecodePool(DecodeSettings(), workers=2) as pool:
        with pytest.raises(KeyError):
            list(pool.decode(requests()))
        assert len(list(pool.decode([request_for(short(), 0, 1)] * 3))) == 3


def test_clips_that_nobody_waits_for_any_more_are_given_up(large):
    with DecodePool(DecodeSettings(short_side=None), workers=1) as pool:
        results = pool.decode([request_for(short(), 0, 1), *[request_for(large)] * 2])
        next(results)
        results.close()
        began = time.monotonic()
        [(_, clip)] = pool.decode([request_for(short(), 0, 1)])
        assert len(clip.frames) == 25
        assert time.monotonic() - began < 8


def test_a_forgotten_pool_ends_its_workers():
    pool = DecodePool(DecodeSettings(), workers=1)
    list(pool.decode([request_for(short(), 0, 1)]))
    ids = worker_ids()
    del pool
    gc.collect()
    assert gone(ids)


def test_a_forked_child_of_the_program_does_not_keep_it_from_closing():
    with DecodePool(DecodeSettings(), workers=1) as pool:
        list(pool.decode([request_for(short(), 0, 1)]))
        child = os.fork()  # holds copies of all the pool's descriptors
        if child == 0:
            time.sleep(30)
            os._exit(0)
        began = time.monotonic()
    try:
        assert time.monotonic() - began < 10
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


# Beam.

BEAM = """
import sys, apache_beam as beam
from kinetics_tfds.decode import DecodePool, DecodeRequest, DecodeSettings
from kinetics_tfds.clips.media import Span

class Decode(beam.DoFn):
    def setup(self):
        self.pool = DecodePool(DecodeSettings(), workers=2)
    def process(self, path):
        for _, clip in self.pool.decode([DecodeRequest("a", path, Span.TRIMMED, 0, 1)] * 3):
            yield len(clip.frames)
    def teardown(self):
        self.pool.close()

def check(values):
    assert sorted(values) == [25] * 12, values

if __name__ == "__main__":
    options = beam.options.pipeline_options.PipelineOptions(["--runner=FnApiRunner", *sys.argv[2:]])
    with beam.Pipeline(options=options) as p:
        _ = (p | beam.Create([sys.argv[1]] * 4) | beam.Reshuffle() | beam.ParDo(Decode())
             | beam.combiners.ToList() | beam.Map(check))
    print("done")
"""


@pytest.mark.parametrize(
    "mode",
    [
        ["--direct_running_mode=in_memory"],
        pytest.param(["--direct_running_mode=multi_processing", "--direct_num_workers=2"], marks=pytest.mark.slow),
    ],
)
def test_pools_work_inside_beam_workers(tmp_path, mode):
    script = tmp_path / "job.py"
    script.write_text(BEAM)
    done = subprocess.run([sys.executable, script, short(), *mode], capture_output=True, text=True, timeout=120)
    assert done.stdout.endswith("done\n"), done.stderr[-2000:]


def test_workers_are_kept_busy():
    path = cached_video(seconds=10)
    requests = [request_for(path)] * 12
    busiest = 0.0
    with DecodePool(DecodeSettings(), workers=2) as pool:
        list(pool.decode(requests[:4]))
        for _ in range(3):  # other programs may be at work
            began = time.perf_counter()
            worked = sum(clip.decode_seconds for _, clip in pool.decode(requests))
            busiest = max(busiest, worked / (2 * (time.perf_counter() - began)))
    assert busiest > 0.8


def test_workers_that_cannot_start_are_an_error_not_a_wait():
    limits = DecodeLimits(memory_bytes="plenty")  # type: ignore[arg-type]
    with (
        DecodePool(DecodeSettings(), limits, workers=1) as pool,
        pytest.raises(WorkerError, match="as soon as they start"),
    ):
        list(pool.decode([request_for(short(), 0, 1)]))
