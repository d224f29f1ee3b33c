"""Audio in step with the frames."""

from __future__ import annotations

import random
from fractions import Fraction

import av
import numpy as np
import pytest
from decoding import decode, images_of
from media import cached_video, flip_bytes, make_video, picture, remux

from kinetics_tfds.clips.media import Span
from kinetics_tfds.decode.audio import AudioTrack
from kinetics_tfds.decode.failure import DecodeError

RATE = 16_000


def beeps(times: np.ndarray) -> np.ndarray:
    """Returns beeps of a tenth of a second at 1 s, 2 s and so on."""
    return 0.5 * np.sin(2 * np.pi * 880 * times) * ((times % 1 < 0.1) & (times >= 0.5))


def flashes(number: int, width: int, height: int) -> np.ndarray:
    """Returns white for a tenth of a second at 1 s, 2 s and so on, at 30 frames a second."""
    bright = number % 30 < 3 and number >= 15
    return np.full((height, width, 3), 235 if bright else 20, np.uint8)


def onsets(audio: np.ndarray, rate: int = RATE) -> list[float]:
    """Returns when beeps begin, in seconds: loud samples with none in the fifth of a second before."""
    loud = np.flatnonzero(np.abs(audio.astype(int)) > 4000)
    return list(loud[np.diff(loud, prepend=-rate) > rate // 5] / rate)


def brightenings(clip) -> list[float]:
    light = np.array([image.mean() > 128 for image in images_of(clip)])
    return [float(clip.timestamps[k]) for k in np.flatnonzero(light & ~np.concatenate([[False], light[:-1]]))]


def sync_video(suffix: str, seconds: float = 6.0, **options):
    return cached_video(suffix, draw=flashes, audio=beeps, seconds=seconds, width=160, height=128, **options)


@pytest.mark.parametrize(("suffix", "codec"), [(".mp4", "h264"), (".mkv", "h264"), (".webm", "vp9"), (".mov", "h264")])
@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100, 48_000])
def test_beeps_come_with_flashes(suffix, codec, rate):
    clip = decode(sync_video(suffix, codec=codec), 0, 6, fps=None, audio_rate=rate)
    assert clip.audio.dtype == np.int16
    assert len(clip.audio) == 6 * rate
    assert clip.audio_rate == rate
    heard, seen = onsets(clip.audio, rate), brightenings(clip)
    assert len(heard) == len(seen) == 5
    # AAC and Opus smear the onset by a few milliseconds.
    assert np.abs(np.array(heard) - seen).max() < 0.012


@pytest.mark.parametrize("start", [0, 1, 2, 3.5, 7])
def test_they_do_in_clips_of_whole_videos_too(start):
    path = sync_video(".mp4", seconds=14.0, options={"g": "48"})
    clip = decode(path, start, start + 3, span=Span.UNKNOWN, fps=None, audio_rate=RATE)
    heard, seen = onsets(clip.audio), brightenings(clip)
    assert len(clip.audio) == 3 * RATE
    assert len(heard) >= 2
    if start in (1, 2, 7):  # the clip begins with a flash, which no change precedes
        assert heard[0] < 0.012
    assert np.abs(np.array(heard)[-2:] - np.array(seen)[-2:]).max() < 0.012


def test_edit_lists_hold_for_audio_too(tmp_path):
    source = sync_video(".mp4", options={"g": "180"})
    path = remux(tmp_path / "edited.mp4", (source, "video"), (source, "audio"), shift=-1.45)
    clip = decode(path, 0, 4, fps=None, audio_rate=RATE)
    heard, seen = onsets(clip.audio), brightenings(clip)
    assert np.abs(np.array(heard) - seen).max() < 0.03


def test_audio_that_starts_late_is_silent_until_then(tmp_path):
    source = sync_video(".mp4")
    late = remux(tmp_path / "audio.mkv", (source, "audio"), shift=1.3)
    path = remux(tmp_path / "late.mkv", (source, "video"), (late, "audio"))
    clip = decode(path, 0, 6, audio_rate=RATE)
    assert not clip.audio[: int(1.2 * RATE)].any()
    assert abs(onsets(clip.audio)[0] - 2.3) < 0.012


def test_gaps_are_silent_and_what_follows_stays_in_step(tmp_path):
    source = sync_video(".mp4")
    path = tmp_path / "gap.mkv"
    with av.open(str(source)) as media, av.open(str(path), "w") as out:
        copies = {s.index: out.add_stream_from_template(s) for s in media.streams}
        for packet in media.demux():
            audible = packet.stream.type == "audio"
            if packet.size and not (audible and 1.5 < float(packet.pts * packet.time_base) < 2.5):
                packet.stream = copies[packet.stream.index]
                out.mux(packet)
    clip = decode(path, 0, 6, audio_rate=RATE)
    assert not clip.audio[int(1.6 * RATE) : int(2.4 * RATE)].any()
    assert np.abs(np.array(onsets(clip.audio)) - [1, 3, 4, 5]).max() < 0.012


def test_files_without_audio_give_silence():
    clip = decode(cached_video(seconds=2, width=160, height=128), 0, 2, audio_rate=RATE)
    assert clip.audio.shape == (2 * RATE,)
    assert not clip.audio.any()


def test_no_audio_is_given_unless_asked_for():
    clip = decode(sync_video(".mp4"), 0, 6)
    assert clip.audio is None
    assert clip.audio_rate is None


@pytest.mark.parametrize("end", [6, 5.333, 0.04])
def test_there_are_as_many_samples_as_the_clip_has_seconds(end):
    clip = decode(sync_video(".mp4"), 0, end, audio_rate=RATE)
    assert len(clip.audio) == int(Fraction(end).limit_denominator(1000) * RATE + Fraction(1, 2))


def test_short_clips_have_audio_for_their_frames():
    clip = decode(sync_video(".mp4"), 0, 10, audio_rate=RATE)
    assert len(clip.frames) == 150
    assert len(clip.audio) == 6 * RATE


def test_stereo_is_mixed_to_mono(tmp_path):
    path = tmp_path / "stereo.mp4"
    with av.open(str(path), "w") as out:
        video = out.add_stream("libx264", rate=30)
        video.width, video.height, video.pix_fmt = 160, 128, "yuv420p"
        sound = out.add_stream("aac", rate=48_000, layout="stereo")
        for number in range(60):
            frame = av.VideoFrame.from_ndarray(picture(number, 160, 128), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 30)
            out.mux(video.encode(frame))
        times = np.arange(96_000) / 48_000
        samples = np.stack([0.4 * np.sin(2 * np.pi * 440 * times), 0 * times]).astype(np.float32)
        for start in range(0, 96_000, 1024):
            block = av.AudioFrame.from_ndarray(
                np.ascontiguousarray(samples[:, start : start + 1024]), format="fltp", layout="stereo"
            )
            block.sample_rate, block.pts, block.time_base = 48_000, start, Fraction(1, 48_000)
            out.mux(sound.encode(block))
        out.mux(video.encode(None))
        out.mux(sound.encode(None))
    audio = decode(path, 0, 2, audio_rate=48_000).audio[4800:-4800].astype(float) / 32767
    level = np.sqrt(2) * audio.std()
    assert 0.15 < level < 0.3
    spectrum = np.abs(np.fft.rfft(audio))
    assert abs(spectrum.argmax() * 48_000 / len(audio) - 440) < 5


def test_audio_and_video_without_beeps_do_not_depend_on_each_other(tmp_path):
    plain = make_video(tmp_path / "a.mkv", seconds=2, width=160, height=128, audio=True)
    assert decode(plain, 0, 2).frames == decode(plain, 0, 2, audio_rate=RATE).frames


def test_damaged_audio_is_found_where_it_is_wanted(tmp_path):
    source = sync_video(".mp4")
    found = 0
    for seed in range(8):
        path = flip_bytes(source, tmp_path / "damaged.mp4", random.Random(seed), 40)
        try:
            decode(path, 0, 6, audio_rate=RATE)
        except DecodeError:
            found += 1
    assert found == 8


@pytest.mark.parametrize("span", [Span.TRIMMED, Span.WHOLE])
def test_audio_that_runs_on_for_hours_takes_no_memory(tmp_path, span, monkeypatch):
    video = cached_video(seconds=3, width=160, height=128)
    path = tmp_path / "long.mkv"
    audio = make_video(tmp_path / "audio.mkv", seconds=90, fps=1, width=16, height=16, audio=True)
    remux(path, (video, "video"), (audio, "audio"))
    held = []
    render = AudioTrack.render

    def note(self, start, duration):
        held.append(sum(len(block) for _, block in self._blocks) / 48_000)
        return render(self, start, duration)

    monkeypatch.setattr(AudioTrack, "render", note)
    clip = decode(path, 1, 3, span=span, audio_rate=8000)
    assert len(clip.audio) == 16_000
    assert clip.audio.any()
    assert held[0] < (40 if span is Span.TRIMMED else 5)  # seconds
