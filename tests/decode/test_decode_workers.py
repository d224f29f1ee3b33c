"""The processes of a pool: what they hold, that they end, and that Beam may start them."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import textwrap
import time

import psutil
import pytest
from decoding import request_for
from media import cached_video, repeat_video
from pool_workers import gone, short, worker_ids
from worker_watch import watching_workers

from kinetics_tfds.decode.pool import DecodePool
from kinetics_tfds.decode.types import DecodeLimits, DecodeSettings
from kinetics_tfds.errors import WorkerError

# What workers are.


def test_workers_are_small_and_hold_no_tensorflow(tmp_path):
    part = cached_video(seconds=0.5, width=1280, height=720, audio=True)
    path = repeat_video(tmp_path / "long.mp4", part, 8, 0.5)
    with watching_workers(os.getpid()) as seen, DecodePool(DecodeSettings(audio_rate=16_000), workers=2) as pool:
        assert [len(clip.frames) for _, clip in pool.decode([request_for(path, 0, 4)] * 8)] == [100] * 8
    assert seen.mapped == set()
    assert len(seen.peaks) == 2
    assert max(seen.peaks.values()) < 150, seen.peaks


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
    while len(parent.children(recursive=True)) < 2 and time.monotonic() < until:
        time.sleep(0.05)
    time.sleep(0.5)
    children = [p.pid for p in parent.children(recursive=True)]
    assert len(children) == 2
    program.send_signal(number)
    program.wait()
    assert gone(children)


# Nothing is left behind.


def test_nothing_is_left_after_close():
    with DecodePool(DecodeSettings(), workers=2) as pool:
        list(pool.decode([request_for(short(), 0, 1)] * 3))
        ids = worker_ids()
        assert len(ids) == 2
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
