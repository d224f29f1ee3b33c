"""How fast a build is, side by side with its limit and with stock TFDS, and whether its memory stays flat.

    make bench            or: python benchmarks/build.py --clips=40 --repeats=3

Everything runs on clips that it makes itself (clips.py). Each way is run on N and on 4N clips; the rate is that of
the 3N clips between, so that starting up (importing TensorFlow and Beam) does not count, and is given beside it.

- limit: the build's own decode function in a bare multiprocessing loop over all cores: no records, no order, no checks.
- plain loop: the same with plain PyAV and OpenCV, written here in a few lines.
- stock TFDS: a GeneratorBasedBuilder with `Video` and the clip's path, where the ffmpeg program is installed.

The ways take turns, so that whatever else the machine does falls on all of them, and the fastest run of each counts.
On a machine with other work, compare the processor seconds a clip.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib.metadata
import math
import os
import pathlib
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable

from clips import make_clips
from process_tree import Usage, run_watched

HERE = pathlib.Path(__file__).resolve().parent
CONFIG = "jpeg256"


@dataclasses.dataclass
class Way:
    """One way to turn clips into frames or records.

    Attributes:
        name: for the table.
        command: makes the command from the folder of clips and an empty folder for results.
        clips: how many clips the smaller run takes; slower ways take fewer.
        runs: what the runs on N and 4N clips took.
    """

    name: str
    command: Callable[[pathlib.Path, pathlib.Path], list[str]]
    clips: int
    runs: list[tuple[Usage, Usage]] = dataclasses.field(default_factory=list)

    def rate(self) -> float:
        """Clips a second between the fastest run of each size; not a number while other work hides the difference."""
        small, large = (min(run[which].seconds for run in self.runs) for which in (0, 1))
        return 3 * self.clips / (large - small) if large > small else math.nan

    def cpu_per_clip(self) -> float:
        """Processor seconds a clip, likewise."""
        small, large = (min(run[which].cpu_seconds for run in self.runs) for which in (0, 1))
        return (large - small) / 3 / self.clips

    def start_seconds(self) -> float:
        """Wall seconds that do not depend on the number of clips."""
        return max(0.0, min(small.seconds for small, _ in self.runs) - self.clips / self.rate())

    def peak_megabytes(self) -> tuple[float, float]:
        """The largest memory at N and at 4N clips, in MB."""
        small, large = (max(run[which].peak_bytes for run in self.runs) for which in (0, 1))
        return small / 1e6, large / 1e6


def main() -> int:
    """Measures and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=40, help="N; the larger run takes 4N (default 40)")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--folder", type=pathlib.Path, help="where clips and datasets go (default: a temporary folder)")
    parser.add_argument("--only", nargs="*", help="names of the ways to run")
    args = parser.parse_args()
    folder = args.folder or pathlib.Path(tempfile.mkdtemp(prefix="kinetics-bench-"))
    try:
        ways = [way for way in make_ways(args.clips) if not args.only or way.name in args.only]
        for repeat in range(args.repeats):
            for way in ways:
                way.runs.append((measure(way, folder, way.clips), measure(way, folder, 4 * way.clips)))
                print(f"run {repeat + 1} of {args.repeats}: {way.name}: {way.rate():.2f} clips/s", file=sys.stderr)
        print_table(ways)
    finally:
        if args.folder is None:
            shutil.rmtree(folder, ignore_errors=True)
    return 0


def make_ways(clips: int) -> list[Way]:
    """Returns the ways that this machine can run."""
    loop = [sys.executable, str(HERE / "decode_loop.py")]
    tfds = str(pathlib.Path(sys.executable).with_name("tfds"))
    ways = [
        Way("limit", lambda clips, out: [*loop, "ours", str(clips)], clips),
        Way("plain loop", lambda clips, out: [*loop, "plain", str(clips)], clips),
        Way(
            "tfds build (ours)",
            lambda clips, out: [
                *(tfds, "build", f"kinetics600/{CONFIG}", "--imports=kinetics_tfds"),
                *(f"--manual_dir={clips}", f"--data_dir={out}"),
            ],
            clips,
        ),
    ]
    if shutil.which("ffmpeg"):
        stock = [sys.executable, str(HERE / "stock_tfds.py")]
        ways.append(Way("stock TFDS", lambda clips, out: [*stock, str(clips), str(out)], max(2, clips // 4)))
    return ways


def measure(way: Way, folder: pathlib.Path, count: int) -> Usage:
    """Runs one way on so many clips."""
    clips = folder / f"clips-{count}"
    make_clips(clips, count)
    out = folder / "out"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    usage = run_watched(way.command(clips, out), folder / "log.txt")
    shutil.rmtree(out)
    return usage


def print_table(ways: list[Way]) -> None:
    """Prints what was measured, and the ratios that are aimed at."""
    print(f"\n{describe_machine()}\n10 s clips, 340x256, 30 fps H.264; config {CONFIG} (250 frames of 20 KB)\n")
    columns = f"{'clips/s':>9}{'of limit':>10}{'CPU s/clip':>12}{'start s':>9}"
    print(f"{'':20}{columns}{'N':>6}{'MB at N':>9}{'at 4N':>8}")
    rates = {way.name: way.rate() for way in ways}
    for way in ways:
        share = f"{rates[way.name] / rates['limit']:.2f}" if "limit" in rates else ""
        memory = way.peak_megabytes()
        print(
            f"{way.name:20}{rates[way.name]:9.2f}{share:>10}{way.cpu_per_clip():12.3f}{way.start_seconds():9.1f}"
            f"{way.clips:6}{memory[0]:9.0f}{memory[1]:8.0f}"
        )
    if {"limit", "tfds build (ours)"} <= set(rates):
        print(f"\nours / limit: {rates['tfds build (ours)'] / rates['limit']:.2f} (aim: 0.85 or more)")
    if {"stock TFDS", "tfds build (ours)"} <= set(rates):
        print(f"ours / stock: {rates['tfds build (ours)'] / rates['stock TFDS']:.1f} (aim: 2.5 or more)")


def describe_machine() -> str:
    """One line: cores, load, versions."""
    packages = ("tensorflow", "tensorflow-datasets", "apache-beam", "av", "opencv-python-headless")
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in packages)
    ffmpeg = ""
    if shutil.which("ffmpeg"):
        words = subprocess.run(["ffmpeg", "-version"], capture_output=True, text=True).stdout.split()
        ffmpeg = f", ffmpeg {words[2]}"
    cores, load = len(os.sched_getaffinity(0)), os.getloadavg()[0]
    return f"{cores} cores, load {load:.1f}, Python {platform.python_version()}, {versions}{ffmpeg}"


if __name__ == "__main__":
    sys.exit(main())
