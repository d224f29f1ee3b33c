"""What decoding only the frames that are stored saves, side by side with decoding all of them.

    python benchmarks/decode_skipping.py --clips=4 --repeats=5

Made clips of ten seconds (clips.py: 340x256, 30 frames a second, H.264 as x264 makes it at `veryfast` and at `medium`,
and HEVC) are decoded as `jpeg256_10fps` stores them, and the bytes compared. The second line of each leaves out
what JPEG takes. The two ways take turns, and the least processor time of each counts, so that it matters little what
else the machine does.
"""

from __future__ import annotations

import argparse
import pathlib
import sys
import tempfile
import time
from unittest import mock

from clips import FPS, SECONDS, draw_frames

from kinetics_tfds.clips.media import Span
from kinetics_tfds.config import NAMED_CONFIGS
from kinetics_tfds.decode import reader
from kinetics_tfds.decode.clip import decode_clip
from kinetics_tfds.decode.frames import FrameEncoder
from kinetics_tfds.decode.types import DecodeRequest
from kinetics_tfds.sample.render import write_video

ENCODERS = {
    "H.264, veryfast": ("libx264", {"preset": "veryfast", "crf": "16"}),
    "H.264, medium": ("libx264", {"preset": "medium", "crf": "18"}),
    "H.264, no B-frames": ("libx264", {"preset": "veryfast", "crf": "16", "bf": "0"}),
    "HEVC": ("libx265", {"preset": "veryfast", "crf": "20", "x265-params": "log-level=none:pools=1"}),
}


def main() -> int:
    """Measures and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    print(f"{'':22}{'all frames':>12}{'stored ones':>13}{'share':>8}")
    with tempfile.TemporaryDirectory(prefix="kinetics-skipping-") as folder:
        for name, (codec, options) in ENCODERS.items():
            paths = [
                pathlib.Path(folder, f"{codec}{len(options)}{options['preset']}{n}.mp4") for n in range(args.clips)
            ]
            for seed, path in enumerate(paths):
                write_video(path, draw_frames(seed), FPS, codec=codec, options=options)
            print_row(name, [measure(path, args.repeats) for path in paths])
            with mock.patch.object(FrameEncoder, "encode", return_value=b""):
                print_row("  without JPEG", [measure(path, args.repeats) for path in paths])
    return 0


def print_row(name: str, times: list[tuple[float, float]]) -> None:
    """Prints mean milliseconds, and their share."""
    every, stored = (1000 * sum(seconds) / len(seconds) for seconds in zip(*times, strict=True))
    print(f"{name:22}{every:9.0f} ms{stored:10.0f} ms{stored / every:8.2f}", flush=True)


def measure(path: pathlib.Path, repeats: int) -> tuple[float, float]:
    """Returns the least processor seconds for all frames of a clip, and for the stored ones."""
    every, stored = [], []
    for _ in range(repeats):
        with mock.patch.object(reader, "_CAN_SKIP", frozenset()):
            every.append(decode(path))
        stored.append(decode(path))
        assert every[-1][1] == stored[-1][1], "not the same bytes"
    return min(every)[0], min(stored)[0]


def decode(path: pathlib.Path) -> tuple[float, list[bytes]]:
    """Returns processor seconds and frames."""
    settings = next(config for config in NAMED_CONFIGS if config.name == "jpeg256_10fps").decode_settings
    began = time.process_time()
    clip = decode_clip(DecodeRequest(path.name, str(path), Span.TRIMMED, 0.0, float(SECONDS)), settings)
    return time.process_time() - began, clip.frames


if __name__ == "__main__":
    sys.exit(main())
