"""Which frames a clip gets, and when they are shown."""

from __future__ import annotations

import itertools
import random
from fractions import Fraction

import numpy as np
import pytest
from av.stream import Disposition
from decoding import SOURCE, decode, failure_of, images_of
from media import ENCODERS, SUFFIXES, cached_video, make_video, number_of, remux
from programs import ffprobe_times, needs_ffmpeg

from kinetics_tfds.clips.media import Span
from kinetics_tfds.decode.types import FailureReason


def numbers(clip, width=None):
    return [number_of(image, width) for image in images_of(clip)]


def nearest(times, fps, count, start=0.0):
    """The frame nearest to each point of the grid, the earlier of two."""
    times = [Fraction(t).limit_denominator(1000) for t in times]
    grid = [Fraction(start) + Fraction(k, fps) for k in range(count)]
    return [min(range(len(times)), key=lambda i: (abs(times[i] - t), i)) for t in grid]


@pytest.mark.parametrize("codec", ENCODERS)
def test_every_codec_gives_250_frames_of_ten_seconds(codec):
    path = cached_video(SUFFIXES[codec], codec=codec, width=320, height=192)
    clip = decode(path, 5, 15)
    assert len(clip.frames) == 250
    assert numbers(clip)[:100] == nearest([k / 30 for k in range(300)], 25, 100)
    assert clip.duration == 10
    assert clip.fps == 25
    assert abs(clip.original_fps - 30) < 0.05
    assert np.allclose(clip.timestamps, np.arange(250) / 25)
    assert clip.timestamps.dtype == np.float32


@pytest.mark.parametrize("codec", ENCODERS)
def test_every_frame_of_the_source_is_kept_with_its_time(codec):
    clip = decode(cached_video(SUFFIXES[codec], codec=codec, width=320, height=192, seconds=2), settings=SOURCE)
    assert numbers(clip) == list(range(60))
    assert np.abs(clip.timestamps - np.arange(60) / 30).max() < 0.0011
    assert abs(clip.fps - 30) < 0.05


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_variable_frame_rate_follows_presentation_times(suffix):
    rng = random.Random(5)
    times = [0.0]
    while times[-1] < 9.5:
        times.append(round(times[-1] + rng.choice([0.02, 0.033, 0.05, 0.1, 0.4]), 3))
    path = cached_video(suffix, times=times, width=320, height=192)
    clip = decode(path)
    last = len(clip.frames)
    assert numbers(clip) == nearest(times, 25, last)
    kept = decode(path, settings=SOURCE)
    assert np.abs(kept.timestamps - np.array(times)).max() < 0.0011


@pytest.mark.parametrize("suffix", [".mkv", ".mp4", ".webm"])
def test_streams_that_start_late_count_from_their_first_frame(tmp_path, suffix):
    codec = "vp9" if suffix == ".webm" else "h264"
    source = cached_video(SUFFIXES[codec], codec=codec, width=320, height=192, seconds=2)
    path = remux(tmp_path / f"late{suffix}", (source, "video"), shift=3.2)
    clip = decode(path, 40, 42, settings=SOURCE)
    assert numbers(clip) == list(range(60))
    assert clip.timestamps[0] == 0


def test_trimmed_files_are_cut_at_the_clips_length():
    path = cached_video(width=320, height=192, seconds=4)
    assert numbers(decode(path, 7, 10, settings=SOURCE)) == list(range(90))
    assert len(decode(path, 7, 10).frames) == 75


@pytest.mark.parametrize("shift", [0.5, 1.5, 1.71])
def test_frames_before_an_edit_list_are_not_shown(tmp_path, shift):
    source = cached_video(width=320, height=192, seconds=4, options={"g": "120", "bf": "3"})
    path = remux(tmp_path / "edited.mp4", (source, "video"), shift=-shift)
    clip = decode(path, settings=SOURCE)
    first = numbers(clip)[0]
    assert abs(first / 30 - shift) < 0.04
    assert numbers(clip) == list(range(first, 120))


@needs_ffmpeg
@pytest.mark.parametrize("shift", [0.0, -0.7, -1.5, 2.25])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_times_are_those_of_ffprobe(tmp_path, shift, suffix):
    if suffix == ".mkv" and shift < 0:
        shift = -shift
    source = cached_video(width=320, height=192, seconds=4, options={"g": "50", "bf": "3"})
    path = remux(tmp_path / f"edited{suffix}", (source, "video"), shift=shift)
    expected = np.array(ffprobe_times(path))
    clip = decode(path, settings=SOURCE)
    assert len(clip.timestamps) == len(expected)
    assert np.abs(clip.timestamps - (expected - expected[0])).max() < 1e-5


@needs_ffmpeg
def test_real_clips_have_the_times_of_ffprobe(shared_dir):
    for path in sorted((shared_dir / "media").iterdir()):
        if path.name == "space_multistream.mp4":
            continue  # ffprobe looks at the first stream, not at the best
        expected = np.array(ffprobe_times(path))
        clip = decode(path, 0, 60, settings=SOURCE)
        assert len(clip.frames) == len(expected), path.name
        assert np.abs(clip.timestamps - (expected - expected[0])).max() < 1e-5, path.name


def test_a_last_frame_a_little_early_still_gives_250_frames():
    path = cached_video(times=[k / 30 for k in range(298)], width=160, height=128)  # ends at 9.93 s
    clip = decode(path)
    assert len(clip.frames) == 250
    assert clip.duration == 10


def test_a_file_that_is_short_by_its_own_account_gives_fewer_frames():
    clip = decode(cached_video(width=160, height=128, seconds=7.5))
    assert len(clip.frames) == 188  # 7.5 s at 25 a second, halves up
    assert clip.duration == 7.5


def test_a_last_frame_that_is_held_counts_for_as_long_as_it_is_shown(tmp_path):
    # The file's own account of its last frame comes from the packet's duration.
    path = make_video(tmp_path / "a.mp4", times=[*(k / 10 for k in range(86)), 9.9], width=160, height=128)
    clip = decode(path)
    assert len(clip.frames) == 250
    assert numbers(clip, 160)[231:] == [86] * 19


def test_a_frame_repeated_on_the_grid_is_encoded_once():
    clip = decode(cached_video(width=320, height=192, seconds=2, fps=5))
    assert len(clip.frames) == 50
    assert len({id(frame) for frame in clip.frames}) == 10


@pytest.mark.parametrize(("promised", "passes"), [(58, True), (63, True), (90, False)])
def test_a_frame_count_in_the_header_is_a_promise_of_so_many_and_hardly_less(tmp_path, promised, passes):
    path = tmp_path / "clip.avi"
    data = bytearray(cached_video(".avi", codec="mpeg4", width=320, height=192, seconds=2).read_bytes())
    for place in (data.index(b"avih") + 8 + 16, data.index(b"strh") + 8 + 32):
        assert int.from_bytes(data[place : place + 4], "little") == 60
        data[place : place + 4] = promised.to_bytes(4, "little")
    path.write_bytes(data)
    if passes:
        assert numbers(decode(path, settings=SOURCE)) == list(range(60))
    else:
        assert failure_of(path).detail == "its frames end at 2.00 s, its headers promise 3.00 s"


# Clips inside whole videos.

WHOLE = {
    "closed": (".mp4", {"g": "60", "bf": "3"}),
    "open": (".mkv", {"g": "60", "bf": "3", "x264-params": "open-gop=1:keyint=60:min-keyint=60:scenecut=0"}),
    "refresh": (".mp4", {"x264-params": "intra-refresh=1:keyint=60:bframes=0"}),
    "one key frame": (".mkv", {"g": "10000", "x264-params": "scenecut=0"}),
}


@pytest.mark.parametrize("kind", WHOLE)
def test_seeking_gives_exactly_what_decoding_from_the_start_gives(tmp_path, kind):
    suffix, options = WHOLE[kind]
    path = cached_video(suffix, width=160, height=128, seconds=24, options=options)
    everything = decode(path, 0, 24, settings=SOURCE)
    for start in (0, 1, 2, 3.5, 7, 13, 19.97):
        end = min(start + 4, 24)
        clip = decode(path, start, end, span=Span.UNKNOWN, settings=SOURCE)
        chosen = (everything.timestamps >= start - 1e-4) & (everything.timestamps < end - 1e-4)
        expected = list(itertools.compress(everything.frames, chosen))
        assert clip.frames == expected, start


@pytest.mark.parametrize("codec", ENCODERS)
def test_seeking_is_exact_for_every_codec(codec):
    options = {} if codec == "av1" else {"g": "48"}
    path = cached_video(SUFFIXES[codec], codec=codec, width=160, height=128, seconds=16, options=options)
    everything = decode(path, 0, 16, settings=SOURCE)
    for start in (2, 5, 11):
        clip = decode(path, start, start + 5, span=Span.UNKNOWN, settings=SOURCE)
        assert clip.frames == everything.frames[start * 30 : start * 30 + 150], start


def test_a_clip_of_a_whole_video_that_starts_late_counts_from_its_start(tmp_path):
    source = cached_video(width=160, height=128, seconds=8)
    path = remux(tmp_path / "late.mkv", (source, "video"), shift=1000.5)
    clip = decode(path, 3, 6, span=Span.UNKNOWN, settings=SOURCE)
    assert numbers(clip, 160) == list(range(90, 180))


@pytest.mark.parametrize(
    ("seconds", "start", "end", "expected"),
    [
        (10, 0, 10, 0),  # both whole and cut
        (10, 57, 67, 0),  # cut
        (10.6, 57, 67, 0),  # cut at key frames
        (20, 5, 15, 150),  # whole
        (14.7, 5, 15, 150),  # whole; the annotation was rounded up
        (14.2, 5, 15, 150),  # likewise, and too long to be the clip
        (10, 1, 11, 0),
        (13, 5, 15, None),
        (60, 57, 67, None),
    ],
)
def test_a_file_named_by_id_is_told_by_its_duration(seconds, start, end, expected):
    path = cached_video(width=160, height=128, seconds=seconds, options={"preset": "ultrafast", "g": "60"})
    if expected is None:
        assert failure_of(path, start, end, span=Span.UNKNOWN).reason is FailureReason.OUT_OF_RANGE
    else:
        clip = decode(path, start, end, span=Span.UNKNOWN, settings=SOURCE)
        assert numbers(clip, 160)[0] == expected


def test_a_whole_video_whose_headers_give_no_duration_is_measured(tmp_path):
    source = cached_video(width=160, height=128, seconds=12)
    path = remux(tmp_path / "live.mkv", (source, "video"), options={"live": "1"})
    clip = decode(path, 6, 10, span=Span.UNKNOWN, settings=SOURCE)
    assert numbers(clip, 160) == list(range(180, 300))


# Which stream.


def test_of_several_video_streams_the_largest_default_one_is_taken(tmp_path):
    small = cached_video(width=160, height=128, seconds=1)
    large = cached_video(width=320, height=192, seconds=1)
    both = ((small, "video"), (large, "video"))
    default = Disposition.default
    cases = {(0, 0): 320, (int(default), int(default)): 320, (int(default), 0): 160, (0, int(default)): 320}
    for flags, width in cases.items():
        path = remux(tmp_path / "two.mkv", *both, dispositions=[Disposition(flag) for flag in flags])
        assert decode(path, 0, 1, short_side=None).width == width, flags


def test_covers_are_passed_over(tmp_path):
    small = cached_video(width=160, height=128, seconds=1)
    cover = cached_video(".avi", codec="mjpeg", pix_fmt="yuvj420p", width=640, height=480, seconds=0.04, fps=25)
    path = remux(
        tmp_path / "cover.mp4",
        (cover, "video"),
        (small, "video"),
        dispositions=[Disposition.attached_pic, Disposition.default],
    )
    assert decode(path, 0, 1, short_side=None).width == 160


def test_the_real_file_with_two_video_streams_gives_the_larger(shared_dir):
    clip = decode(shared_dir / "media" / "space_multistream.mp4", 0, 10, short_side=None, fps=None)
    assert (clip.width, clip.height) == (480, 270)
    assert len(clip.frames) == 300
