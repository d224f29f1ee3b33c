"""Which frames of a clip: options that turn a number of frames and a seed into frame indices, as TensorFlow ops.

Rules count in steps. Without `fps` a step is one stored frame; with `fps` the clip is seen as a sequence of `fps`
steps a second, and each step stands for the stored frame whose timestamp is nearest. Rules that space frames by a
linspace (PySlowFast, mmaction2's target_fps) count stored frames, as their references do, and scale the clip's length
by the stored frames a second over `fps`.
"""

from __future__ import annotations

import abc
import dataclasses
from typing import Any, Literal

from kinetics_tfds.loader import array_ops as tf
from kinetics_tfds.loader.checks import require
from kinetics_tfds.loader.frames import temporal_rules as rules
from kinetics_tfds.loader.frames.timestamps import nearest_frames, steps_between, stored_fps

Short = Literal["loop", "last", "repeat_last"]
RandomRule = Literal["model_garden", "slowfast", "videomae", "mmaction2"]
OffsetRule = Literal["model_garden", "slowfast", "slowfast_offset", "videomae", "mmaction2", "mmaction2_target_fps"]
SegmentRule = Literal["even", "mmaction2", "uniform_sample"]

_RANDOM_RULES = ("model_garden", "slowfast", "videomae", "mmaction2")
_OFFSET_RULES = ("model_garden", "slowfast", "slowfast_offset", "videomae", "mmaction2", "mmaction2_target_fps")
_SEGMENT_RULES = ("even", "mmaction2", "uniform_sample")


@dataclasses.dataclass(frozen=True)
class Sampling(abc.ABC):
    """Chooses frames of one video.

    Attributes:
        num_frames: frames in one view, T.
        stride: steps between neighbouring frames of a view.
        fps: steps a second; None makes a stored frame a step.
        short: what a video too short for a view does: `loop` starts again, `last` repeats its last frame,
            `repeat_last` repeats the last frame that the view took (mmaction2's `out_of_bound_opt`).
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
        require(self, "short", self.short in ("loop", "last", "repeat_last"), "'loop', 'last' or 'repeat_last'")

    @property
    def views(self) -> int:
        """Views of one video, V."""
        return 1

    @property
    def random(self) -> bool:
        """Whether the seed matters."""
        return False

    @property
    def counts_frames(self) -> bool:
        """Whether `fps` scales the clip's length in stored frames, instead of making steps."""
        return False

    @abc.abstractmethod
    def positions(self, length: tf.Tensor, seed: tf.Tensor, rate: Any = 1.0) -> tf.Tensor:
        """Returns int32 [V, T]: steps counted from the video's start, which may lie past its end.

        Args:
            length: int32 scalar, steps in the video, 1 or more.
            seed: int32 [2], for stateless ops.
            rate: float64 scalar, stored frames a second over `fps`; 1 unless the rule counts stored frames.
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
        if self.fps is None or self.counts_frames:
            rate = 1.0 if self.fps is None else stored_fps(num_frames, timestamps) / self.fps
            return self._within(self.positions(num_frames, seed, rate), num_frames)
        length = steps_between(timestamps, self.fps)
        position = self._within(self.positions(length, seed), length)
        return nearest_frames(timestamps, timestamps[0] + tf.cast(position, tf.float32) / self.fps)

    def _within(self, position: tf.Tensor, length: tf.Tensor) -> tf.Tensor:
        if self.short == "loop":
            index = tf.math.floormod(position, length)
        elif self.short == "last":
            index = tf.minimum(position, length - 1)
        else:
            taken = tf.where(position < length, position, tf.zeros_like(position))
            index = tf.where(position < length, position, tf.reduce_max(taken, axis=1)[:, None])
        return tf.ensure_shape(index, [self.views, self.num_frames])

    def _clip(self, rate: Any) -> Any:
        """Returns the length of a view, T * stride, in stored frames, float64."""
        return tf.maximum(tf.cast(rate, tf.float64) * (self.num_frames * self.stride), 1.0)


@dataclasses.dataclass(frozen=True)
class RandomClip(Sampling):
    """Views that start anywhere in the video, uniformly.

    Draws: `stateless_uniform([2, clips])`; the first row is the strides', the second the starts'.

    Attributes:
        jitter: the stride of each view is multiplied by a number drawn from 1 - jitter to 1 + jitter.
        strides: each view's stride is drawn from these whole numbers instead (the Model Garden's random_stride_range).
        clips: views drawn from one video (repeated augmentation); in training each is an example of its own.
        rule: whose rule.
            `model_garden`: frames are `start + i * stride`, up to the video's last frame.
            `slowfast`: frames are `linspace(start, start + T * stride - 1, T)` cut to whole frames, with a start from
            0 to length - T * stride, not whole: 16 x 5 spans 79 frames, not 75.
            `videomae`: frames are `linspace(start, start + T * stride, T)`, cut, the last one a frame earlier.
            `mmaction2`: frames are `start + i * stride`, starts up to length - T * stride; with `fps` as its
            target_fps, `linspace(0, clip - 1, T)` cut.
    """

    _: dataclasses.KW_ONLY
    jitter: float = 0.0
    strides: tuple[int, ...] | None = None
    clips: int = 1
    rule: RandomRule = "model_garden"

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self, "jitter", 0 <= self.jitter < 1, "a share from 0 to below 1")
        strides = self.strides is None or (len(self.strides) > 0 and all(_whole(each) for each in self.strides))
        require(self, "strides", strides, "whole numbers of 1 or more, or None")
        require(self, "clips", _whole(self.clips), "a whole number of 1 or more")
        require(self, "rule", self.rule in _RANDOM_RULES, f"one of {', '.join(_RANDOM_RULES)}")
        varies = self.jitter > 0 or self.strides is not None
        require(self, "rule", self.rule == "model_garden" or not varies, "'model_garden' with a stride that varies")

    @property
    def views(self) -> int:
        """Views of one video, V."""
        return self.clips

    @property
    def random(self) -> bool:
        """Whether the seed matters."""
        return True

    @property
    def counts_frames(self) -> bool:
        """Whether `fps` scales the clip's length in stored frames."""
        return self.rule in ("slowfast", "mmaction2")

    def positions(self, length: tf.Tensor, seed: tf.Tensor, rate: Any = 1.0) -> tf.Tensor:
        """Returns int32 [V, T]."""
        draws = tf.random.stateless_uniform([2, self.clips], seed)
        if self.rule == "slowfast":
            return rules.slowfast_random(length, self.num_frames, self._clip(rate), draws[1])
        if self.rule == "mmaction2":
            stride = self.stride if self.fps is None else None
            return rules.mmaction2_random(length, self.num_frames, self._clip(rate), stride, draws[1])
        if self.rule == "videomae":
            return rules.videomae_random(length, self.num_frames, self.stride, draws[1])
        return rules.garden_random(length, self.num_frames, self._strides(draws[0]), draws[1], self.short == "loop")

    def _strides(self, draws: tf.Tensor) -> tf.Tensor:
        if self.strides is None:
            return self.stride * (1.0 + self.jitter * (2.0 * draws - 1.0))
        known = tf.constant(list(self.strides), tf.float32)
        return tf.gather(known, tf.cast(draws * float(len(self.strides)), tf.int32))


@dataclasses.dataclass(frozen=True)
class CentreClip(Sampling):
    """One view from the middle of the video, as DMVR and the Model Garden take it: (length - T * stride) // 2."""

    def positions(self, length: tf.Tensor, seed: tf.Tensor, rate: Any = 1.0) -> tf.Tensor:
        """Returns int32 [1, T]."""
        del seed, rate
        start = tf.maximum(length - self.num_frames * self.stride, 0) // 2
        return (start + tf.range(self.num_frames) * self.stride)[None]


@dataclasses.dataclass(frozen=True)
class UniformClips(Sampling):
    """Views spread evenly over the video: multi-view evaluation.

    Where the views start differs between code bases, and with it the published numbers. For 300 frames, 32 x 2 and
    10 views the last one starts at 236 (model_garden), 212.4 (slowfast), 234 (slowfast_offset) and 237 (mmaction2).

    Attributes:
        clips: views of one video.
        offset_rule: whose rule.
            `model_garden`: starts are `linspace(0, length - T * stride, clips)` cut to whole frames
            (`sample_linspace_sequence` of DMVR's processors and of the Model Garden's `preprocess_ops_3d`); one view
            starts at 0.
            `slowfast`: view i starts at `(length - T * stride) * i / clips`, and its frames are
            `linspace(start, start + T * stride - 1, T)` cut to whole frames, so the step is a little above the stride
            (`get_start_end_idx` and `temporal_sampling` of PySlowFast's decoder).
            `slowfast_offset`: the same with `use_offset`, as MViTv2 is tested: view i starts at
            `i * floor((length - T * stride) / (clips - 1))`; one view is centred.
            `videomae`: every stride-th frame is taken first, views are spread over those (VideoMAE's kinetics.py).
            `mmaction2`: starts are `i * (length - ((T - 1) * stride + 1)) / (clips - 1)` rounded half to even; one
            view is centred (`SampleFrames._get_test_clips` of mmaction2).
            `mmaction2_target_fps`: the same with its target_fps, which is `fps` here.
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

    @property
    def counts_frames(self) -> bool:
        """Whether `fps` scales the clip's length in stored frames."""
        return self.offset_rule in ("slowfast", "slowfast_offset", "mmaction2_target_fps")

    def positions(self, length: tf.Tensor, seed: tf.Tensor, rate: Any = 1.0) -> tf.Tensor:
        """Returns int32 [V, T]."""
        del seed
        if self.offset_rule.startswith("slowfast"):
            use_offset = self.offset_rule == "slowfast_offset"
            return rules.slowfast_views(length, self.num_frames, self._clip(rate), self.clips, use_offset=use_offset)
        if self.offset_rule == "mmaction2_target_fps":
            return rules.mmaction2_target_fps_views(length, self.num_frames, self._clip(rate), self.clips)
        views = {
            "model_garden": rules.garden_views,
            "videomae": rules.videomae_views,
            "mmaction2": rules.mmaction2_views,
        }[self.offset_rule]
        return views(length, self.num_frames, self.stride, self.clips)


@dataclasses.dataclass(frozen=True)
class Segments(Sampling):
    """One frame out of each of T segments of the video (TSN): a random one, or the middle one.

    Draws: `stateless_uniform([T])`.

    Attributes:
        pick: `random` or `centre`.
        clips: views of one video; more than one only of `uniform_sample` with `centre`.
        rule: `even`: segments of equal length, whole or not (mmaction2 with `keep_tail_frames`). `mmaction2`: its
            default, segments cut to whole frames, so that a random frame never comes from the video's tail.
            `uniform_sample`: mmaction2's UniformSample, which UniFormerV2 trains with; view k takes the frame
            (k + 1) / (clips + 1) into each segment.
    """

    _: dataclasses.KW_ONLY
    pick: Literal["random", "centre"] = "random"
    clips: int = 1
    rule: SegmentRule = "even"

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self, "pick", self.pick in ("random", "centre"), "'random' or 'centre'")
        require(self, "stride", self.stride == 1, "1, since segments set the distance between frames")
        require(self, "rule", self.rule in _SEGMENT_RULES, f"one of {', '.join(_SEGMENT_RULES)}")
        several = self.rule == "uniform_sample" and self.pick == "centre" and _whole(self.clips)
        require(self, "clips", self.clips == 1 or several, "1, or more with rule='uniform_sample' and pick='centre'")

    @property
    def views(self) -> int:
        """Views of one video, V."""
        return self.clips

    @property
    def random(self) -> bool:
        """Whether the seed matters."""
        return self.pick == "random"

    def positions(self, length: tf.Tensor, seed: tf.Tensor, rate: Any = 1.0) -> tf.Tensor:
        """Returns int32 [V, T]."""
        del rate
        draws = tf.random.stateless_uniform([self.num_frames], seed) if self.random else None
        if self.rule == "uniform_sample":
            return rules.uniform_sample(length, self.num_frames, draws, self.clips)
        if self.rule == "mmaction2" and draws is not None:
            return rules.mmaction2_segments(length, self.num_frames, draws)
        return rules.even_segments(length, self.num_frames, 0.5 if draws is None else draws)


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1
