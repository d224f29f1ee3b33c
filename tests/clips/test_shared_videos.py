"""Files named by the id alone, from matching to frames: never another clip's."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from media import make_video, number_of

from kinetics_tfds.annotations.clip import Clip, Split
from kinetics_tfds.annotations.versions import get_version
from kinetics_tfds.clips.listing import list_folder
from kinetics_tfds.clips.match import match_clips
from kinetics_tfds.decode import DecodedClip, DecodePool, DecodeRequest, DecodeSettings, FailureReason

ID = "-abc_DEF123"
FIRST = Clip(Split.VALIDATION, ID, 2, 5, "archery")
SECOND = Clip(Split.VALIDATION, ID, 6, 9, "zumba")


def decode_all(folder, clips):
    """Returns the number of each clip's first frame (and so its place in the video), or why there is none."""
    found = match_clips(clips, list_folder(folder), get_version("kinetics600")).found
    requests = [
        DecodeRequest(clip.id, str(folder / file.path), file.span, clip.time_start, clip.time_end)
        for clip, file in found.items()
    ]
    with DecodePool(DecodeSettings(fps=None, short_side=None, quality=95), workers=1) as pool:
        return {
            request.key: (len(result.frames), first_number(result))
            if isinstance(result, DecodedClip)
            else result.reason
            for request, result in pool.decode(requests)
        }


def first_number(decoded: DecodedClip) -> int:
    return number_of(cv2.imdecode(np.frombuffer(decoded.frames[0], np.uint8), cv2.IMREAD_COLOR))


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_a_whole_video_serves_all_its_clips(tmp_path, suffix):
    make_video(tmp_path / f"videos_val/{ID}.{suffix}", seconds=10, fps=10)
    assert decode_all(tmp_path, [FIRST, SECOND]) == {FIRST.id: (30, 20), SECOND.id: (30, 60)}
    assert decode_all(tmp_path, [SECOND]) == {SECOND.id: (30, 60)}


def test_a_trimmed_one_serves_its_clip(tmp_path):
    make_video(tmp_path / f"videos_val/{ID}.mp4", seconds=3, fps=10)
    assert decode_all(tmp_path, [SECOND]) == {SECOND.id: (30, 0)}


def test_a_trimmed_one_that_two_clips_claim_is_nobodys(tmp_path):
    make_video(tmp_path / f"videos_val/{ID}.mp4", seconds=3, fps=10)
    results = decode_all(tmp_path, [Clip(Split.VALIDATION, ID, 20, 23, "archery"), SECOND])
    assert set(results.values()) == {FailureReason.OUT_OF_RANGE}


def test_class_folders_give_each_its_own(tmp_path):
    make_video(tmp_path / f"val/archery/{ID}.mp4", seconds=3, fps=10)
    make_video(tmp_path / f"val/zumba/{ID}.mp4", seconds=3, fps=10)
    assert decode_all(tmp_path, [FIRST, SECOND]) == {FIRST.id: (30, 0), SECOND.id: (30, 0)}
