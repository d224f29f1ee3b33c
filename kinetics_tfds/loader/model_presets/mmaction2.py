"""mmaction2 (open-mmlab/mmaction2): TSN, TSM, Video Swin, UniFormerV2."""

from __future__ import annotations

from kinetics_tfds.loader.augment.rand_augment import RandAugment
from kinetics_tfds.loader.frames.reference_crops import MultiScaleCrop, TenCrop
from kinetics_tfds.loader.frames.sampling import RandomClip, Segments, UniformClips
from kinetics_tfds.loader.frames.spatial import RandomResizedCrop, ThreeCrop
from kinetics_tfds.loader.model_presets.normalisations import IMAGENET, SLOWFAST
from kinetics_tfds.loader.recipe import Preset, Recipe

_SOURCE = "mmaction2: configs/recognition/{}.py, mmaction/datasets/transforms/loading.py"


def _segments(name: str, config: str, train: int, test: int, places: int) -> Preset:
    """TSN and TSM: one frame of each segment."""
    return Preset(
        name=name,
        train=Recipe(
            # SampleFrames with clip_len 1: line 34 of TSN's file (num_clips=3), line 18 of TSM's (num_clips=8).
            sampling=Segments(train, rule="mmaction2"),
            # Resize(-1, 256), MultiScaleCrop, Resize(224), Flip(0.5): lines 36 to 44, and 20 to 29.
            spatial=MultiScaleCrop(224, short_side=256, scales=(1.0, 0.875, 0.75, 0.66), max_gap=1, places=places),
            # img_norm_cfg of TSN's file, line 27; preprocess_cfg of configs/_base_/models/tsm_r50.py, line 1.
            **IMAGENET,
        ),
        evaluate=Recipe(
            # test_pipeline: SampleFrames in test mode takes the middle of each segment; num_clips 25 of TSN, 8 of TSM.
            sampling=Segments(test, pick="centre", rule="mmaction2"),
            # Resize(-1, 256), TenCrop(224).
            spatial=TenCrop(224, short_side=256),
            **IMAGENET,
        ),
        source=_SOURCE.format(config),
    )


def _swin() -> Preset:
    """Video Swin-T, lines of swin-tiny-p244-w877_in1k-pre_8xb8-amp-32x2x1-30e_kinetics400-rgb.py."""
    return Preset(
        name="video_swin_t",
        train=Recipe(
            # SampleFrames, line 22.
            sampling=RandomClip(32, 2, rule="mmaction2"),
            # RandomResizedCrop with its defaults, line 25; Resize, line 26; Flip, line 27.
            spatial=RandomResizedCrop(224, scale=(0.08, 1.0), aspect=(3 / 4, 4 / 3), flip=0.5),
            # data_preprocessor of configs/_base_/models/swin_tiny.py, lines 18 and 19.
            **IMAGENET,
        ),
        evaluate=Recipe(
            # SampleFrames in test mode, lines 47 to 52: 4 clips.
            sampling=UniformClips(32, 2, clips=4, offset_rule="mmaction2"),
            # Resize(-1, 224) and ThreeCrop(224), lines 54 and 55.
            spatial=ThreeCrop(224, short_side=224),
            **IMAGENET,
        ),
        source=_SOURCE.format("swin/swin-tiny-p244-w877_in1k-pre_8xb8-amp-32x2x1-30e_kinetics400-rgb"),
    )


def _uniformer() -> Preset:
    """UniFormerV2-B, lines of uniformerv2-base-p16-res224_clip-kinetics710-pre_8xb32-u8_kinetics400-rgb.py."""
    return Preset(
        name="uniformerv2_b",
        train=Recipe(
            # UniformSample of num_frames 8, lines 63 and 4.
            sampling=Segments(8, rule="uniform_sample"),
            # RandomResizedCrop with its defaults, Resize and Flip, lines 71 to 73.
            spatial=RandomResizedCrop(224, scale=(0.08, 1.0), aspect=(3 / 4, 4 / 3), flip=0.5),
            # PytorchVideoWrapper of RandAugment, lines 66 to 70: magnitude 7, 4 layers, PyTorchVideo's own operations.
            augment=(RandAugment(magnitude=7.0, layers=4, magnitude_std=0.0),),
            # data_preprocessor, lines 48 and 49: 114.75 / 255 and 57.375 / 255.
            **SLOWFAST,
        ),
        evaluate=Recipe(
            # UniformSample in test mode, lines 92 to 94: 4 clips.
            sampling=Segments(8, pick="centre", clips=4, rule="uniform_sample"),
            # Resize(-1, 224) and ThreeCrop(224), lines 96 and 97.
            spatial=ThreeCrop(224, short_side=224),
            **SLOWFAST,
        ),
        source=_SOURCE.format("uniformerv2/uniformerv2-base-p16-res224_clip-kinetics710-pre_8xb32-u8_kinetics400-rgb"),
    )


PRESETS = (
    _segments("tsn", "tsn/tsn_r50_1x1x3_100e_kinetics400_rgb", 3, 25, places=5),
    _segments("tsm", "tsm/tsm_imagenet-pretrained-r50_8xb16-1x1x8-50e_kinetics400-rgb", 8, 8, places=13),
    _swin(),
    _uniformer(),
)
