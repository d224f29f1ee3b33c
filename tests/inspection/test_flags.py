"""Quality flags, on frames made for each."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from kinetics_tfds.inspection.flags import FRAMES, Flag, inspect_clip, sampled_indices

HEIGHT, WIDTH = 120, 160


def scene(seed, shift=0):
    """A picture with large shapes, moved to the right."""
    generator = np.random.default_rng(seed)
    small = generator.integers(40, 220, (6, 8), np.uint8)
    return np.roll(cv2.resize(small, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC), shift, axis=1)


def jpegs(frames, quality=90, size=None):
    out = []
    for frame in frames:
        frame = frame if size is None else cv2.resize(frame, size)
        out.append(cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes())
    return out


def noisy(frame, seed):
    return np.clip(frame.astype(int) + np.random.default_rng(seed).integers(-1, 2, frame.shape), 0, 255).astype(
        np.uint8
    )


MOVING = [scene(1, 4 * step) for step in range(FRAMES)]


def barred(frame, top=0, side=0):
    frame = frame.copy()
    frame[:top] = frame[HEIGHT - top :] = 16
    frame[:, :side] = frame[:, WIDTH - side :] = 16
    return frame


@pytest.mark.parametrize(
    ("frames", "flags"),
    [
        (MOVING, []),
        ([noisy(scene(1), step) for step in range(FRAMES)], [Flag.STATIC]),
        ([np.full((HEIGHT, WIDTH), 16, np.uint8)] * FRAMES, [Flag.BLACK]),
        ([*MOVING[:10], *[MOVING[9]] * 6], [Flag.FROZEN_ENDING]),
        ([*MOVING[:14], *[MOVING[13]] * 2], []),
        ([barred(frame, top=12) for frame in MOVING], [Flag.LETTERBOXED]),
        ([barred(frame, side=20) for frame in MOVING], [Flag.LETTERBOXED]),
        ([barred(frame, top=12) if step else frame for step, frame in enumerate(MOVING)], []),
    ],
)
def test_what_a_clip_shows(frames, flags):
    found = inspect_clip(jpegs(frames), 340, 256)
    assert list(found.flags) == flags
    assert bool(found.hashes) == (Flag.BLACK not in flags)


def test_the_source_may_be_tiny():
    assert inspect_clip(jpegs(MOVING), 100, 320).flags == (Flag.TINY,)
    assert inspect_clip(jpegs(MOVING), 120, 320).flags == ()


def test_frames_that_do_not_decode():
    assert inspect_clip([b"\xff\xd8 no picture"], 340, 256) is None
    assert inspect_clip([], 340, 256) is None


def test_the_same_picture_otherwise_encoded_has_nearly_the_same_hash():
    one = inspect_clip(jpegs(MOVING), 340, 256)
    two = inspect_clip(jpegs(MOVING, quality=40, size=(320, 240)), 340, 256)
    other = inspect_clip(jpegs([scene(2, 4 * step) for step in range(FRAMES)]), 340, 256)
    assert max((a ^ b).bit_count() for a, b in zip(one.hashes, two.hashes, strict=True)) <= 6
    assert max((a ^ b).bit_count() for a, b in zip(one.hashes, other.hashes, strict=True)) > 15


@pytest.mark.parametrize("frames", [0, 1, 2, 15, 16, 17, 300])
def test_the_ends_are_looked_at(frames):
    indices = sampled_indices(frames)
    assert len(indices) == min(frames, FRAMES)
    assert not frames or (indices[0], indices[-1]) == (0, frames - 1)
