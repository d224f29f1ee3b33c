from __future__ import annotations

import cv2
import numpy as np
import pytest
from media import ENCODERS, make_video, number_of

from kinetics_tfds.clips.media import Span
from kinetics_tfds.decode import (
    DecodeLimits,
    DecodePool,
    DecodeRequest,
    DecodeSettings,
    decode_clip,
    probe_media,
    versions,
)

SUFFIX = {"vp8": "webm", "vp9": "webm", "av1": "mkv", "mpeg4": "avi"}


@pytest.mark.parametrize("codec", ENCODERS)
def test_ten_seconds_at_thirty_give_250_frames_at_25(tmp_path, codec):
    path = make_video(tmp_path / f"clip.{SUFFIX.get(codec, 'mp4')}", codec=codec, width=320, height=192)
    clip = decode_clip(DecodeRequest("a", str(path), Span.TRIMMED, 5, 15), DecodeSettings(), DecodeLimits())
    assert len(clip.frames) == 250
    numbers = [number_of(cv2.imdecode(np.frombuffer(f, np.uint8), cv2.IMREAD_COLOR)) for f in clip.frames[:10]]
    assert numbers == [0, 1, 2, 4, 5, 6, 7, 8, 10, 11]


def test_pool_yields_in_order(tmp_path):
    path = make_video(tmp_path / "clip.mp4", seconds=1, audio=True)
    requests = [DecodeRequest(str(i), str(path), Span.TRIMMED, 0, 1) for i in range(6)]
    with DecodePool(DecodeSettings(), workers=2) as pool:
        results = list(pool.decode(requests))
    assert [r.key for r, _ in results] == list("012345")
    assert {len(c.frames) for _, c in results} == {25}
    assert probe_media(str(path)).codec == "h264"
    assert {"av", "cv2", "decoder", "libavcodec"} <= set(versions())
