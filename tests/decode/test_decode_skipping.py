"""Frames that are not stored are not decoded where nothing refers to them, and what is stored is the same."""

from __future__ import annotations

import gc

import av
import numpy as np
import pytest
from decoding import decode, failure_of
from media import SUFFIXES, cached_video, remux

from kinetics_tfds.clips.media import Span
from kinetics_tfds.decode import reader
from kinetics_tfds.decode.clip import _ClipDecoder
from kinetics_tfds.decode.types import DecodedClip

_SMALL = {"seconds": 4, "width": 320, "height": 192}
# Name -> suffix, options, whether there are frames that may be skipped at 10 frames a second.
STREAMS = {
    "h264, B-frames": (".mp4", {"options": {"bf": "3"}}, True),
    "h264, many B-frames": (".mkv", {"options": {"bf": "8", "x264-params": "b-pyramid=normal:ref=6:keyint=60"}}, True),
    "h264, open GOPs": (".mkv", {"options": {"x264-params": "open-gop=1:keyint=30:bframes=3:scenecut=0"}}, True),
    "h264, slices": (".mp4", {"options": {"x264-params": "slices=4:bframes=2"}}, True),
    "h264, no B-frames": (".mp4", {"options": {"bf": "0"}}, False),
    "h264, interlaced": (".mp4", {"options": {"x264-params": "tff=1:bframes=2"}}, False),
    "h264, irregular": (
        ".mkv",
        {"times": list(np.cumsum([0.02, 0.05, 0.11, 0.03] * 20)), "options": {"bf": "3"}},
        True,
    ),
    "h264, audio": (".mp4", {"audio": True, "options": {"bf": "3"}}, True),
    "h264.avi": (".avi", {}, False),
    "hevc": (".mp4", {"codec": "hevc", "options": {"x265-params": "log-level=none:pools=1:bframes=4"}}, True),
    **{codec: (SUFFIXES[codec], {"codec": codec}, False) for codec in ("vp8", "vp9", "av1", "mpeg4")},
}


@pytest.fixture
def skipped(monkeypatch):
    """The times of the frames that were not decoded."""
    times = []
    add = _ClipDecoder._add

    def note(self, window, timed):
        if timed.frame is None:
            times.append(timed.time)
        add(self, window, timed)

    monkeypatch.setattr(_ClipDecoder, "_add", note)
    return times


def in_full(monkeypatch, *args, **options) -> DecodedClip:
    """Decodes every frame."""
    with monkeypatch.context() as patch:
        patch.setattr(reader, "_CAN_SKIP", frozenset())
        return decode(*args, **options)


def check_equal(one: DecodedClip, other: DecodedClip) -> None:
    assert one.frames == other.frames
    assert np.array_equal(one.timestamps, other.timestamps)
    assert (one.original_fps, one.duration, one.width) == (other.original_fps, other.duration, other.width)
    assert np.array_equal(one.audio, other.audio)


@pytest.mark.parametrize("name", STREAMS)
def test_what_is_stored_is_the_same(name, skipped, monkeypatch):
    suffix, options, skips = STREAMS[name]
    path = cached_video(suffix, **{**_SMALL, **options})
    for fps, start, end, span in ((10, 0, 10, Span.TRIMMED), (12.5, 1.37, 3.1, Span.WHOLE), (29, 0, 3, Span.UNKNOWN)):
        every = in_full(monkeypatch, path, start, end, span=span, fps=fps, audio_rate=8000)
        assert not skipped
        check_equal(decode(path, start, end, span=span, fps=fps, audio_rate=8000), every)
        assert not skipped or skips, "a frame was skipped that something may need"
        assert skipped or not skips or fps == 29
        skipped.clear()


def test_nothing_is_skipped_where_every_frame_is_stored(skipped):
    path = cached_video(".mp4", **_SMALL, options={"bf": "3"})
    for changes in ({"fps": None}, {"fps": 30.0}, {"fps": 60.0}, {"fps": 10.0, "keep_damaged": True}):
        decode(path, **changes)
    assert not skipped


def test_a_file_cut_without_encoding_again_is_the_same(tmp_path, skipped, monkeypatch):
    options = {"x264-params": "open-gop=1:keyint=30:bframes=5:ref=5:b-pyramid=normal:scenecut=0"}
    source = cached_video(codec="h264", **_SMALL, options=options)
    for suffix in (".mp4", ".mkv"):
        path = remux(tmp_path / f"cut{suffix}", (source, "video"), start=1.5, shift=0)
        check_equal(decode(path, fps=10), in_full(monkeypatch, path, fps=10))
    assert skipped


def test_a_stream_that_turns_interlaced_is_decoded_again_in_full(skipped, monkeypatch):
    """As it would be with fields in packets of their own, of which one may not be skipped."""
    from kinetics_tfds.decode.video import CannotSkipError, VideoRun

    path = cached_video(".mp4", **_SMALL, options={"bf": "3"})
    every = in_full(monkeypatch, path, fps=10)
    before = VideoRun._skipped_before

    def turn(self, frame):
        if len(skipped) > 5:
            raise CannotSkipError
        yield from before(self, frame)

    monkeypatch.setattr(VideoRun, "_skipped_before", turn)
    check_equal(decode(path, fps=10), every)
    assert len(skipped) == 6


@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_damage_that_reaches_stored_frames_is_found(tmp_path, codec, monkeypatch):
    source = cached_video(".mp4", codec=codec, **_SMALL)
    with av.open(str(source)) as media:
        packets = [bytes(packet) for packet in media.demux(media.streams.video[0]) if packet.size > 100]
    data, good = source.read_bytes(), decode(source, fps=10)
    path = tmp_path / "damaged.mp4"
    passed = 0
    for packet in packets[1:81:2]:
        length = len(packet) // 2
        start = data.index(packet) + length // 2
        damaged = bytes(byte ^ 0x5A for byte in data[start : start + length])
        path.write_bytes(data[:start] + damaged + data[start + length :])
        if failure_of(path, fps=10) is not None:
            continue
        passed += 1
        clip = decode(path, fps=10)
        with monkeypatch.context() as patch:
            patch.setattr(reader, "_CAN_SKIP", frozenset())
            if failure_of(path, fps=10) is not None:  # the damage is in a frame that is not stored
                assert clip.frames == good.frames
    assert 0 < passed < 40


def test_a_clip_is_gone_when_it_is_decoded():
    """What only the garbage collector frees lies about in workers for many clips."""
    path = cached_video(".mp4", **_SMALL, options={"bf": "3"})
    gc.collect()
    gc.disable()
    try:
        decode(path, fps=10)
        assert not [each for each in gc.get_objects() if isinstance(each, _ClipDecoder)]
    finally:
        gc.enable()
