"""What finds damage in media files: FFmpeg's own flags, counts and times, and the checks of kinetics_tfds.decode.

    python benchmarks/damage.py --mutants=1000          or: --mutants=40 --only avi vp8

Mutants of made clips, and of the real ones in the folder that KINETICS_SHARED names, are decoded. A mutant whose frames
or times differ from its source's, but which passes, is "silent". The table says how many are, for

- ffmpeg: FFmpeg's own decoders at their strictest, corrupt flags, counts of packets and frames, times;
- ours: `decode_clip`;
- without X: `decode_clip` without one of its own checks. What a check is worth is the silent mutants it takes away.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import dataclasses
import os
import pathlib
import random
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from typing import cast
from unittest import mock

import av
import numpy as np
from clips import draw_frames

from kinetics_tfds.clips.media import Span
from kinetics_tfds.decode import clip as clip_module
from kinetics_tfds.decode import damage, structure
from kinetics_tfds.decode.clip import decode_clip
from kinetics_tfds.decode.failure import DecodeError
from kinetics_tfds.decode.frames import FrameEncoder
from kinetics_tfds.decode.nal import NalReader
from kinetics_tfds.decode.types import DecodedClip, DecodeRequest, DecodeSettings

SOURCE = DecodeSettings(short_side=None, fps=None)
STRICTEST = {"err_detect": "crccheck+bitstream+buffer+explode+careful+compliant+aggressive"}
_GAP_SECONDS = 1.0  # between frames of a source with at least ten a second

# Name -> suffix, encoder, its options, the muxer's options.
MADE: dict[str, tuple[str, str, dict[str, str], dict[str, str]]] = {
    "h264 mp4": (".mp4", "libx264", {"preset": "veryfast", "g": "20", "bf": "2"}, {}),
    "h264 mp4, fragmented": (
        *(".mp4", "libx264", {"preset": "veryfast", "g": "20"}),
        {"movflags": "frag_keyframe+empty_moov"},
    ),
    "h264 mkv": (".mkv", "libx264", {"preset": "veryfast", "g": "20", "bf": "2"}, {"cluster_time_limit": "700"}),
    "h264 mkv, no checksums": (
        *(".mkv", "libx264", {"preset": "veryfast", "g": "20", "bf": "2"}),
        {"write_crc32": "0", "cluster_time_limit": "700"},
    ),
    "hevc mp4": (".mp4", "libx265", {"preset": "ultrafast", "x265-params": "log-level=none:pools=1:keyint=20"}, {}),
    "vp8 webm": (".webm", "libvpx", {"deadline": "realtime", "cpu-used": "8", "b": "1M", "g": "20"}, {}),
    "vp9 webm": (".webm", "libvpx-vp9", {"deadline": "realtime", "cpu-used": "8", "b": "1M", "g": "20"}, {}),
    "av1 mkv": (".mkv", "libsvtav1", {"preset": "12", "crf": "35", "svtav1-params": "lp=1:keyint=20"}, {}),
    "mpeg4 avi": (".avi", "mpeg4", {"qscale": "4", "g": "20", "bf": "2"}, {}),
    "h264 avi": (".avi", "libx264", {"preset": "veryfast", "g": "20", "bf": "0"}, {}),
}


@dataclasses.dataclass(frozen=True)
class Original:
    """An undamaged file.

    Attributes:
        name: for the table.
        path: of the file.
        digests: a checksum of each frame, as `decode_clip` gives them.
        times: seconds of each.
    """

    name: str
    path: pathlib.Path
    digests: list[bytes]
    times: np.ndarray

    def equals(self, clip: DecodedClip) -> bool:
        """Whether a clip has the frames and times of this file."""
        return clip.frames == self.digests and np.array_equal(clip.timestamps, self.times)


def make_originals(folder: pathlib.Path, only: Sequence[str] = ()) -> list[Original]:
    """Makes two seconds in each container and codec, and takes the real clips where there are some."""
    paths = {}
    for name, (suffix, codec, options, muxing) in MADE.items():
        if only and not any(word in name for word in only):
            continue
        paths[name] = folder / f"{name.replace(' ', '_').replace(',', '')}{suffix}"
        if not paths[name].exists():
            _make(paths[name], codec, options, muxing)
    if shared := os.environ.get("KINETICS_SHARED"):
        paths |= {f"real {path.name}": path for path in sorted(pathlib.Path(shared, "media").iterdir())}
    originals = []
    for name, path in paths.items():
        if only and not any(word in name for word in only):
            continue
        clip = decode(path)
        assert isinstance(clip, DecodedClip), (name, clip)
        assert ffmpeg_finds(path) is None, (name, ffmpeg_finds(path))
        originals.append(Original(name, path, clip.frames, clip.timestamps))
    return originals


def _make(path: pathlib.Path, codec: str, options: dict[str, str], muxing: dict[str, str]) -> None:
    with av.open(str(path), "w", options=muxing) as media:
        stream = cast(av.video.stream.VideoStream, media.add_stream(codec, rate=30, options=options))
        stream.width, stream.height, stream.pix_fmt = 340, 256, "yuv420p"
        stream.codec_context.thread_count = 1
        for number, image in enumerate(draw_frames(7)):
            if number == 60:
                break
            frame = av.VideoFrame.from_ndarray(image, format="bgr24")
            frame.pts, frame.time_base = number, Fraction(1, 30)
            media.mux(stream.encode(frame))
        media.mux(stream.encode(None))


# Kinds of damage. Each takes a file's bytes.


def flipped_bits(data: bytearray, rng: random.Random) -> None:
    for _ in range(rng.randint(1, 12)):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def flipped_bytes(data: bytearray, rng: random.Random) -> None:
    for _ in range(rng.randint(3, 20)):
        data[rng.randrange(len(data))] ^= rng.randrange(1, 256)


def zero_run(data: bytearray, rng: random.Random) -> None:
    length = min(2 ** rng.randint(8, 14), len(data) // 2)
    start = rng.randrange(len(data) - length)
    data[start : start + length] = bytes(length)


def cut(data: bytearray, rng: random.Random) -> None:
    del data[int(len(data) * rng.uniform(0.1, 0.995)) :]


def removed_block(data: bytearray, rng: random.Random) -> None:
    length = min(2 ** rng.randint(4, 13), len(data) // 4)
    start = rng.randrange(len(data) - length)
    del data[start : start + length]


def swapped_blocks(data: bytearray, rng: random.Random) -> None:
    length = min(2 ** rng.randint(6, 13), len(data) // 4)
    one, other = sorted(rng.randrange(len(data) - length) for _ in range(2))
    if other - one >= length:
        data[one : one + length], data[other : other + length] = (
            data[other : other + length],
            data[one : one + length],
        )


def damaged_index(data: bytearray, rng: random.Random) -> None:
    """Changes bytes of the index: MP4's sample tables, AVI's idx1, Matroska's cues."""
    start = max(data.rfind(b"stbl"), data.rfind(b"idx1"), data.rfind(b"\x1c\x53\xbb\x6b"))
    length = int.from_bytes(data[start - 4 : start], "big") if data[start : start + 4] == b"stbl" else len(data) - start
    stop = min(len(data), start + length)
    if start < 0 or stop - start < 40:
        return flipped_bytes(data, rng)
    first = rng.randrange(start + 8, stop - 16)
    for place in range(first, min(stop, first + rng.choice((1, 4, 64, 4096)))):
        data[place] = rng.choice((0, 255, rng.randrange(256)))


KINDS: dict[str, Callable[[bytearray, random.Random], None]] = {
    each.__name__.replace("_", " "): each
    for each in (flipped_bits, flipped_bytes, zero_run, cut, removed_block, swapped_blocks, damaged_index)
}


def make_mutants(
    originals: list[Original], count: int, folder: pathlib.Path
) -> Iterator[tuple[Original, str, pathlib.Path]]:
    """Yields original, kind of damage and path of `count` mutants, which always are the same ones."""
    pairs = [(original, kind) for kind in KINDS for original in originals]
    for number in range(count):
        original, kind = pairs[number % len(pairs)]
        data = bytearray(original.path.read_bytes())
        KINDS[kind](data, random.Random(f"{original.name} {kind} {number}"))
        path = folder / f"mutant{original.path.suffix}"
        path.write_bytes(data)
        yield original, kind, path


# What finds it.


def decode(path: pathlib.Path) -> DecodedClip | str:
    """Returns a clip whose frames are checksums of the decoded pictures, or why there is none."""
    with mock.patch.object(FrameEncoder, "encode", lambda self, frame: _digest(frame)):
        try:
            return decode_clip(DecodeRequest("x", str(path), Span.TRIMMED, 0.0, 60.0), SOURCE)
        except DecodeError as error:
            return f"{error.failure.reason}: {error.failure.detail}"


def _digest(frame: av.VideoFrame) -> bytes:
    checksum = 0
    for plane in frame.planes:
        rows = np.frombuffer(bytes(plane), np.uint8).reshape(-1, plane.line_size)[: plane.height, : plane.width]
        checksum = zlib.crc32(rows.tobytes(), checksum)
    return checksum.to_bytes(4, "big")


def ffmpeg_finds(path: pathlib.Path) -> str | None:
    """Returns what FFmpeg at its strictest says against a file, or what its counts and times show."""
    try:
        with av.open(str(path), options=STRICTEST) as media:
            stream = max(media.streams.video, key=lambda each: each.width * each.height)
            stream.codec_context.options = STRICTEST
            return _look_at(media, stream)
    except (av.FFmpegError, ValueError, IndexError) as error:
        return f"error: {type(error).__name__}"


def _look_at(media: av.container.InputContainer, stream: av.video.stream.VideoStream) -> str | None:
    packets, times, one_each = 0, [], stream.codec_context.name in ("h264", "hevc")
    for packet in media.demux(stream):
        if packet.is_corrupt:
            return "corrupt packet"
        packets += packet.size > 0
        for frame in packet.decode():
            if frame.is_corrupt:
                return "corrupt frame"
            times.append(frame.time)
    if media.format.name == "avi":
        times = [number / float(stream.average_rate or 30) for number in range(len(times))]
    if not times:
        return "no frame"
    if stream.frames and abs(stream.frames - packets) > 3:
        return f"{packets} of {stream.frames} packets"
    if one_each and abs(len(times) - packets) > 0:
        return f"{len(times)} frames of {packets} packets"
    if any(time is None for time in times):
        return "no times"
    gaps = np.diff(times)
    if len(gaps) and (gaps.min() <= 0 or gaps.max() > max(_GAP_SECONDS, 15 * float(np.median(gaps)))):
        return "times"
    promised = stream.duration and float((stream.duration + (stream.start_time or 0)) * stream.time_base)
    if promised and times[-1] + max(0.25, 3 * (times[-1] - times[0]) / max(1, len(gaps))) < promised:
        return "ends early"
    return None


CHECKS: dict[str, tuple[object, str, Callable]] = {
    "boxes": (structure, "_mov_truncation", lambda file, size: None),
    "riff": (structure, "_avi_truncation", lambda file, size: None),
    "matroska": (structure._Matroska, "check", lambda self: structure.Structure()),
    "checksums": (structure._Matroska, "_check_crc", lambda *_: False),
    "nal": (NalReader, "forbidden", lambda *_: False),
    "missing": (damage.MissingFrames, "check", lambda *_, **__: None),
    "end": (clip_module, "check_end", lambda *_: None),
    "gap": (clip_module, "check_gap", lambda *_: None),
}
PARSING = ("boxes", "riff", "matroska", "nal")


def without(*names: str) -> contextlib.ExitStack:
    """Takes checks out of the decoder while its block runs."""
    stack = contextlib.ExitStack()
    for name in names:
        stack.enter_context(mock.patch.object(*CHECKS[name]))
    return stack


def judge(original: Original, path: pathlib.Path) -> dict[str, str]:
    """Returns `found`, `silent` or `same` by who looked at a mutant."""

    def outcome(*left_out: str) -> str:
        with without(*left_out):
            clip = decode(path)
        return "found" if isinstance(clip, str) else "same" if original.equals(clip) else "silent"

    judged = {"ours": outcome()}
    bare = outcome(*CHECKS)
    for name in CHECKS:
        # What is found without any check needs none.
        judged[f"without {name}"] = outcome(name) if judged["ours"] == "found" and bare != "found" else judged["ours"]
    judged["without parsing"] = outcome(*PARSING) if bare != "found" else judged["ours"]
    judged["ffmpeg"] = "found" if ffmpeg_finds(path) else "unknown"
    return judged


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mutants", type=int, default=1000)
    parser.add_argument("--only", nargs="*", default=[], help="words of the names of the originals to take")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kinetics-damage-") as name:
        folder = pathlib.Path(name)
        originals = make_originals(folder, args.only)
        silent: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
        total: collections.Counter[str] = collections.Counter()
        for number, (original, kind, path) in enumerate(make_mutants(originals, args.mutants, folder)):
            judged = judge(original, path)
            for who, outcome in judged.items():
                silent[who][original.name] += outcome == "silent"
                total[f"{who} {outcome}"] += 1
            total[f"ours {judged['ours']}, ffmpeg {judged['ffmpeg']}"] += 1
            if judged["ours"] == "silent":
                print(f"silent: {original.name}, {kind}, {number}; ffmpeg: {ffmpeg_finds(path)}", file=sys.stderr)
        print_table(originals, silent, total, args.mutants)
    return 0


def print_table(originals, silent, total, mutants) -> None:
    print(f"{mutants} mutants; how many pass with other frames or times than their original's\n")
    for who, counts in silent.items():
        if who != "ffmpeg":
            where = ", ".join(f"{name} {count}" for name, count in counts.items() if count)
            print(f"{who:20}{counts.total():6}   found {total[who + ' found']:5}   {where}")
    for key in sorted(total):
        if key.startswith("ours ") and "ffmpeg" in key:
            print(f"{key:40}{total[key]:6}")


if __name__ == "__main__":
    sys.exit(main())
