from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kinetics_tfds.annotations.clip import Clip, Split
from kinetics_tfds.decode.types import DecodeSettings
from kinetics_tfds.planning.predict import bytes_per_second, predict_bytes


@given(st.integers(1, 99), st.integers(16, 1000), st.floats(0.5, 100))
def test_more_of_anything_is_more_bytes(quality, side, fps):
    plain = bytes_per_second(DecodeSettings(quality=quality, short_side=side, fps=fps))
    assert bytes_per_second(DecodeSettings(quality=quality + 1, short_side=side, fps=fps)) > plain
    assert bytes_per_second(DecodeSettings(quality=quality, short_side=side + 1, fps=fps)) > plain
    assert bytes_per_second(DecodeSettings(quality=quality, short_side=side, fps=fps + 1)) > plain
    assert bytes_per_second(DecodeSettings(quality=quality, short_side=side, fps=fps, audio_rate=16000)) == (
        plain + 32000
    )


def test_what_was_measured():
    clip = Clip(Split.TRAIN, "00000000000", 0.0, 10.0)
    frame = predict_bytes([clip], DecodeSettings(fps=30)) / 300  # 340x256, quality 90: 20 KB a frame
    assert 15_000 < frame < 30_000


def test_settings_that_keep_the_source():
    assert bytes_per_second(DecodeSettings(short_side=None, fps=None)) > bytes_per_second(DecodeSettings())
