"""What an update costs beside the build that it saves: processor time for 1 % of new clips.

    python benchmarks/update.py --clips=100 --repeats=1

A dataset of 99 % of the clips is built, the other 1 % come, and the dataset is updated. Both are run on N and on 4N
clips; what is compared is the processor time of the 3N clips between, so that starting up (importing TensorFlow and
Beam) does not count. The aim is 3 % at most.
"""

from __future__ import annotations

import argparse
import pathlib
import shutil
import sys
import tempfile

from build import CONFIG, describe_machine
from clips import make_clips
from process_tree import run_watched


def main() -> int:
    """Measures and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=100, help="N, 100 or more; the larger run takes 4N (default 100)")
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--folder", type=pathlib.Path, help="where clips and datasets go (default: a temporary folder)")
    args = parser.parse_args()
    folder = args.folder or pathlib.Path(tempfile.mkdtemp(prefix="kinetics-bench-"))
    try:
        runs = [(measure(folder, args.clips), measure(folder, 4 * args.clips)) for _ in range(args.repeats)]
    finally:
        if args.folder is None:
            shutil.rmtree(folder, ignore_errors=True)
    print_table(args.clips, runs)
    return 0


def measure(folder: pathlib.Path, count: int) -> tuple[float, float]:
    """Returns the processor seconds of a build of all but 1 % of the clips, and of the update with that 1 %."""
    clips, out = folder / f"clips-{count}", folder / "out"
    paths = make_clips(clips, count)
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    away = folder / "away"
    away.mkdir(exist_ok=True)
    # Spread over the split, as clips that come later are.
    late = [path.rename(away / path.name) for path in paths[:: count // max(1, count // 100)]]
    built = _run(clips, out, folder / "log.txt")
    for path in late:
        path.rename(clips / "train" / path.name)
    updated = _run(clips, out, folder / "log.txt", "--beam_pipeline_options=update")
    if not (out / "kinetics600" / CONFIG / "1.1.0" / "dataset_info.json").exists():
        raise RuntimeError(f"No version 1.1.0 was made:\n{(folder / 'log.txt').read_text()[-3000:]}")
    shutil.rmtree(out)
    return built, updated


def _run(clips: pathlib.Path, out: pathlib.Path, log: pathlib.Path, *more: str) -> float:
    tfds = str(pathlib.Path(sys.executable).with_name("tfds"))
    command = [tfds, "build", f"kinetics600/{CONFIG}", "--imports=kinetics_tfds"]
    return run_watched([*command, f"--manual_dir={clips}", f"--data_dir={out}", *more], log).cpu_seconds


def print_table(clips: int, runs: list[tuple[tuple[float, float], tuple[float, float]]]) -> None:
    """Prints what was measured."""
    print(f"\n{describe_machine()}\n10 s clips, 340x256, 30 fps H.264; config {CONFIG}\n")
    print(f"{'':8}{'CPU s at N':>12}{'at 4N':>9}{'CPU s per clip':>16}")
    small, large = (tuple(min(run[size][way] for run in runs) for way in (0, 1)) for size in (0, 1))
    built = (large[0] - small[0]) / (3 * clips * 0.99)
    updated = (large[1] - small[1]) / (3 * clips)
    print(f"{'build':8}{small[0]:12.1f}{large[0]:9.1f}{built:16.4f}")
    print(f"{'update':8}{small[1]:12.1f}{large[1]:9.1f}{updated:16.4f}")
    print(f"\nupdate / build: {updated / built:.1%} (aim: 3 % at most)")


if __name__ == "__main__":
    sys.exit(main())
