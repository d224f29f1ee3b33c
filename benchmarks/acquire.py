"""What acquiring adds to the network and the cut, and whether its memory stays flat.

    python benchmarks/acquire.py --videos=10 --rows=1000,100000

Everything runs against a server on loopback that this program starts; nothing leaves the machine.

- by hand: for each video the yt-dlp program, and for its clip the ffmpeg program (H.264 with the same preset and
  quality, AAC), one after the other. Nothing is checked, hashed, recorded or limited.
- parts: yt-dlp as a library and PyAV's cut alone, in this process: what any tool built on them has to spend; and the
  checks: the video decoded in the clip's times, the finished clip decoded, compared and hashed.
- acquire: the whole way, one download at a time and one worker: plan, rate limiter, download, cut, decode-check, hash,
  ledger, rename. The rest is what it takes beyond its parts.

Memory: a run over many rows of a source that gives nothing, each in a process of its own; the peak is measured.
"""

from __future__ import annotations

import argparse
import dataclasses
import http.server
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator

from clips import make_clips

from kinetics_tfds.acquire.config import AcquireConfig, CheckSettings, CutSettings
from kinetics_tfds.acquire.outcome import Outcome, Reason
from kinetics_tfds.acquire.run.passes import Run, acquire
from kinetics_tfds.acquire.source import FetchContext, Fetched, FetchFailure, PlanContext, RateLimit, Unit
from kinetics_tfds.acquire.sources.youtube import YouTube
from kinetics_tfds.acquire.transcode.clip_file import Finished, Job, finish_clip
from kinetics_tfds.acquire.transcode.cut import cut_clip
from kinetics_tfds.annotations.clip import Clip, Split
from kinetics_tfds.annotations.versions import get_version
from kinetics_tfds.decode.types import DecodeLimits

VERSION = get_version("kinetics600")
START, END = 1, 9
ROUNDS = 3


class _Quiet(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        pass


class _Server(http.server.ThreadingHTTPServer):
    def handle_error(self, request, client_address) -> None:
        pass  # clients that look at a file's head and hang up


def serve(folder: pathlib.Path) -> str:
    """Serves a folder on loopback until this process ends; returns its URL."""
    server = _Server(("127.0.0.1", 0), lambda *args: _Quiet(*args, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_address[1]}"


def by_hand(url: str, clips: list[Clip], folder: pathlib.Path) -> float | None:
    """Returns seconds for all clips, or None where there is no ffmpeg program."""
    ffmpeg = shutil.which("ffmpeg")
    if ffmpeg is None:
        return None
    began = time.perf_counter()
    for clip in clips:
        video = folder / clip.youtube_id
        download = [sys.executable, "-m", "yt_dlp", "-q", "--no-config", "--no-warnings", "-o", str(video)]
        subprocess.run([*download, f"{url}/{clip.youtube_id}.mp4"], check=True)
        cut = [ffmpeg, "-v", "error", "-ss", str(START), "-to", str(END), "-i", str(video), "-threads", "1"]
        cut += ["-c:v", "libx264", "-preset", "veryfast", "-crf", "18", "-c:a", "aac", f"{video}.mp4"]
        subprocess.run(cut, check=True)
        video.unlink()
    return time.perf_counter() - began


def parts(source: YouTube, clips: list[Clip], folder: pathlib.Path) -> tuple[float, float, float]:
    """Returns the seconds that yt-dlp as a library, the cut, and the checks take for all clips."""
    downloading = cutting = finishing = 0.0
    for clip in clips:
        scratch = folder / clip.youtube_id
        scratch.mkdir()
        began = time.perf_counter()
        (fetched,) = source.fetch(Unit(clip.youtube_id, (clip,)), FetchContext(scratch))
        assert isinstance(fetched, Fetched), fetched
        downloaded = time.perf_counter()
        cut_clip(fetched.video, None, scratch / "cut.mp4", START, END, CutSettings(), DecodeLimits())
        cut = time.perf_counter()
        done = finish_clip(Job(clip, fetched, scratch / "finished", False, CutSettings(), CheckSettings()))
        assert isinstance(done, Finished), done
        downloading += downloaded - began
        cutting += cut - downloaded
        finishing += time.perf_counter() - cut
        shutil.rmtree(scratch)
    return downloading, cutting, finishing - cutting


def whole_way(source: YouTube, clips: list[Clip], folder: pathlib.Path) -> float:
    """Returns seconds for all clips; the worker was started before."""
    config = AcquireConfig(sources=(source,), min_free_gb=0.1, workers=1, state=folder / "state")
    store = str(folder / "store")
    began = time.perf_counter()
    summary = acquire(Run(version=VERSION, clips=clips, store=store, config=config, say=lambda line: None))
    assert summary.stored == len(clips), summary
    return time.perf_counter() - began


@dataclasses.dataclass(frozen=True, kw_only=True)
class Nothing:
    """A source that has nothing: what is left is planning, the work list, the rate limiter and the ledger."""

    name: str = "nothing"
    rate_limit: RateLimit = RateLimit(concurrency=4)  # noqa: RUF009 (frozen)
    fetcher: str = "none"

    def plan(self, clips: Iterable[Clip], context: PlanContext) -> Iterator[Unit | FetchFailure]:
        """Yields a unit a clip."""
        for clip in clips:
            yield Unit(clip.youtube_id, (clip,))

    def fetch(self, unit: Unit, context: FetchContext) -> Iterator[Fetched | FetchFailure]:
        """Says that the clip is gone."""
        yield FetchFailure(unit.clips, Outcome(Reason.GONE, "made for a benchmark"))


def memory_of(rows: int) -> tuple[float, float, float]:
    """Returns a run's peak in MB, what the rows themselves take of it, and its seconds, in a process of its own."""
    began = time.perf_counter()
    command = [sys.executable, __file__, f"--memory_child={rows}"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    peak, held = done.stdout.split()[-2:]
    return float(peak), float(held), time.perf_counter() - began


def memory_child(rows: int) -> None:
    """Runs over so many rows; prints this process's peak, and the memory of the rows, in MB."""
    before = _memory("VmRSS")
    clips = tuple(
        Clip(Split.TRAIN, f"{number:011d}", 0, 10, VERSION.class_names[number % 600]) for number in range(rows)
    )
    held = _memory("VmRSS") - before
    with tempfile.TemporaryDirectory() as folder:
        config = AcquireConfig(sources=(Nothing(),), min_free_gb=0.1, workers=1, state=pathlib.Path(folder, "state"))
        store = str(pathlib.Path(folder, "store"))
        acquire(Run(version=VERSION, clips=clips, store=store, config=config, say=lambda line: None))
    print(_memory("VmHWM"), held)


def _memory(name: str) -> float:
    """Reads one of Linux's figures about this process, in MB."""
    lines = pathlib.Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{name}:"))


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--videos", type=int, default=10)
    parser.add_argument("--rows", default="1000,10000,100000", help="rows of the memory runs")
    parser.add_argument("--memory_child", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.memory_child is not None:
        memory_child(args.memory_child)
        return
    with tempfile.TemporaryDirectory() as name:
        print_overhead(pathlib.Path(name), args.videos)
    print("\n| rows | peak memory, MB | of it the rows | seconds |\n| --- | --- | --- | --- |")
    for rows in args.rows.split(","):
        peak, held, seconds = memory_of(int(rows))
        print(f"| {int(rows):,} | {peak:.0f} | {held:.0f} | {seconds:.1f} |", flush=True)


def print_overhead(folder: pathlib.Path, videos: int) -> None:
    """Measures and prints the first table."""
    (folder / "served").mkdir()
    clips = []
    for number, path in enumerate(make_clips(folder / "made", videos + 1)):
        clip = Clip(Split.TRAIN, f"{number:011d}", START, END, "archery")
        shutil.copyfile(path, folder / "served" / f"{clip.youtube_id}.mp4")
        clips.append(clip)
    url = serve(folder / "served")
    source = YouTube(name="site", url=url + "/{youtube_id}.mp4", rate_limit=RateLimit(concurrency=1), request_pause=0.0)
    whole_way(source, clips[:1], folder / "first")  # libraries are loaded, the worker is started
    rounds = []
    for number in range(ROUNDS):  # in turn: what else the machine does meets all of them
        part = folder / f"round{number}"
        part.mkdir()
        hand = by_hand(url, clips[1:], part)
        pieces = parts(source, clips[1:], part)
        whole = whole_way(source, clips[1:], part)
        rounds.append((hand, *pieces, whole, whole - sum(pieces)))
        shutil.rmtree(part)
    print(f"{videos} videos of 10 s, 340x256, {END - START} s of each; seconds a clip, median of {ROUNDS} rounds:\n")
    print("| by hand | yt-dlp as a library | cut | checks | acquire, all | of it the rest |")
    print("| --- | --- | --- | --- | --- | --- |")
    columns = list(zip(*rounds, strict=True))
    cells = ["-" if values[0] is None else f"{statistics.median(values) / videos:.3f}" for values in columns]
    print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
