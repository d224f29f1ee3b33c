"""How fast clips load: the loader beside TFDS as it is, beside readers of mp4, and beside its limit.

    make bench            or: python benchmarks/load.py --clips=64 --rounds=15

Records and mp4 files are made here (load_records.py); load_ways.py says how each way loads them. All give 32 frames,
2 apart, of clips stored at the source's rate, in a random resized crop of 224x224, uint8, on all cores.

- tfds.load: every frame is decoded, then a plain map. TFDS, SkipDecoding: the map decodes the frames that it chose.
- decord, PyAV: a process a core reads mp4 files, OpenCV resizes; what sending clips to a trainer takes is not counted.
- limit: a process a core, libjpeg-turbo (simplejpeg) decodes frames that are in memory already, OpenCV resizes crops.

Each way lives in a process of its own, stopped while others run; the ways take turns, so that whatever else the machine
does falls on all of them. Ratios are medians of the rounds' ratios. `CPU ms` is what all threads together take.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import importlib.util
import json
import os
import pathlib
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator

from build import describe_machine
from load_records import make_records
from load_ways import FRAMES, SHUFFLED, SIZE, STRIDE, WAYS
from process_tree import run_watched

HERE = pathlib.Path(__file__).resolve().parent
OURS = "ours"
BUFFERED = "ours, shuffle buffer"
# Name -> how many times as fast ours has to be.
TARGETS = {"tfds.load": 6.0, "decord": 4.0, "limit": 0.6}
# Packages that some machines have no wheel of.
NEEDS = {"decord": "decord", "limit": "simplejpeg"}
_PIXELS = FRAMES * SIZE * SIZE * 3


@dataclasses.dataclass
class Running:
    """A way that waits for its turns.

    Attributes:
        name: for the table.
        process: what runs it, the leader of a process group.
        rates: clips a second, of each round.
        cpu: processor milliseconds a clip, likewise.
    """

    name: str
    process: subprocess.Popen[str]
    rates: list[float] = dataclasses.field(default_factory=list)
    cpu: list[float] = dataclasses.field(default_factory=list)

    def take_turn(self, seconds: float) -> None:
        """Runs for a while, and notes how fast it was."""
        assert self.process.stdin is not None
        os.killpg(self.process.pid, signal.SIGCONT)
        self.process.stdin.write(f"{seconds}\n")
        self.process.stdin.flush()
        found = json.loads(self.read_line())
        os.killpg(self.process.pid, signal.SIGSTOP)
        self.rates.append(found["clips"] / found["seconds"])
        self.cpu.append(1000 * found["cpu"] / found["clips"])

    def read_line(self) -> str:
        """Returns the next line that it says.

        Raises:
            RuntimeError: it ended instead.
        """
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.name} ended with {self.process.wait()}; its messages are above.")
        return line


def main() -> int:
    """Measures and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=64, help="clips in the records (default 64)")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--seconds", type=float, default=2.0, help="length of a turn (default 2)")
    parser.add_argument("--folder", type=pathlib.Path, help="where the records go (default: a temporary folder)")
    parser.add_argument("--only", nargs="*", choices=[name for name in WAYS if name != BUFFERED], help="ways to run")
    parser.add_argument("--no_memory", action="store_true", help="leave the peak memory out")
    args = parser.parse_args()
    root = args.folder or pathlib.Path(tempfile.mkdtemp(prefix="kinetics-bench-"))
    folder = root / f"{args.clips}-clips"
    try:
        data, videos = make_records(folder, args.clips)
        names = [name for name in WAYS if name != BUFFERED and (not args.only or name in args.only)]
        for name in [name for name in names if name in NEEDS and importlib.util.find_spec(NEEDS[name]) is None]:
            print(f"{name} is left out: pip install '.[bench]' has no {NEEDS[name]} here", file=sys.stderr)
            names.remove(name)
        with running(names, folder) as ways:
            for number in range(args.rounds):
                for way in ways:
                    way.take_turn(args.seconds)
                    print(f"round {number + 1}: {way.name}: {way.rates[-1]:.1f} clips/s", file=sys.stderr)
        memory = {} if args.no_memory else {name: peak_megabytes(name, folder) for name in (OURS, BUFFERED)}
        record = sum(path.stat().st_size for path in data.glob("*.tfrecord-*")) / args.clips
        print_table(ways, record, sum(path.stat().st_size for path in videos) / len(videos), memory)
    finally:
        if args.folder is None:
            shutil.rmtree(root, ignore_errors=True)
    return 0


@contextlib.contextmanager
def running(names: list[str], folder: pathlib.Path) -> Iterator[list[Running]]:
    """Starts the ways, each stopped until its turn, and ends them."""
    ways: list[Running] = []
    try:
        for name in names:
            ways.append(Running(name, _start(name, folder)))
            ways[-1].read_line()
            os.killpg(ways[-1].process.pid, signal.SIGSTOP)
        yield ways
    finally:
        for way in ways:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(way.process.pid, signal.SIGKILL)
            way.process.wait()


def _start(name: str, folder: pathlib.Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(HERE / "load_ways.py"), name, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        start_new_session=True,
    )


def peak_megabytes(name: str, folder: pathlib.Path) -> float:
    """Returns the largest memory of a way in a process of its own, from its start until it gave some batches."""
    # The first batch comes when the buffer is full; more follow while it stays so.
    words = [sys.executable, "-c", _PEAK, name, str(folder)]
    return run_watched(words, folder / "log.txt", {"PYTHONPATH": str(HERE)}).peak_bytes / 1e6


_PEAK = """
import itertools, pathlib, sys
from load_ways import WAYS
for _ in itertools.islice(WAYS[sys.argv[1]](pathlib.Path(sys.argv[2])), 24):
    pass
"""


def print_table(ways: list[Running], record: float, video: float, memory: dict[str, float]) -> None:
    """Prints what was measured, and the ratios that are aimed at.

    Args:
        ways: what ran.
        record: bytes of a record.
        video: bytes of an mp4 file.
        memory: way -> MB.
    """
    print(f"\n{describe_machine()}")
    print(f"10 s clips, 340x256, 30 fps: records of {record / 1e6:.1f} MB, mp4 of {video / 1e6:.1f} MB; ", end="")
    print(f"{FRAMES} x {STRIDE} frames, RandomResizedCrop({SIZE}), uint8\n")
    print(f"{'':24}{'clips/s':>9}{'of tfds.load':>14}{'of limit':>10}{'CPU ms':>9}{'read/pixels':>13}{'peak MB':>9}")
    by_name = {way.name: way for way in ways}
    for way in ways:
        read = video if way.name in ("decord", "PyAV") else record
        read = f"{read / _PIXELS / (2 if '2 clips' in way.name else 1):.2f}" if way.name != "limit" else ""
        peak = f"{memory[way.name]:.0f}" if way.name in memory else ""
        print(
            f"{way.name:24}{statistics.median(way.rates):9.1f}{_ratio(way, by_name.get('tfds.load')):>14}"
            f"{_ratio(way, by_name.get('limit')):>10}{statistics.median(way.cpu):9.1f}{read:>13}{peak:>9}"
        )
    if BUFFERED in memory:
        print(f"\npeak MB with a shuffle buffer of {SHUFFLED:,} chosen clips, which ours does not need: ", end="")
        print(f"{memory[BUFFERED]:.0f} (aim: below 2000)")
    for name, target in TARGETS.items():
        if {name, OURS} <= set(by_name):
            wall = _ratio(by_name[OURS], by_name[name])
            cpu = statistics.median(by_name[name].cpu) / statistics.median(by_name[OURS].cpu)
            print(f"ours / {name}: {wall}, in processor time {cpu:.2f} (aim: {target:g} or more)")


def _ratio(way: Running, other: Running | None) -> str:
    if other is None:
        return ""
    return f"{statistics.median(a / b for a, b in zip(way.rates, other.rates, strict=True)):.2f}"


if __name__ == "__main__":
    sys.exit(main())
