"""Where the frames of a view lie, by each code base's own rule, as functions of a video's length.

Each returns int32 [V, T]: positions counted from the video's start, which may lie past its end. `length` is an int32
scalar; arithmetic is float64, so that TensorFlow and NumPy round alike.
"""

from __future__ import annotations

from typing import Any

from kinetics_tfds.loader import array_ops as tf

# What is a whole number but for the last bit of float64 counts as one before it is cut.
_LAST_BIT = 1e-6


def garden_random(length: Any, frames: int, strides: Any, draws: Any, loops: bool) -> Any:
    """`sample_sequence(random=True)` of the Model Garden's preprocess_ops_3d, and of DMVR.

    The last start is the one whose last frame is the video's last; in a shorter video any start, if it loops.

    Args:
        length: of the video.
        frames: of a view.
        strides: float32 [V].
        draws: float32 [V], 0 to 1.
        loops: whether a video too short starts again.
    """
    steps = tf.range(frames, dtype=tf.float32)[None] * strides[:, None]
    steps = tf.cast(tf.floor(steps + 0.5), tf.int32)
    span = steps[:, -1]
    starts = tf.where(length > span, length - span, length if loops else tf.ones_like(span))
    return _whole_start(draws, starts)[:, None] + steps


def slowfast_random(length: Any, frames: int, clip: Any, draws: Any) -> Any:
    """`get_start_end_idx` with clip_idx -1, and `temporal_sampling`, of PySlowFast's decoder; `clip` in frames."""
    return _last(_linspace(_free(length, clip) * tf.cast(draws, tf.float64), frames, clip), length)


def mmaction2_random(length: Any, frames: int, clip: Any, stride: int | None, draws: Any) -> Any:
    """`SampleFrames` of mmaction2 with one clip; without `stride` as with target_fps."""
    starts = tf.cast(tf.maximum(tf.floor(tf.cast(length, tf.float64) - clip + 1.0), 1.0), tf.int32)
    start = _whole_start(draws, starts)[:, None]
    if stride is not None:
        return start + tf.range(frames)[None] * stride
    return start + _linspace(tf.zeros_like(clip)[None], frames, clip)


def videomae_random(length: Any, frames: int, stride: int, draws: Any) -> Any:
    """`loadvideo_decord` of VideoMAE's kinetics.py, training."""
    clip = frames * stride
    start = _whole_start(draws, tf.maximum(length - clip, 1))[:, None]
    long = start + tf.minimum(_linspace(tf.zeros_like(draws)[:1], frames, float(clip + 1)), clip - 1)
    # A short video is spread over as many frames as its length holds strides; its last one is repeated.
    held, step = tf.maximum(length // stride, 1), tf.range(frames)[None]
    spread = tf.cast(step, tf.float64) * (tf.cast(length, tf.float64) / tf.cast(tf.maximum(held - 1, 1), tf.float64))
    last = length - 1
    short = tf.where(
        (step < held) & (length >= stride), tf.minimum(tf.cast(spread + _LAST_BIT, tf.int32), last), last
    ) + tf.zeros_like(start)
    return tf.where(length > clip, long, short)


def garden_views(length: Any, frames: int, stride: int, clips: int) -> Any:
    """`sample_linspace_sequence` of the Model Garden and DMVR: starts over `linspace(0, length - T * stride)`, cut."""
    last = tf.cast(tf.maximum(length - frames * stride, 0), tf.float32)
    start = tf.cast(tf.linspace(tf.zeros_like(last), last, clips), tf.int32)
    return start[:, None] + tf.range(frames) * stride


def slowfast_views(length: Any, frames: int, clip: Any, clips: int, *, use_offset: bool) -> Any:
    """`get_start_end_idx` and `temporal_sampling` of PySlowFast's decoder; with `use_offset` as MViTv2 has it.

    Frames are clamped to the last one, so that short videos repeat it whatever `short` says.
    """
    free = _free(length, clip)
    return _last(_linspace(_starts(free, clips) if use_offset else _shares(free, clips), frames, clip), length)


def mmaction2_target_fps_views(length: Any, frames: int, clip: Any, clips: int) -> Any:
    """`SampleFrames` of mmaction2 in test mode with target_fps: the offsets of PySlowFast, and no clamping."""
    steps = _linspace(tf.zeros_like(clip)[None], frames, clip)
    return tf.cast(_starts(_free(length, clip), clips), tf.int32)[:, None] + steps


def mmaction2_views(length: Any, frames: int, stride: int, clips: int) -> Any:
    """`SampleFrames._get_test_clips` of mmaction2 for clips of several frames: one view is centred."""
    last = tf.maximum(length - ((frames - 1) * stride + 1), 0)
    if clips == 1:
        start = (last // 2)[None]
    else:
        between = tf.cast(last, tf.float64) / (clips - 1)
        start = tf.cast(tf.round(tf.range(clips, dtype=tf.float64) * between), tf.int32)
    return start[:, None] + tf.range(frames) * stride


def videomae_views(length: Any, frames: int, stride: int, clips: int) -> Any:
    """VideoMAE's kinetics.py in test mode: every `stride`-th frame is taken first, views are spread over those."""
    kept = (length + stride - 1) // stride
    step = tf.cast(tf.maximum(kept - frames, 0), tf.float64) / max(clips - 1, 1)
    start = tf.cast(tf.range(clips, dtype=tf.float64) * step, tf.int32)
    return tf.minimum(start[:, None] + tf.range(frames), kept - 1) * stride


def even_segments(length: Any, frames: int, inside: Any) -> Any:
    """TSN's segments of equal length, whole or not; `inside`, float32 [T] or a number: where in each of them."""
    segment = tf.range(frames, dtype=tf.float64) + tf.cast(inside, tf.float64)
    # Exact up to the division, which comes last: a centre on a whole frame is that frame, not the one before.
    position = tf.cast(segment * tf.cast(length, tf.float64) / frames, tf.int32)
    return tf.minimum(position, length - 1)[None]


def mmaction2_segments(length: Any, frames: int, draws: Any) -> Any:
    """`SampleFrames._get_train_clips` of mmaction2 with clips of one frame: segments are cut to whole frames."""
    segment = length // frames
    drawn = tf.range(frames) * segment + _whole_start(draws, tf.maximum(segment, 1))
    spread = tf.range(frames, dtype=tf.float64) * (tf.cast(length, tf.float64) / frames)
    return tf.where(segment > 0, drawn, tf.cast(tf.round(spread), tf.int32))[None]


def uniform_sample(length: Any, frames: int, draws: Any | None, clips: int) -> Any:
    """`UniformSample` of mmaction2 (after PySlowFast's ssv2.py): segments over length - 1, their ends both included."""
    segment = tf.cast(length - 1, tf.float64) / frames
    edges = tf.cast(tf.round(tf.range(frames + 1, dtype=tf.float64) * segment), tf.int32)
    if draws is not None:
        return (edges[:-1] + _whole_start(draws, edges[1:] - edges[:-1] + 1))[None]
    inside = tf.cast(segment / (clips + 1) * tf.range(1, clips + 1, dtype=tf.float64), tf.int32)
    return edges[None, :-1] + inside[:, None]


def _whole_start(draws: Any, starts: Any) -> Any:
    """Returns int32 from 0 to `starts` - 1, from draws in [0, 1)."""
    return tf.minimum(tf.cast(draws * tf.cast(starts, tf.float32), tf.int32), starts - 1)


def _free(length: Any, clip: Any) -> Any:
    return tf.maximum(tf.cast(length, tf.float64) - clip, 0.0)


def _shares(free: Any, clips: int) -> Any:
    return free * tf.range(clips, dtype=tf.float64) / clips


def _starts(free: Any, clips: int) -> Any:
    if clips == 1:
        return tf.floor(free / 2.0 + _LAST_BIT)[None]
    return tf.range(clips, dtype=tf.float64) * tf.floor(free / (clips - 1) + _LAST_BIT)


def _linspace(start: Any, frames: int, clip: Any) -> Any:
    """Returns `linspace(start, start + clip - 1, T)` cut to whole frames, int32 [V, T], for starts float64 [V]."""
    step = tf.range(frames, dtype=tf.float64) * ((clip - 1.0) / max(frames - 1, 1))
    return tf.cast(tf.floor(tf.cast(start, tf.float64)[:, None] + step + _LAST_BIT), tf.int32)


def _last(position: Any, length: Any) -> Any:
    return tf.clip_by_value(position, 0, length - 1)
