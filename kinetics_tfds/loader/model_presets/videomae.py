"""VideoMAE (MCG-NJU/VideoMAE): fine-tuning of ViT-B after 800 epochs."""

from __future__ import annotations

from kinetics_tfds.loader.augment.erasing import RandomErasing
from kinetics_tfds.loader.augment.mixing import MixupCutMix
from kinetics_tfds.loader.augment.rand_augment import RandAugment
from kinetics_tfds.loader.frames.sampling import RandomClip, UniformClips
from kinetics_tfds.loader.frames.spatial import RandomResizedCrop, ThreeCrop
from kinetics_tfds.loader.model_presets.normalisations import IMAGENET
from kinetics_tfds.loader.recipe import Preset, Recipe

PRESETS = (
    Preset(
        name="videomae_b",
        train=Recipe(
            # --num_frames, --sampling_rate and --num_sample 1, lines 24, 25 and 20 of finetune.sh; `loadvideo_decord`
            # of kinetics.py. The reference counts frames of the source, most of which have 30 a second.
            sampling=RandomClip(16, 4, fps=30.0, short="last", rule="videomae"),
            # `_aug_frame` of kinetics.py.
            spatial=RandomResizedCrop(224, scale=(0.08, 1.0), aspect=(0.75, 1.3333), flip=0.5),
            augment=(
                # --aa, --reprob and --remode of run_class_finetuning.py.
                RandAugment(magnitude=7.0, layers=4, magnitude_std=0.5),
                RandomErasing(prob=0.25, mode="pixel", **IMAGENET),
            ),
            # --mixup, --cutmix, --mixup_prob, --mixup_switch_prob, --smoothing of run_class_finetuning.py.
            mix=MixupCutMix(mixup_alpha=0.8, cutmix_alpha=1.0, prob=1.0, switch_prob=0.5, smoothing=0.1),
            **IMAGENET,
        ),
        evaluate=Recipe(
            # --test_num_segment and --test_num_crop, lines 32 and 33.
            sampling=UniformClips(16, 4, fps=30.0, short="last", clips=5, offset_rule="videomae"),
            # --short_side_size, line 22.
            spatial=ThreeCrop(224, short_side=224),
            **IMAGENET,
        ),
        source="VideoMAE: scripts/kinetics/videomae_vit_base_patch16_224_tubemasking_ratio_0.9_epoch_800/finetune.sh, "
        "run_class_finetuning.py, kinetics.py",
    ),
)
