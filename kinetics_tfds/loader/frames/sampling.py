"""Which frames of a clip: options that turn a number of frames and a seed into frame indices, as TensorFlow ops.

Rules count in steps. Without `fps` a step is one stored frame; with `fps` the clip is seen as a sequence of `fps`
steps a second, and each step stands for the stored frame whose timestamp is nearest.
"""

from __future__ import annotations

import abc
import dataclasses
from typing import Literal

from kinetics_tfds.loader import array_ops as tf
from kinetics_tfds.loader.checks import require

Short = Literal["loop", "last"]
OffsetRule = Literal["model_garden", "slowfast", "mmaction2"]


@dataclasses.dataclass(frozen=True)
class Sampling(abc.ABC):
    """Chooses frames of one video.

    Attributes:
        num_frames: frames in one view, T.
        stride: steps between neighbouring frames of a view.
        fps: steps a second; None makes a stored frame a step.
        short: what a video too short for a view does: `loop` starts again, `last` repeats its last frame.
    """

    num_frames: int
    stride: int = 1
    _: dataclasses.KW_ONLY
    fps: float | None = None
    short: Short = "loop"

    def __post_init__(self) -> None:
        require(self, "num_frames", _whole(self.num_frames), "a whole number of 1 or more")
        require(self, "stride", _whole(self.stride), "a whole number of 1 or more")
        require(self, "fps", self.fps is None or self.fps > 0, "frames a second above 0, or None")
        require(self, "short", self.short in ("loop", "last"), "'loop' or 'last'")

    @property
    def views(self) -> int:
        """Views of one video, V."""
        return 1

    @property
    def random(self) -> bool:
        """Whether the seed matters."""
        return False

    @abc.abstractmethod
    def positions(self, length: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Returns int32 [V, T]: steps counted from the video's start, which may lie past its end.

        Args:
            length: int32 scalar, steps in the video, 1 or more.
            seed: int32 [2], for stateless ops.
        """

    def indices(self, num_frames: tf.Tensor, timestamps: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Returns the stored frames to use.

        Args:
            num_frames: int32 scalar, stored frames, 1 or more.
            timestamps: float32 [num_frames], seconds, increasing; only looked at with `fps`.
            seed: int32 [2], for stateless ops.

        Returns:
            int32 [V, T], each from 0 to num_frames - 1.
        """
        num_frames = tf.cast(num_frames, tf.int32)
        if self.fps is None:
            return self._within(self.positions(num_frames, seed), num_frames)
        length = _steps(timestamps, self.fps)
        position = self._within(self.positions(length, seed), length)
        return _nearest(timestamps, timestamps[0] + tf.cast(position, tf.float32) / self.fps)

    def _within(self, position: tf.Tensor, length: tf.Tensor) -> tf.Tensor:
        index = tf.math.floormod(position, length) if self.short == "loop" else tf.minimum(position, length - 1)
        return tf.ensure_shape(index, [self.views, self.num_frames])


@dataclasses.dataclass(frozen=True)
class RandomClip(Sampling):
    """Views that start anywhere in the video, uniformly.

    Attributes:
        jitter: the stride of each view is multiplied by a number drawn from 1 - jitter to 1 + jitter.
        clips: views drawn from one video (repeated augmentation); in training each is an example of its own.
    """

    _: dataclasses.KW_ONLY
    jitter: float = 0.0
    clips: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self, "jitter", 0 <= self.jitter < 1, "a share from 0 to below 1")
        require(self, "clips", _whole(self.clips), "a whole number of 1 or more")

    @property
    def views(self) -> int:
        """Views of one video, V."""
        return self.clips

    @property
    def random(self) -> bool:
        """Whether the seed matters."""
        return True

    def positions(self, length: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Returns int32 [V, T]."""
        draws = tf.random.stateless_uniform([2, self.clips], seed)
        stride = self.stride * (1.0 + self.jitter * (2.0 * draws[0] - 1.0))
        steps = tf.range(self.num_frames, dtype=tf.float32)[None] * stride[:, None]
        steps = tf.cast(tf.floor(steps + 0.5), tf.int32)
        # The last start is the one whose last frame is the video's last.
        starts = tf.maximum(length - steps[:, -1], 1)
        start = tf.cast(draws[1] * tf.cast(starts, tf.float32), tf.int32)
        return tf.minimum(start, starts - 1)[:, None] + steps


@dataclasses.dataclass(frozen=True)
class CentreClip(Sampling):
    """One view from the middle of the video, as DMVR and the Model Garden take it: (length - T * stride) // 2."""

    def positions(self, length: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Returns int32 [1, T]."""
        del seed
        start = tf.maximum(length - self.num_frames * self.stride, 0) // 2
        return (start + tf.range(self.num_frames) * self.stride)[None]


@dataclasses.dataclass(frozen=True)
class UniformClips(Sampling):
    """Views spread evenly over the video: multi-view evaluation.

    Where the views start differs between code bases, and with it the published numbers. For 300 frames, 32 x 2 and
    10 views the last one starts at 236 (model_garden), 212.4 (slowfast) and 237 (mmaction2).

    Attributes:
        clips: views of one video.
        offset_rule: whose rule.
            `model_garden`: starts are `linspace(0, length - T * stride, clips)` cut to whole frames
            (`sample_linspace_sequence` of DMVR's processors and of the Model Garden's `preprocess_ops_3d`); one view
            starts at 0.
            `slowfast`: view i starts at `(length - T * stride) * i / clips`, and its frames are
            `linspace(start, start + T * stride - 1, T)` cut to whole frames, so the step is a little above the stride
            (`get_start_end_idx` and `temporal_sampling` of PySlowFast's decoder).
            `mmaction2`: starts are `i * (length - ((T - 1) * stride + 1)) / (clips - 1)` rounded half to even; one
            view is centred (`SampleFrames._get_test_clips` of mmaction2).
    """

    _: dataclasses.KW_ONLY
    clips: int = 10
    offset_rule: OffsetRule = "model_garden"

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self, "clips", _whole(self.clips), "a whole number of 1 or more")
        require(self, "offset_rule", self.offset_rule in _OFFSET_RULES, f"one of {', '.join(_OFFSET_RULES)}")

    @property
    def views(self) -> int:
        """Views of one video, V."""
        return self.clips

    def positions(self, length: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Returns int32 [V, T]."""
        del seed
        return _OFFSET_RULES[self.offset_rule](length, self.num_frames, self.stride, self.clips)


@dataclasses.dataclass(frozen=True)
class Segments(Sampling):
    """One frame out of each of T equal segments of the video (TSN): a random one, or the middle one.

    Attributes:
        pick: `random` or `centre`.
    """

    _: dataclasses.KW_ONLY
    pick: Literal["random", "centre"] = "random"

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self, "pick", self.pick in ("random", "centre"), "'random' or 'centre'")
        require(self, "stride", self.stride == 1, "1, since segments set the distance between frames")

    @property
    def random(self) -> bool:
        """Whether the seed matters."""
        return self.pick == "random"

    def positions(self, length: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Returns int32 [1, T]."""
        inside = tf.cast(tf.random.stateless_uniform([self.num_frames], seed) if self.random else 0.5, tf.float64)
        segment = tf.range(self.num_frames, dtype=tf.float64) + inside
        # Exact up to the division, which comes last: a centre on a whole frame is that frame, not the one before.
        position = tf.cast(segment * tf.cast(length, tf.float64) / self.num_frames, tf.int32)
        return tf.minimum(position, length - 1)[None]


def _model_garden(length: tf.Tensor, frames: int, stride: int, clips: int) -> tf.Tensor:
    last = tf.cast(tf.maximum(length - frames * stride, 0), tf.float32)
    start = tf.cast(tf.linspace(0.0, last, clips), tf.int32)
    return start[:, None] + tf.range(frames) * stride


def _slowfast(length: tf.Tensor, frames: int, stride: int, clips: int) -> tf.Tensor:
    # Exact in whole numbers: floor of start + step * i with both as fractions over clips * (frames - 1).
    free = tf.cast(tf.maximum(length - frames * stride, 0), tf.int64)
    gaps = max(frames - 1, 1)
    start = free * tf.range(clips, dtype=tf.int64) * gaps
    step = (frames * stride - 1) * clips * tf.range(frames, dtype=tf.int64)
    position = tf.cast((start[:, None] + step) // (clips * gaps), tf.int32)
    # PySlowFast clamps to the last frame here, so that short videos repeat it whatever `short` says.
    return tf.minimum(position, length - 1)


def _mmaction2(length: tf.Tensor, frames: int, stride: int, clips: int) -> tf.Tensor:
    last = tf.maximum(length - ((frames - 1) * stride + 1), 0)
    if clips == 1:
        start = (last // 2)[None]
    else:
        between = tf.cast(last, tf.float64) / (clips - 1)
        start = tf.cast(tf.round(tf.range(clips, dtype=tf.float64) * between), tf.int32)
    return start[:, None] + tf.range(frames) * stride


_OFFSET_RULES = {"model_garden": _model_garden, "slowfast": _slowfast, "mmaction2": _mmaction2}


def _steps(timestamps: tf.Tensor, fps: float) -> tf.Tensor:
    """Returns int32: how many steps of 1 / fps seconds fit from the first to the last timestamp, both counted."""
    # A thousandth of a step forgives float32 timestamps: 300 frames at 30 a second are 300 steps, not 299.
    return tf.cast((timestamps[-1] - timestamps[0]) * fps + 1.001, tf.int32)


def _nearest(timestamps: tf.Tensor, times: tf.Tensor) -> tf.Tensor:
    """Returns int32, in the shape of `times`: the index of the nearest timestamp, the earlier one of two as near."""
    middles = (timestamps[1:] + timestamps[:-1]) / 2
    index = tf.searchsorted(middles, tf.reshape(times, [-1]), side="left", out_type=tf.int32)
    return tf.reshape(index, tf.shape(times))


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1
