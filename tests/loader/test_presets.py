"""Presets: the values of the published models, changed field by field, and the same from YAML."""

import dataclasses
import pathlib

import pytest
import yaml

from kinetics_tfds.errors import ConfigError
from kinetics_tfds.loader.augment.auto_augment import AutoAugment
from kinetics_tfds.loader.frames.reference_crops import DistortedBox
from kinetics_tfds.loader.frames.sampling import CentreClip, RandomClip
from kinetics_tfds.loader.frames.spatial import ScaleJitter
from kinetics_tfds.loader.preset_files import dump_preset, load_preset, parse_preset
from kinetics_tfds.loader.presets import PRESETS, get_preset
from kinetics_tfds.loader.recipe import Preset, Recipe

FILES = sorted((pathlib.Path(__file__).parents[2] / "configs" / "loader").glob("*.yaml"))

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
# Name: frames, stride, clips a video and size to train; views, crops, size and short side to evaluate; mean, std.
TABLE = {
    "slowfast_8x8": (32, 2, 1, 224, 10, 3, 256, 256, 0.45, 0.225),
    "slowfast_4x16": (32, 2, 1, 224, 10, 3, 256, 256, 0.45, 0.225),
    "x3d_m": (16, 5, 1, 224, 10, 3, 256, 256, 0.45, 0.225),
    "i3d_8x8": (8, 8, 1, 224, 10, 3, 256, 256, 0.45, 0.225),
    "slowonly_8x8": (8, 8, 1, 224, 10, 3, 256, 256, 0.45, 0.225),
    "mvitv2_s": (16, 4, 2, 224, 5, 1, 224, 256, 0.45, 0.225),
    "mvitv2_b": (32, 3, 2, 224, 5, 1, 224, 256, 0.45, 0.225),
    "vivit_b": (32, 2, 1, 224, 4, 3, 224, 256, 0.5, 0.5),
    "movinet_a0": (50, 5, 1, 172, 1, 1, 172, 192, 0.0, 1.0),
    "movinet_a2": (50, 5, 1, 224, 1, 1, 224, 256, 0.0, 1.0),
    "mvitv2_l": (40, 3, 1, 312, 5, 3, 312, 312, *IMAGENET),
    "videomae_b": (16, 4, 1, 224, 5, 3, 224, 224, *IMAGENET),
    "video_swin_t": (32, 2, 1, 224, 4, 3, 224, 224, *IMAGENET),
    "uniformerv2_b": (8, 1, 1, 224, 4, 3, 224, 224, 0.45, 0.225),
    "tsn": (3, 1, 1, 224, 1, 10, 224, 256, *IMAGENET),
    "tsm": (8, 1, 1, 224, 1, 10, 224, 256, *IMAGENET),
}
# How frames are drawn in training, and where views start in evaluation.
RULES = {
    **dict.fromkeys(("slowfast_8x8", "slowfast_4x16", "x3d_m", "i3d_8x8", "slowonly_8x8"), ("slowfast", "slowfast")),
    **dict.fromkeys(("mvitv2_s", "mvitv2_b", "mvitv2_l"), ("slowfast", "slowfast_offset")),
    **dict.fromkeys(("movinet_a0", "movinet_a2"), ("model_garden", None)),
    "vivit_b": ("model_garden", "model_garden"),
    "videomae_b": ("videomae", "videomae"),
    "video_swin_t": ("mmaction2", "mmaction2"),
    "uniformerv2_b": ("uniform_sample", "uniform_sample"),
    "tsn": ("mmaction2", "mmaction2"),
    "tsm": ("mmaction2", "mmaction2"),
}


@pytest.mark.parametrize("name", TABLE)
def test_values_are_the_published_ones(name):
    preset = get_preset(name)
    train, evaluate = preset.train, preset.evaluate
    assert (
        train.sampling.num_frames, train.sampling.stride, train.sampling.clips, train.spatial.size,
        evaluate.sampling.views, evaluate.spatial.crops, evaluate.spatial.size, evaluate.spatial.short_side,
        evaluate.mean, evaluate.std,
    ) == TABLE[name]  # fmt: skip
    assert (evaluate.sampling.num_frames, evaluate.sampling.stride) == (
        25 if name == "tsn" else TABLE[name][0],
        TABLE[name][1],
    )
    assert (train.mean, train.std) == (evaluate.mean, evaluate.std)
    assert not evaluate.augment
    assert evaluate.mix is None
    assert preset.source


def test_every_preset_is_in_the_table():
    assert set(PRESETS) == set(TABLE) == set(RULES)


def test_rules_are_those_of_the_code_bases():
    for name, (train, evaluate) in RULES.items():
        views = PRESETS[name].evaluate.sampling
        assert PRESETS[name].train.sampling.rule == train, name
        assert getattr(views, "offset_rule", getattr(views, "rule", None)) == evaluate, name


def test_every_preset_is_in_the_page():
    page = (pathlib.Path(__file__).parents[2] / "docs" / "presets.md").read_text()
    for name in PRESETS:
        assert f"| `{name}` |" in page


@pytest.mark.parametrize("name", ["mvitv2_s", "mvitv2_b", "videomae_b"])
def test_transformers_are_augmented_alike(name):
    train = PRESETS[name].train
    rand_augment, erasing = train.augment
    assert (rand_augment.magnitude, rand_augment.layers, rand_augment.magnitude_std) == (7, 4, 0.5)
    assert (erasing.prob, erasing.mode, erasing.mean) == (0.25, "pixel", train.mean)
    assert (train.mix.mixup_alpha, train.mix.cutmix_alpha, train.mix.smoothing) == (0.8, 1.0, 0.1)
    assert (train.spatial.scale, train.spatial.aspect) == ((0.08, 1.0), (0.75, 1.3333))


def test_crops_of_the_convolutional_presets():
    assert isinstance(PRESETS["slowfast_8x8"].train.spatial, ScaleJitter)
    assert PRESETS["slowfast_8x8"].train.spatial.short_side == (256, 320)
    movinet = PRESETS["movinet_a0"].train
    assert isinstance(movinet.spatial, DistortedBox)
    assert movinet.spatial.aspect == (0.5, 2.0)
    assert movinet.sampling.strides == (4, 5)
    assert movinet.augment == (AutoAugment(),)
    assert (PRESETS["tsn"].train.spatial.places, PRESETS["tsm"].train.spatial.places) == (5, 13)


def test_a_preset_cannot_be_changed_but_replaced():
    preset = get_preset("x3d_m")
    with pytest.raises(dataclasses.FrozenInstanceError):
        preset.name = "mine"  # pyright: ignore[reportAttributeAccessIssue]
    small = dataclasses.replace(preset.train, spatial=ScaleJitter(112, (128, 160)))
    assert small.sampling == preset.train.sampling
    assert get_preset(dataclasses.replace(preset, train=small)).train.spatial.size == 112


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(ConfigError, match="Did you mean 'slowfast_8x8'"):
        get_preset("slowfast8x8")


@pytest.mark.parametrize("name", PRESETS)
def test_files_hold_the_built_in_presets(name):
    path = next(file for file in FILES if file.stem == name)
    assert load_preset(path) == PRESETS[name]
    comment, _, body = path.read_text().partition("\n")
    assert comment.startswith("#")
    assert body == dump_preset(PRESETS[name]), "write dump_preset's text into the file again"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_file_loads(path):
    assert get_preset(str(path)).name == path.stem
    assert get_preset(path) == load_preset(path)


def test_a_file_changes_fields_of_its_base(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(
        "base: mvitv2_s\nname: mine\ntrain:\n  spatial: {size: [96, 128]}\n  mix: null\n"
        "  augment: [{kind: ColourJitter, hue: 0.1}]\nevaluate:\n  sampling: {kind: CentreClip, num_frames: 8}\n"
    )
    preset = load_preset(path)
    base = PRESETS["mvitv2_s"]
    assert preset.train.spatial == dataclasses.replace(base.train.spatial, size=(96, 128))
    assert preset.train.mix is None
    assert preset.train.augment[0].hue == 0.1
    assert preset.train.sampling == base.train.sampling
    assert preset.evaluate.sampling == CentreClip(8)
    assert preset.evaluate.spatial == base.evaluate.spatial
    assert yaml.safe_load(dump_preset(preset))["train"]["spatial"]["size"] == [96, 128]


GOOD = {
    "name": "mine",
    "train": {"sampling": {"kind": "RandomClip", "num_frames": 4}, "spatial": {"kind": "Resize", "size": 8}},
    "evaluate": {"sampling": {"kind": "CentreClip", "num_frames": 4}, "spatial": {"kind": "Resize", "size": 8}},
}


def test_a_preset_without_base():
    preset = parse_preset(GOOD)
    assert isinstance(preset, Preset)
    assert isinstance(preset.train, Recipe)
    assert preset.train.sampling == RandomClip(4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"trian": {}}, r"Unknown key in preset: 'trian'[\s\S]*Did you mean 'train'"),
        ({"base": "slowfast_8x9"}, r"base 'slowfast_8x9'[\s\S]*'slowfast_8x8'"),
        ({"name": None, "base": "x3d_m", "train": []}, r"preset: train is \[\]"),
        ({"train": {**GOOD["train"], "sampling": {"kind": "RandomClip", "num_frame": 4}}}, r"train\.sampling: 'num_frame'[\s\S]*Did you mean 'num_frames'"),
        ({"train": {**GOOD["train"], "sampling": {"kind": "RandomClips", "num_frames": 4}}}, r"Did you mean 'RandomClip'"),
        ({"train": {**GOOD["train"], "sampling": {"num_frames": 4}}}, r"names no kind[\s\S]*RandomClip"),
        ({"train": {**GOOD["train"], "sampling": {"kind": "RandomClip"}}}, r"train\.sampling does not fit[\s\S]*num_frames"),
        ({"train": {**GOOD["train"], "sampling": {"kind": "RandomClip", "num_frames": "4"}}}, r"train\.sampling: RandomClip: num_frames is '4'"),
        ({"train": {**GOOD["train"], "spatial": {"kind": "RandomResizedCrop", "scale": "big"}}}, r"train\.spatial"),
        ({"train": {**GOOD["train"], "augment": {"kind": "RandAugment"}}}, r"train\.augment is [\s\S]*list"),
        ({"train": {**GOOD["train"], "augment": [{"kind": "RandAugment", "magnitude": 70}]}}, r"augment\[0\]: RandAugment: magnitude is 70"),
        ({"evaluate": {"sampling": {"kind": "CentreClip", "num_frames": 4}}}, r"evaluate does not fit[\s\S]*spatial"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_place(change, message):
    with pytest.raises(ConfigError, match=message):
        parse_preset({**GOOD, **change})


def test_parts_that_are_missing(tmp_path):
    with pytest.raises(ConfigError, match="no name"):
        parse_preset({"base": "x3d_m"})
    with pytest.raises(ConfigError, match="no part 'evaluate'"):
        parse_preset({key: GOOD[key] for key in ("name", "train")})
    with pytest.raises(ConfigError, match="cannot be read"):
        get_preset(tmp_path / "absent.yaml")
    broken = tmp_path / "broken.yaml"
    broken.write_text("train: [")
    with pytest.raises(ConfigError, match="not YAML"):
        get_preset(broken)
