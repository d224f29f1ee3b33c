"""PySlowFast (facebookresearch/SlowFast): I3D, Slow, SlowFast, X3D, MViTv2."""

from __future__ import annotations

from kinetics_tfds.loader.augment.erasing import RandomErasing
from kinetics_tfds.loader.augment.mixing import MixupCutMix
from kinetics_tfds.loader.augment.rand_augment import RandAugment
from kinetics_tfds.loader.frames.sampling import RandomClip, UniformClips
from kinetics_tfds.loader.frames.spatial import CentreCrop, RandomResizedCrop, ScaleJitter, ThreeCrop
from kinetics_tfds.loader.model_presets.normalisations import IMAGENET, SLOWFAST, Normalisation
from kinetics_tfds.loader.recipe import Augment, Preset, Recipe

_SOURCE = "PySlowFast: configs/Kinetics/{}.yaml, slowfast/config/defaults.py, slowfast/datasets/decoder.py"


def _convolutional(name: str, config: str, frames: int, stride: int) -> Preset:
    """Scale jitter and flips to train, ten views with three crops to evaluate."""
    return Preset(
        name=name,
        train=Recipe(
            # DATA.NUM_FRAMES and SAMPLING_RATE, lines 9 and 10 of I3D_8x8_R50.yaml and SLOW_8x8_R50.yaml;
            # DATA.TARGET_FPS of defaults.py is 30. Frames: get_start_end_idx and temporal_sampling of decoder.py.
            sampling=RandomClip(frames, stride, fps=30.0, short="last", rule="slowfast"),
            # DATA.TRAIN_JITTER_SCALES and TRAIN_CROP_SIZE, lines 11 and 12; DATA.RANDOM_FLIP of defaults.py.
            spatial=ScaleJitter(224, short_side=(256, 320), flip=0.5),
            **SLOWFAST,
        ),
        evaluate=Recipe(
            # TEST.NUM_ENSEMBLE_VIEWS 10 and NUM_SPATIAL_CROPS 3 of defaults.py; DATA.TEST_CROP_SIZE, line 13.
            sampling=UniformClips(frames, stride, fps=30.0, short="last", clips=10, offset_rule="slowfast"),
            spatial=ThreeCrop(256, short_side=256),
            **SLOWFAST,
        ),
        source=_SOURCE.format(config),
    )


def _augment(normalisation: Normalisation) -> tuple[Augment, ...]:
    return (
        # AUG.AA_TYPE rand-m7-n4-mstd0.5-inc1, line 49. AUG.COLOR_JITTER is not used beside it, there as here.
        RandAugment(magnitude=7.0, layers=4, magnitude_std=0.5),
        # AUG.RE_PROB and RE_MODE, lines 51 and 52.
        RandomErasing(prob=0.25, mode="pixel", **normalisation),
    )


def _mvit(name: str, config: str, frames: int, stride: int) -> Preset:
    """MViTv2-S and B, lines of MVITv2_S_16x4.yaml."""
    return Preset(
        name=name,
        train=Recipe(
            # DATA.NUM_FRAMES and SAMPLING_RATE, lines 11 and 12; AUG.NUM_SAMPLE 2, line 46.
            sampling=RandomClip(frames, stride, fps=30.0, short="last", clips=2, rule="slowfast"),
            # DATA.TRAIN_CROP_SIZE, line 14; TRAIN_JITTER_SCALES_RELATIVE and _ASPECT_RELATIVE, lines 18 and 19.
            spatial=RandomResizedCrop(224, scale=(0.08, 1.0), aspect=(0.75, 1.3333), flip=0.5),
            augment=_augment(SLOWFAST),
            # MIXUP, lines 57 to 61.
            mix=MixupCutMix(mixup_alpha=0.8, cutmix_alpha=1.0, prob=1.0, switch_prob=0.5, smoothing=0.1),
            **SLOWFAST,
        ),
        evaluate=Recipe(
            # TEST.NUM_ENSEMBLE_VIEWS 5, line 88; DATA.USE_OFFSET_SAMPLING, line 9.
            sampling=UniformClips(frames, stride, fps=30.0, short="last", clips=5, offset_rule="slowfast_offset"),
            # TEST.NUM_SPATIAL_CROPS 1, line 87: the short side is DATA.TRAIN_JITTER_SCALES[0], line 13.
            spatial=CentreCrop(224, short_side=256),
            **SLOWFAST,
        ),
        source=_SOURCE.format(config),
    )


def _mvit_large() -> Preset:
    """MViTv2-L, lines of MVITv2_L_40x3_test.yaml: a configuration for tests, which holds values of training too."""
    return Preset(
        name="mvitv2_l",
        train=Recipe(
            # DATA.NUM_FRAMES and SAMPLING_RATE, lines 6 and 7; AUG.NUM_SAMPLE is commented out, line 47.
            sampling=RandomClip(40, 3, fps=30.0, short="last", rule="slowfast"),
            # DATA.TRAIN_CROP_SIZE, line 9; TRAIN_JITTER_SCALES_RELATIVE and _ASPECT_RELATIVE, lines 13 and 14.
            spatial=RandomResizedCrop(312, scale=(0.08, 1.0), aspect=(0.75, 1.3333), flip=0.5),
            # AUG, lines 50 to 53.
            augment=_augment(IMAGENET),
            # MIXUP, lines 58 to 62: PROB is 0 there, which leaves the smoothing.
            mix=MixupCutMix(mixup_alpha=0.8, cutmix_alpha=1.0, prob=0.0, switch_prob=0.5, smoothing=0.1),
            # DATA.MEAN and STD, lines 15 and 16.
            **IMAGENET,
        ),
        evaluate=Recipe(
            # TEST.NUM_ENSEMBLE_VIEWS 5 and NUM_SPATIAL_CROPS 3, lines 74 and 75; USE_OFFSET_SAMPLING, line 4.
            sampling=UniformClips(40, 3, fps=30.0, short="last", clips=5, offset_rule="slowfast_offset"),
            # DATA.TEST_CROP_SIZE, line 10, is the short side too where there are three crops.
            spatial=ThreeCrop(312, short_side=312),
            **IMAGENET,
        ),
        source=_SOURCE.format("MVITv2_L_40x3_test"),
    )


PRESETS = (
    # 4x16 and 8x8 name the slow path; both load 32 x 2 frames, and the model thins them out (SLOWFAST.ALPHA).
    _convolutional("slowfast_8x8", "SLOWFAST_8x8_R50", 32, 2),
    _convolutional("slowfast_4x16", "SLOWFAST_4x16_R50", 32, 2),
    _convolutional("i3d_8x8", "I3D_8x8_R50", 8, 8),
    _convolutional("slowonly_8x8", "SLOW_8x8_R50", 8, 8),
    _convolutional("x3d_m", "X3D_M", 16, 5),
    _mvit("mvitv2_s", "MVITv2_S_16x4", 16, 4),
    _mvit("mvitv2_b", "MVITv2_B_32x3", 32, 3),
    _mvit_large(),
)
