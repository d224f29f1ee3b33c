"""Damage is found, and intact files never fail."""

from __future__ import annotations

import collections
import pathlib
import random
import zlib

import av
import numpy as np
import pytest
from decoding import SOURCE, decode, failure_of, images_of
from media import ENCODERS, SUFFIXES, cached_video, flip_bytes, number_of, picture, remux, truncate, zero_range

from kinetics_tfds.clips.media import Span
from kinetics_tfds.decode.failure import DecodeError
from kinetics_tfds.decode.nal import NalReader
from kinetics_tfds.decode.types import FailureReason


def busy(number: int, width: int, height: int) -> np.ndarray:
    """Returns a moving picture with grain, so that most of a file's bytes hold pictures, as in real clips."""
    grain = np.random.default_rng(number).integers(-12, 13, (height, width, 3))
    return np.clip(picture(number, width, height) + grain, 0, 255).astype(np.uint8)


FILES = {
    "H.264 in MP4": (".mp4", {}),
    "H.264 in MP4, index first": (".mp4", {"container_options": {"movflags": "faststart"}}),
    "H.264 in MKV": (".mkv", {}),
    "VP9 in WebM": (".webm", {"codec": "vp9", "options": {"g": "15"}}),
}


def busy_video(name: str):
    suffix, options = FILES[name]
    return cached_video(
        suffix, **{"draw": busy, "seconds": 1, "width": 256, "height": 192, "options": {"g": "15"}, **options}
    )


def damage(path, target, rng, kind):
    if kind == "truncated":
        return truncate(path, target, rng.uniform(0.1, 0.99))
    if kind == "zeroed":
        return zero_range(path, target, rng, rng.randint(256, 8192))
    return flip_bytes(path, target, rng, rng.randint(3, 20))


def decoded_anyway(path) -> list[int]:
    """Returns a checksum of each picture that a decoder which looks for no damage gives."""
    sums = []
    try:
        with av.open(str(path)) as media:
            for packet in media.demux(media.streams.video[0]):
                try:
                    sums += [zlib.crc32(bytes(frame.planes[0])) for frame in packet.decode()]
                except av.FFmpegError:
                    continue
    except (av.FFmpegError, IndexError, ValueError):
        pass
    return sums


def measure(folder, files: int) -> collections.Counter:
    """Damages `files` files of each sort and counts what becomes of them."""
    counts = collections.Counter()
    for name, kind in [(name, kind) for name in FILES for kind in ("flipped", "zeroed", "truncated")]:
        source = busy_video(name)
        good, sums = decode(source, settings=SOURCE), decoded_anyway(source)
        for number in range(files):
            rng = random.Random(f"{name} {kind} {number}")
            path = damage(source, folder / f"damaged{source.suffix}", rng, kind)
            differs = decoded_anyway(path) != sums
            counts["files"] += 1
            counts["differ"] += differs
            if failure := failure_of(path, settings=SOURCE):
                counts[str(failure.reason)] += 1
                counts["found"] += differs
                assert kind != "truncated" or failure.reason is FailureReason.TRUNCATED, (name, failure)
            else:
                clip = decode(path, settings=SOURCE)
                same = clip.frames == good.frames and np.array_equal(clip.timestamps, good.timestamps)
                counts["silently wrong"] += not same
                assert same or kind != "truncated", (name, number)
    return counts


def test_damaged_files_whose_frames_differ_do_not_pass(tmp_path):
    counts = measure(tmp_path, 10)
    assert counts["files"] == 120
    assert counts["differ"] >= 110
    assert counts["silently wrong"] <= 1, counts
    assert counts["found"] >= counts["differ"] - 1, counts


@pytest.mark.slow
def test_of_1200_damaged_files_hardly_any_passes(tmp_path):
    counts = measure(tmp_path, 100)
    assert counts["silently wrong"] <= 6, counts
    assert counts["found"] >= 0.995 * counts["differ"], counts


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_of_1020_mutants_none_passes_that_ffmpeg_the_counts_or_the_times_would_have_shown(tmp_path, monkeypatch):
    """Of made clips in all containers and codecs, and of the real ones where KINETICS_SHARED names some."""
    monkeypatch.syspath_prepend(pathlib.Path(__file__).parents[2] / "benchmarks")
    import damage

    counts = collections.Counter()
    for original, kind, path in damage.make_mutants(damage.make_originals(tmp_path), 1020, tmp_path):
        clip = damage.decode(path)
        if isinstance(clip, str):
            counts["found"] += 1
        elif not original.equals(clip):
            counts["silent"] += 1
            counts[original.name] += 1
            assert damage.ffmpeg_finds(path) is None, (original.name, kind)
    # HEVC and VP8 carry no checksums, and nearly any bits decode to some picture.
    assert counts["found"] >= 800, counts
    assert counts["silent"] <= 45, counts


@pytest.mark.parametrize("codec", ENCODERS)
@pytest.mark.parametrize("share", [0.2, 0.9])
def test_every_truncated_file_says_so(tmp_path, codec, share):
    source = cached_video(SUFFIXES[codec], codec=codec, seconds=2, width=320, height=192)
    path = truncate(source, tmp_path / source.name, share)
    assert failure_of(path).reason is FailureReason.TRUNCATED


# Keeping what plays before the damage.


def test_what_plays_before_the_damage_is_kept_if_asked_for(tmp_path):
    source = cached_video(".mkv", seconds=10, width=320, height=192, options={"g": "30"})
    whole = decode(source)
    path = truncate(source, tmp_path / "cut.mkv", 0.6)
    clip = decode(path, keep_damaged=True, min_duration=3.0)
    assert clip.damage.startswith("truncated: ")
    assert 75 < len(clip.frames) < 200
    assert clip.frames[:70] == whole.frames[:70]
    assert abs(len(clip.frames) / 25 - clip.duration) < 0.05
    assert decode(source, keep_damaged=True).damage is None


def test_kept_frames_are_good_ones(tmp_path):
    source = cached_video(".mkv", seconds=10, width=320, height=192, options={"g": "30"})
    good = decode(source, settings=SOURCE).frames
    for seed in range(6):
        path = zero_range(source, tmp_path / "zeroed.mkv", random.Random(seed), 4000)
        try:
            clip = decode(path, settings=SOURCE, keep_damaged=True)
        except DecodeError:
            continue  # nothing played before it
        assert clip.damage
        assert clip.frames == good[: len(clip.frames)]


def test_too_little_before_the_damage_fails_with_its_reason(tmp_path):
    source = cached_video(".mkv", seconds=10, width=320, height=192, options={"g": "30"})
    path = truncate(source, tmp_path / "cut.mkv", 0.3)
    failure = failure_of(path, keep_damaged=True, min_duration=8.0)
    assert failure.reason is FailureReason.TRUNCATED


def test_audio_of_a_kept_clip_is_as_long_as_its_frames(tmp_path):
    source = cached_video(".mkv", seconds=4, width=320, height=192, audio=True)
    path = truncate(source, tmp_path / "cut.mkv", 0.6)
    clip = decode(path, 0, 4, keep_damaged=True, audio_rate=8000)
    assert abs(len(clip.audio) / 8000 - clip.duration) < 0.001


# Damage outside the clip does not matter.


def test_damage_after_the_clip_does_not_matter(tmp_path):
    source = cached_video(".mkv", seconds=10, width=320, height=192, options={"g": "30"})
    path = truncate(source, tmp_path / "cut.mkv", 0.8)
    assert decode(path, 0, 4).frames == decode(source, 0, 4).frames


def test_a_whole_video_that_is_cut_before_the_clip_is_truncated(tmp_path):
    for suffix in (".mkv", ".mp4"):
        faststart = {"movflags": "faststart"} if suffix == ".mp4" else {}
        source = cached_video(suffix, seconds=16, width=320, height=192, container_options=faststart)
        path = truncate(source, tmp_path / f"cut{suffix}", 0.4)
        for start in (9, 3):
            assert failure_of(path, start, start + 5, span=Span.UNKNOWN).reason is FailureReason.TRUNCATED, suffix
        assert failure_of(path, 0, 2, span=Span.UNKNOWN) is None


def test_damage_elsewhere_in_a_whole_video_does_not_matter(tmp_path):
    source = cached_video(seconds=16, width=320, height=192, options={"g": "30"})
    data = bytearray(source.read_bytes())
    data[5000:9000] = bytes(4000)  # within the first second
    path = tmp_path / "whole.mp4"
    path.write_bytes(data)
    assert decode(path, 5, 15, span=Span.UNKNOWN).frames == decode(source, 5, 15, span=Span.UNKNOWN).frames
    assert failure_of(path, 0, 10, span=Span.UNKNOWN).reason is FailureReason.CORRUPT


# No false alarms.

INTACT = {
    **{f"{codec}{SUFFIXES[codec]}": (SUFFIXES[codec], {"codec": codec}) for codec in ENCODERS},
    "hevc.mkv": (".mkv", {"codec": "hevc"}),
    "vp9.mp4": (".mp4", {"codec": "vp9"}),
    "vp8.mkv": (".mkv", {"codec": "vp8"}),
    "av1.mp4": (".mp4", {"codec": "av1"}),
    "mpeg4.mp4": (".mp4", {"codec": "mpeg4", "options": {"bf": "2"}}),
    "mpeg4.avi, B-frames": (".avi", {"codec": "mpeg4", "options": {"bf": "2"}}),
    "h264.avi": (".avi", {}),
    "h264.mov": (".mov", {}),
    "many B-frames": (".mp4", {"options": {"bf": "8", "x264-params": "b-pyramid=normal:ref=6"}}),
    "many slices": (".mp4", {"options": {"x264-params": "slices=4"}}),
    "no arithmetic coding": (".mp4", {"options": {"profile": "baseline"}}),
    "lossless": (".mkv", {"options": {"crf": "0"}}),
    "flat and dark": (".mp4", {"draw": lambda number, width, height: np.zeros((height, width, 3), np.uint8)}),
    "open GOPs": (".mkv", {"options": {"x264-params": "open-gop=1:keyint=30"}}),
    "gradual refresh": (".mp4", {"options": {"x264-params": "intra-refresh=1:keyint=30:bframes=0"}}),
    "interlaced": (".mp4", {"options": {"x264-params": "tff=1"}}),
    "index first": (".mp4", {"container_options": {"movflags": "faststart"}}),
    "fragmented": (".mp4", {"container_options": {"movflags": "frag_keyframe+empty_moov"}, "options": {"g": "15"}}),
    "live": (".mkv", {"container_options": {"live": "1"}}),
    "no checksums": (".mkv", {"container_options": {"write_crc32": "0"}}),
    "small clusters": (".webm", {"codec": "vp9", "container_options": {"cluster_time_limit": "100"}}),
    "audio": (".mp4", {"audio": True}),
    "audio.webm": (".webm", {"codec": "vp8", "audio": True}),
    "audio.avi": (".avi", {"codec": "mpeg4", "audio": True}),
    "two frames a second": (".mp4", {"fps": 2}),
    "240 frames a second": (".mp4", {"fps": 240, "seconds": 1}),
    "one frame": (".mp4", {"seconds": 0.04, "fps": 25}),
    "irregular": (".mp4", {"times": [0, 0.03, 0.2, 0.21, 0.9, 1.7, 1.75, 3.2]}),
    "irregular.mkv": (".mkv", {"times": [0, 0.03, 0.2, 0.21, 0.9, 1.7, 1.75, 3.2]}),
    "rotated": (".mp4", {"rotation": (90, False, False)}),
}


@pytest.mark.parametrize("name", INTACT)
def test_intact_files_pass(name):
    suffix, options = INTACT[name]
    path = cached_video(suffix, **{"seconds": 2, "width": 320, "height": 192, **options})
    clip = decode(path, settings=SOURCE, audio_rate=8000)
    count = len(options.get("times", ())) or round(options.get("seconds", 2) * options.get("fps", 30))
    assert len(clip.frames) == count
    assert decode(path).damage is None


def test_audio_longer_than_video_is_no_damage(tmp_path):
    short, long = (
        cached_video(seconds=2, width=320, height=192),
        cached_video(seconds=5, width=160, height=128, audio=True),
    )
    for suffix in (".mp4", ".mkv", ".mov"):
        path = remux(tmp_path / f"long{suffix}", (short, "video"), (long, "audio"))
        assert len(decode(path, settings=SOURCE, audio_rate=8000).frames) == 60


CUTS = [
    ("h264", {"x264-params": "open-gop=1:keyint=30:bframes=3:scenecut=0"}),
    ("h264", {"x264-params": "open-gop=1:keyint=30:bframes=5:ref=5:b-pyramid=normal:scenecut=0"}),
    ("h264", {"x264-params": "intra-refresh=1:keyint=30:bframes=0"}),
    ("h264", {"x264-params": "keyint=30:scenecut=0"}),
    ("hevc", {"x265-params": "log-level=none:pools=1:open-gop=1:keyint=30:bframes=4:ref=4"}),
    ("hevc", {"x265-params": "log-level=none:pools=1:open-gop=0:keyint=30"}),
    ("mpeg4", {"g": "30", "bf": "2"}),
    ("vp9", {"g": "30"}),
]


@pytest.mark.parametrize(("codec", "options"), CUTS)
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_files_cut_without_encoding_again_pass(tmp_path, suffix, codec, options):
    source = cached_video(codec=codec, seconds=4, width=320, height=192, options=options)
    path = remux(tmp_path / f"cut{suffix}", (source, "video"), start=1.5, shift=0)
    images = images_of(decode(path, settings=SOURCE))
    numbers = [number_of(image) for image in images]
    assert len(numbers) > 60
    assert numbers == list(range(numbers[0], 120))


def test_real_clips_pass_whole_and_are_found_when_cut(shared_dir, tmp_path):
    for path in sorted((shared_dir / "media").iterdir()):
        assert decode(path, audio_rate=16_000).damage is None, path.name
        cut = truncate(path, tmp_path / path.name, 0.7)
        assert failure_of(cut, 0, 60).reason is FailureReason.TRUNCATED, path.name


@pytest.mark.parametrize(("suffix", "codec"), [(".mp4", "h264"), (".mkv", "h264"), (".webm", "vp9"), (".webm", "vp8")])
def test_frames_lost_between_two_others_are_damage(tmp_path, suffix, codec):
    """As where a fragment of a download was lost before the streams were merged: what is there is intact."""
    source = cached_video(suffix, codec=codec, seconds=6, width=320, height=192, options={"g": "30"})
    path = tmp_path / f"lost{suffix}"
    with av.open(str(source)) as media, av.open(str(path), "w") as out:
        stream = media.streams.video[0]
        copy = out.add_stream_from_template(stream)
        for packet in media.demux(stream):
            if packet.size and not 2 <= packet.pts * stream.time_base < 4:
                packet.stream = copy
                out.mux(packet)
    failure = failure_of(path)
    assert failure.reason is FailureReason.CORRUPT
    assert failure.detail.startswith("no frame is shown between ")
    clip = decode(path, keep_damaged=True)
    assert len(clip.frames) == 50
    assert clip.frames == decode(source).frames[:50]


def test_frames_that_are_held_by_a_slow_source_are_no_damage(tmp_path):
    path = cached_video(".mp4", times=[0, 0.5, 1.5, 4, 4.5, 6], width=320, height=192)
    assert failure_of(path, settings=SOURCE) is None


def test_an_avi_whose_index_lost_entries_does_not_pass(tmp_path):
    source = cached_video(".avi", codec="mpeg4", seconds=4, width=320, height=192)
    data = bytearray(source.read_bytes())
    index = data.rindex(b"idx1")
    for entries in (20, 60, 100):
        for lost in (bytes(16 * entries), b"\xff" * 16 * entries):
            damaged = bytearray(data)
            damaged[index + 8 + 16 * 10 : index + 8 + 16 * (10 + entries)] = lost
            path = tmp_path / "lost.avi"
            path.write_bytes(damaged)
            failure = failure_of(path)
            assert failure is not None or decode(path).frames == decode(source).frames, (entries, lost[:1])


@pytest.mark.parametrize("codec", ["vp8", "vp9"])
@pytest.mark.parametrize("length", [600, 4000])
def test_zeros_in_packets_do_not_pass(tmp_path, codec, length):
    source = cached_video(".webm", codec=codec, draw=busy, seconds=1, width=256, height=192)
    with av.open(str(source)) as media:
        packets = [bytes(packet) for packet in media.demux(media.streams.video[0]) if packet.size > 2 * length]
    data = source.read_bytes()
    for packet in packets[:4]:
        start = data.index(packet) + len(packet) // 3
        path = tmp_path / "zeroed.webm"
        path.write_bytes(data[:start] + bytes(length) + data[start + length :])
        assert failure_of(path).reason is FailureReason.CORRUPT
    assert packets


def test_zeros_in_h264_take_no_time_to_find():
    reader = NalReader("h264", b"\1\0\0\0\3")
    unit = b"\x41" + bytes(1 << 20) + b"\1"
    # One that tries every start would take an hour.
    assert not reader.forbidden(len(unit).to_bytes(4, "big") + unit)


def test_bytes_after_the_end_do_not_matter(tmp_path):
    for codec, suffix in (("h264", ".mp4"), ("h264", ".mkv"), ("mpeg4", ".avi")):
        source = cached_video(suffix, codec=codec, seconds=2, width=320, height=192)
        path = tmp_path / f"padded{suffix}"
        path.write_bytes(source.read_bytes() + bytes(3000))
        assert failure_of(path, settings=SOURCE) is None, suffix
