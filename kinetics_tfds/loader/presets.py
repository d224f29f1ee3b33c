"""The input pipelines of published models, by name: what each trains on, and how it is evaluated.

Each value comes from the configuration file that `source` names. Where ours cannot be the same, the preset says so.
Rates: the records' timestamps stand in for a re-encoded video, so `fps` holds whatever rate the dataset was built with.
"""

from __future__ import annotations

import dataclasses
import os
from typing import TypedDict

from kinetics_tfds.loader.augment.colour import ColourJitter
from kinetics_tfds.loader.augment.erasing import RandomErasing
from kinetics_tfds.loader.augment.mixing import MixupCutMix
from kinetics_tfds.loader.augment.rand_augment import RandAugment
from kinetics_tfds.loader.checks import unknown
from kinetics_tfds.loader.frames.sampling import CentreClip, RandomClip, UniformClips
from kinetics_tfds.loader.frames.spatial import CentreCrop, RandomResizedCrop, ScaleJitter, ThreeCrop
from kinetics_tfds.loader.recipe import Recipe


class _Normalisation(TypedDict):
    mean: float | tuple[float, float, float]
    std: float | tuple[float, float, float]


# PySlowFast's DATA.MEAN and DATA.STD (slowfast/config/defaults.py), also those of MViT.
_SLOWFAST: _Normalisation = {"mean": 0.45, "std": 0.225}
_IMAGENET: _Normalisation = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
_MINUS_ONE_TO_ONE: _Normalisation = {"mean": 0.5, "std": 0.5}
_ZERO_TO_ONE: _Normalisation = {"mean": 0.0, "std": 1.0}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Preset:
    """One model's input pipelines.

    `dataclasses.replace` changes fields, of a preset as of its recipes.

    Attributes:
        name: what `make_dataset(preset=…)` takes.
        train: training batches.
        evaluate: evaluation views.
        source: where the values come from.
    """

    name: str
    train: Recipe
    evaluate: Recipe
    source: str = ""


def _slowfast(name: str, source: str, frames: int, stride: int) -> Preset:
    """SlowFast and X3D: scale jitter and flips to train, ten views with three crops to evaluate."""
    return Preset(
        name=name,
        train=Recipe(
            # DATA.NUM_FRAMES, DATA.SAMPLING_RATE; DATA.TARGET_FPS is 30.
            sampling=RandomClip(frames, stride, fps=30.0, short="last"),
            # DATA.TRAIN_CROP_SIZE, DATA.TRAIN_JITTER_SCALES; DATA.RANDOM_FLIP.
            spatial=ScaleJitter(224, short_side=(256, 320), flip=0.5),
            **_SLOWFAST,
        ),
        evaluate=Recipe(
            # TEST.NUM_ENSEMBLE_VIEWS is 10, TEST.NUM_SPATIAL_CROPS is 3, DATA.TEST_CROP_SIZE is 256.
            sampling=UniformClips(frames, stride, fps=30.0, short="last", clips=10, offset_rule="slowfast"),
            spatial=ThreeCrop(256, short_side=256),
            **_SLOWFAST,
        ),
        source=source,
    )


def _mvit(name: str, source: str, frames: int, stride: int) -> Preset:
    """MViTv2: strong augmentation to train, five views with one crop to evaluate.

    The reference's two repeats of a video share their frames; ours start at different places. RandAugment comes before
    the crop there and after it here.
    """
    return Preset(
        name=name,
        train=Recipe(
            # DATA.NUM_FRAMES, DATA.SAMPLING_RATE; AUG.NUM_SAMPLE is 2.
            sampling=RandomClip(frames, stride, fps=30.0, short="last", clips=2),
            # DATA.TRAIN_JITTER_SCALES_RELATIVE, DATA.TRAIN_JITTER_ASPECT_RELATIVE.
            spatial=RandomResizedCrop(224, scale=(0.08, 1.0), aspect=(0.75, 1.3333), flip=0.5),
            augment=(
                # AUG.AA_TYPE is rand-m7-n4-mstd0.5-inc1. AUG.COLOR_JITTER is not used beside it, there as here.
                RandAugment(magnitude=7.0, layers=4, magnitude_std=0.5),
                # AUG.RE_PROB, AUG.RE_MODE.
                RandomErasing(prob=0.25, mode="pixel", mean=0.45, std=0.225),
            ),
            # MIXUP.ALPHA, CUTMIX_ALPHA, PROB, SWITCH_PROB, LABEL_SMOOTH_VALUE.
            mix=MixupCutMix(mixup_alpha=0.8, cutmix_alpha=1.0, prob=1.0, switch_prob=0.5, smoothing=0.1),
            **_SLOWFAST,
        ),
        evaluate=Recipe(
            # TEST.NUM_ENSEMBLE_VIEWS is 5. DATA.USE_OFFSET_SAMPLING spreads starts up to the last possible one, as the
            # Model Garden's rule does (0, 59, … 236 of 300 frames in both).
            sampling=UniformClips(frames, stride, fps=30.0, short="last", clips=5, offset_rule="model_garden"),
            # With TEST.NUM_SPATIAL_CROPS of 1 the short side is DATA.TRAIN_JITTER_SCALES[0].
            spatial=CentreCrop(224, short_side=256),
            **_SLOWFAST,
        ),
        source=source,
    )


def _movinet(name: str, source: str, size: int, short_side: int) -> Preset:
    """MoViNet: fifty frames at five a second; one centred view to evaluate.

    The reference's training adds AutoAugment (`aug_type: autoaug`), which is not offered here.
    """
    return Preset(
        name=name,
        train=Recipe(
            # feature_shape, temporal_stride at the 25 frames a second of its records; random_stride_range of 1.
            sampling=RandomClip(50, 5, fps=25.0, jitter=0.2),
            # aug_min_area_ratio, aug_max_area_ratio, aug_min_aspect_ratio, aug_max_aspect_ratio.
            spatial=RandomResizedCrop(size, scale=(0.08, 1.0), aspect=(0.5, 2.0), flip=0.5),
            **_ZERO_TO_ONE,
        ),
        evaluate=Recipe(
            # num_test_clips and num_test_crops are 1; min_image_size.
            sampling=CentreClip(50, 5, fps=25.0),
            spatial=CentreCrop(size, short_side=short_side),
            **_ZERO_TO_ONE,
        ),
        source=source,
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
            **_MINUS_ONE_TO_ONE,
        ),
        evaluate=Recipe(
            # num_test_clips, do_three_spatial_crops.
            sampling=UniformClips(32, 2, fps=25.0, clips=4, offset_rule="model_garden"),
            spatial=ThreeCrop(224, short_side=256),
            **_MINUS_ONE_TO_ONE,
        ),
        source="Scenic: scenic/projects/vivit/configs/kinetics400/vivit_base_k400.py",
    )


def _videomae() -> Preset:
    """VideoMAE-B, fine-tuning: as MViT to train, five views with three crops to evaluate.

    The reference counts frames of the source, most of which have 30 a second. What is said of MViT's repeats and
    RandAugment holds here too.
    """
    return Preset(
        name="videomae_b",
        train=Recipe(
            # --num_frames, --sampling_rate, --num_sample.
            sampling=RandomClip(16, 4, fps=30.0, short="last", clips=2),
            # `_aug_frame` of kinetics.py.
            spatial=RandomResizedCrop(224, scale=(0.08, 1.0), aspect=(0.75, 1.3333), flip=0.5),
            augment=(
                # --aa, --reprob and --remode of run_class_finetuning.py.
                RandAugment(magnitude=7.0, layers=4, magnitude_std=0.5),
                RandomErasing(prob=0.25, mode="pixel", **_IMAGENET),
            ),
            # --mixup, --cutmix, --mixup_prob, --mixup_switch_prob, --smoothing.
            mix=MixupCutMix(mixup_alpha=0.8, cutmix_alpha=1.0, prob=1.0, switch_prob=0.5, smoothing=0.1),
            **_IMAGENET,
        ),
        evaluate=Recipe(
            # --test_num_segment, --test_num_crop; starts run up to the last possible one.
            sampling=UniformClips(16, 4, fps=30.0, short="last", clips=5, offset_rule="model_garden"),
            # --short_side_size.
            spatial=ThreeCrop(224, short_side=224),
            **_IMAGENET,
        ),
        source="VideoMAE: scripts/kinetics/videomae_vit_base_patch16_224_…/finetune.sh, run_class_finetuning.py",
    )


_PYSLOWFAST = "PySlowFast: configs/Kinetics/{}.yaml, slowfast/config/defaults.py"
_GARDEN = "Model Garden: official/projects/movinet/configs/yaml/{}.yaml"

PRESETS: dict[str, Preset] = {
    preset.name: preset
    for preset in (
        # 4x16 and 8x8 name the slow path; both load 32 x 2 frames, and the model thins them out (SLOWFAST.ALPHA).
        _slowfast("slowfast_8x8", _PYSLOWFAST.format("SLOWFAST_8x8_R50"), 32, 2),
        _slowfast("slowfast_4x16", _PYSLOWFAST.format("SLOWFAST_4x16_R50"), 32, 2),
        _slowfast("x3d_m", _PYSLOWFAST.format("X3D_M"), 16, 5),
        _mvit("mvitv2_s", _PYSLOWFAST.format("MVITv2_S_16x4"), 16, 4),
        _mvit("mvitv2_b", _PYSLOWFAST.format("MVITv2_B_32x3"), 32, 3),
        _vivit(),
        _movinet("movinet_a0", _GARDEN.format("movinet_a0_k600_8x8"), 172, 192),
        _movinet("movinet_a2", _GARDEN.format("movinet_a2_k600_8x8"), 224, 256),
        _videomae(),
    )
}


def get_preset(preset: str | os.PathLike[str] | Preset) -> Preset:
    """Returns a preset: one by name, one from a YAML file (a path that ends in .yaml or .yml), or the one passed.

    Raises:
        ConfigError: there is no preset of that name, or the file is at fault.
    """
    if isinstance(preset, Preset):
        return preset
    if os.fspath(preset).endswith((".yaml", ".yml")):
        from kinetics_tfds.loader.preset_files import load_preset  # it stands on this module

        return load_preset(preset)
    name = os.fspath(preset)
    if name not in PRESETS:
        raise unknown("preset", name, PRESETS)
    return PRESETS[name]
