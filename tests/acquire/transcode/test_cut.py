"""Cuts are compared with the video they come from, frame by frame, through the project's own decoder."""

from __future__ import annotations

from fractions import Fraction

import av
import cv2
import numpy as np
import pytest
from media import make_video, number_of

from kinetics_tfds.acquire.config import CutSettings
from kinetics_tfds.acquire.transcode.cut import cut_clip
from kinetics_tfds.clips.media import Span
from kinetics_tfds.decode.clip import decode_clip
from kinetics_tfds.decode.failure import DecodeError
from kinetics_tfds.decode.probe import probe_media
from kinetics_tfds.decode.types import DecodedClip, DecodeLimits, DecodeRequest, DecodeSettings

LIMITS = DecodeLimits()


def decode(path, span, start, end, fps=None) -> DecodedClip:
    return decode_clip(DecodeRequest("x", str(path), span, start, end), DecodeSettings(None, fps, 95), LIMITS)


def pictures(clip: DecodedClip) -> list[np.ndarray]:
    return [cv2.imdecode(np.frombuffer(frame, np.uint8), cv2.IMREAD_COLOR) for frame in clip.frames]


def variable_times() -> list[Fraction]:
    random = np.random.default_rng(0)
    return list(np.cumsum([Fraction(int(step), 90_000) for step in random.integers(1500, 6000, 300)]))


MEDIA = {
    "h264_b_frames.mp4": {"options": {"g": "70", "bf": "3"}},
    "h264_no_b.mp4": {"options": {"g": "50", "bf": "0"}},
    "ntsc.mp4": {"fps": Fraction(30000, 1001), "options": {"g": "45"}},
    "open_gop.mp4": {"options": {"x264-params": "open-gop=1:keyint=40:bframes=3"}},
    "vp9.webm": {"codec": "vp9", "options": {"g": "64"}},
    "variable.mp4": {"times": variable_times()},
    "mpeg4.avi": {"codec": "mpeg4", "options": {"g": "30"}},
}


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    made = {}

    def get(name):
        if name not in made:
            path = tmp_path_factory.mktemp("videos") / name
            made[name] = make_video(path, seconds=12, width=128, height=96, audio="avi" not in name, **MEDIA[name])
        return made[name]

    return get


@pytest.mark.parametrize("window", [(4.7, 7.3), (10, 20)])
@pytest.mark.parametrize("name", MEDIA)
def test_a_cut_gives_the_frames_of_its_video(videos, tmp_path, name, window):
    video, target = videos(name), tmp_path / "cut.mp4"
    cut_clip(video, None, target, *window, CutSettings(crf=10, preset="ultrafast"), LIMITS)
    whole = decode(video, Span.WHOLE, *window)
    cut = decode(target, Span.TRIMMED, *window)
    numbers = [number_of(picture) for picture in pictures(whole)]
    assert [number_of(picture) for picture in pictures(cut)] == numbers
    assert cut.timestamps[0] == 0  # the clip begins with its first frame; all others keep their times
    assert np.allclose(cut.timestamps[1:], whole.timestamps[1:], atol=2e-3)
    assert cut.duration == pytest.approx(whole.duration, abs=0.05)


@pytest.mark.parametrize("name", ["h264_b_frames.mp4", "mpeg4.avi"])
def test_a_cut_from_the_beginning(videos, tmp_path, name):
    cut_clip(videos(name), None, tmp_path / "cut.mp4", 0, 2, CutSettings(preset="ultrafast"), LIMITS)
    cut = decode(tmp_path / "cut.mp4", Span.TRIMMED, 0, 2)
    assert [number_of(picture) for picture in pictures(cut)] == list(range(60))


def test_at_the_builds_frame_rate_the_frames_are_the_same_too(videos, tmp_path):
    video, target = videos("ntsc.mp4"), tmp_path / "cut.mp4"
    cut_clip(video, None, target, 5, 9, CutSettings(), LIMITS)
    whole, cut = (decode(path, span, 5, 9, 25.0) for path, span in ((video, Span.WHOLE), (target, Span.TRIMMED)))
    numbers = [[number_of(picture) for picture in pictures(clip)] for clip in (whole, cut)]
    assert len(numbers[0]) == len(numbers[1]) == 100
    assert max(abs(a - b) for a, b in zip(*numbers, strict=True)) <= 1
    assert sum(a != b for a, b in zip(*numbers, strict=True)) <= 5


def sound(path) -> tuple[np.ndarray, float]:
    """Returns the samples from time 0 on, and the time of the first."""
    with av.open(str(path)) as media:
        stream = media.streams.audio[0]
        frames = list(media.decode(stream))
        begin = float(frames[0].pts * stream.time_base)
        samples = np.concatenate([f.to_ndarray().reshape(-1) for f in frames]).astype(float)
        return samples, begin


@pytest.mark.parametrize("apart", [False, True])
def test_sound_stays_with_the_picture(tmp_path, apart):
    """A click a second, loud from 3.5 s on: in the cut it must sit where it sat, to a hundredth of a second."""
    video = tmp_path / "video.mp4"
    make_video(video, seconds=8, width=96, height=64)
    audio = tmp_path / "audio.m4a"
    rate = 44_100
    samples = np.zeros(8 * rate, np.float32)
    samples[3 * rate + rate // 2 : 5 * rate] = 0.8 * np.sin(np.arange(rate + rate // 2) * 0.06)
    with av.open(str(audio), "w", "mp4") as media:
        stream = media.add_stream("aac", rate=rate, layout="mono")
        for place in range(0, len(samples), 1024):
            frame = av.AudioFrame.from_ndarray(samples[None, place : place + 1024], format="fltp", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = rate, place, Fraction(1, rate)
            media.mux(stream.encode(frame))
        media.mux(stream.encode(None))
    together = tmp_path / "both.mp4"
    with av.open(str(video)) as v, av.open(str(audio)) as a, av.open(str(together), "w") as both:
        sources = (v.streams.video[0], a.streams.audio[0])
        for source, added in [(source, both.add_stream_from_template(source)) for source in sources]:
            for packet in source.container.demux(source):
                if packet.dts is not None:
                    packet.stream = added
                    both.mux(packet)
    target = tmp_path / "cut.mp4"
    cut_clip(video if apart else together, audio if apart else None, target, 3, 7, CutSettings(), LIMITS)
    heard, begin = sound(target)
    loud = np.flatnonzero(np.abs(heard) > 0.2)
    assert begin + loud[0] / rate == pytest.approx(0.5, abs=0.01)
    assert begin + loud[-1] / rate == pytest.approx(2.0, abs=0.01)
    assert len(heard) / rate + begin == pytest.approx(4, abs=0.05)


def test_beyond_the_video(videos, tmp_path):
    with pytest.raises(DecodeError, match="out_of_range"):
        cut_clip(videos("h264_no_b.mp4"), None, tmp_path / "x.mp4", 40, 50, CutSettings(), LIMITS)


def test_re_encoding_can_scale_and_drop_the_sound(videos, tmp_path):
    target = tmp_path / "x.mp4"
    cut_clip(videos("h264_no_b.mp4"), None, target, 1, 3, CutSettings(short_side=72, audio=False), LIMITS)
    info = probe_media(str(target))
    assert (info.width, info.height, info.has_audio, info.codec) == (96, 72, False, "h264")


def test_re_encoding_gives_the_same_bytes_every_time(videos, tmp_path):
    for name in "ab":
        cut_clip(videos("h264_b_frames.mp4"), None, tmp_path / name, 2, 6, CutSettings(), LIMITS)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_turned_video_is_cut_as_it_is_shown(tmp_path):
    upright, turned = tmp_path / "a.mp4", tmp_path / "b.mp4"
    make_video(upright, seconds=3, width=192, height=144)
    with av.open(str(upright)) as media, av.open(str(turned), "w") as output:
        source = media.streams.video[0]
        stream = output.add_stream_from_template(source)
        stream.set_display_rotation(90)
        for packet in media.demux(source):
            if packet.dts is not None:
                packet.stream = stream
                output.mux(packet)
    cut_clip(turned, None, tmp_path / "x.mp4", 0, 2, CutSettings(), LIMITS)
    with av.open(str(upright)) as media, av.open(str(tmp_path / "x.mp4")) as cut:
        before, after = (next(m.decode(video=0)).to_ndarray(format="rgb24").astype(int) for m in (media, cut))
    # A display matrix of 90 degrees turns against the clock, as the ffmpeg program shows it.
    assert np.abs(np.rot90(before) - after).mean() < 6
