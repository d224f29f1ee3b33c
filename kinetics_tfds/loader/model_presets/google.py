"""Scenic (ViViT) and the TensorFlow Model Garden (MoViNet)."""

from __future__ import annotations

from kinetics_tfds.loader.augment.auto_augment import AutoAugment
from kinetics_tfds.loader.augment.colour import ColourJitter
from kinetics_tfds.loader.frames.reference_crops import DistortedBox
from kinetics_tfds.loader.frames.sampling import CentreClip, RandomClip, UniformClips
from kinetics_tfds.loader.frames.spatial import CentreCrop, ScaleJitter, ThreeCrop
from kinetics_tfds.loader.model_presets.normalisations import MINUS_ONE_TO_ONE, ZERO_TO_ONE
from kinetics_tfds.loader.recipe import Preset, Recipe


def _movinet(name: str, config: str, size: int, short_side: int) -> Preset:
    """MoViNet: fifty frames at five a second; one centred view to evaluate. Lines of movinet_a0_k600_8x8.yaml."""
    return Preset(
        name=name,
        train=Recipe(
            # feature_shape, line 25; temporal_stride, line 30, at the 25 frames a second of its records.
            # random_stride_range 1, line 31: `tf.random.uniform([], 5 - 1, 5 + 1)` of whole numbers in video_input.py.
            sampling=RandomClip(50, 5, fps=25.0, strides=(4, 5)),
            # aug_…_ratio, lines 36 to 39; `random_crop_resize` and `random_flip_left_right` of preprocess_ops_3d.py.
            spatial=DistortedBox(size, scale=(0.08, 1.0), aspect=(0.5, 2.0), flip=0.5, min_covered=0.1, attempts=100),
            # aug_type, line 40.
            augment=(AutoAugment(),),
            **ZERO_TO_ONE,
        ),
        evaluate=Recipe(
            # num_test_clips and num_test_crops 1, lines 49 and 50; min_image_size, line 52.
            sampling=CentreClip(50, 5, fps=25.0),
            spatial=CentreCrop(size, short_side=short_side),
            **ZERO_TO_ONE,
        ),
        source=f"Model Garden: official/projects/movinet/configs/yaml/{config}.yaml, "
        "official/vision/dataloaders/video_input.py, official/vision/ops/preprocess_ops_3d.py",
    )


def _vivit() -> Preset:
    """ViViT-B: scale and colour jitter to train, four views with three crops to evaluate.

    The reference draws the scale of height and width apart; ours keeps the picture's shape.
    """
    return Preset(
        name="vivit_b",
        train=Recipe(
            # num_frames, stride; its records hold 25 frames a second.
            sampling=RandomClip(32, 2, fps=25.0),
            # min_resize 256 times scale_min_factor 0.9 and scale_max_factor 1.33; crop_size.
            spatial=ScaleJitter(224, short_side=(230, 340), flip=0.5),
            # prob_color_augment, prob_color_drop; the ranges are those of DMVR's color_default_augm.
            augment=(ColourJitter(prob=0.8, drop_prob=0.1),),
            # zero_centering.
            **MINUS_ONE_TO_ONE,
        ),
        evaluate=Recipe(
            # num_test_clips, do_three_spatial_crops.
            sampling=UniformClips(32, 2, fps=25.0, clips=4, offset_rule="model_garden"),
            spatial=ThreeCrop(224, short_side=256),
            **MINUS_ONE_TO_ONE,
        ),
        source="Scenic: scenic/projects/vivit/configs/kinetics400/vivit_base_k400.py",
    )


PRESETS = (
    _vivit(),
    _movinet("movinet_a0", "movinet_a0_k600_8x8", 172, 192),
    _movinet("movinet_a2", "movinet_a2_k600_8x8", 224, 256),
)
