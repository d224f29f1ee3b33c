from __future__ import annotations

import json
import pathlib

import fsspec
import numpy as np
import pytest
import tensorflow_datasets as tfds
from clip_folder import LABELS, ClipFolder, make_clip_folder
from tensorflow_datasets.core.utils import file_utils

import kinetics_tfds
from kinetics_tfds.annotations.clip import Split
from kinetics_tfds.clips.inputs import read_inputs
from kinetics_tfds.config import NAMED_CONFIGS, KineticsConfig
from kinetics_tfds.errors import ClipsError, ConfigError, PlanMismatchError, TooManyFailuresError
from kinetics_tfds.shards import lock
from kinetics_tfds.shards.manifest import read_manifest
from kinetics_tfds.shards.records import hash_record

CONFIG = KineticsConfig(name="tiny", short_side=32, fps=5.0, max_failure_rate=0.5)
COUNTS = {Split.TRAIN: 12, Split.VALIDATION: 4, Split.TEST: 3}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_clip_folder(tmp_path_factory.mktemp("clips"), COUNTS, damaged=1, missing=2)


def build(data_dir, folder, config=CONFIG, file_format=None, **download):
    builder = tfds.builder("kinetics600", data_dir=data_dir, config=config, file_format=file_format)
    builder.download_and_prepare(
        download_config=tfds.download.DownloadConfig(
            manual_dir=folder.root if isinstance(folder, ClipFolder) else folder, **{"num_shards": 3, **download}
        )
    )
    return builder


@pytest.fixture(scope="module")
def built(folder, tmp_path_factory):
    return build(tmp_path_factory.mktemp("data"), folder)


def examples(builder, split):
    return list(tfds.as_numpy(builder.as_dataset(split=split)))


def test_records_hold_their_rows(built, folder):
    there = {example["id"].decode(): example for split in COUNTS for example in examples(built, str(split))}
    gone = {*folder.damaged, *folder.missing}
    assert set(there) == {clip.id for clip in folder.clips if clip not in gone}
    label = built.info.features["label"]
    for clip in folder.clips:
        if clip in gone:
            continue
        example = there[clip.id]
        assert example["label"] == (-1 if clip.label is None else label.str2int(clip.label))
        assert (example["time_start"], example["time_end"]) == (clip.time_start, clip.time_end)
        assert example["youtube_id"].decode() == clip.youtube_id
        assert example["video"].shape[0] == len(example["timestamps"]) == 10
        assert example["video"].dtype == np.uint8
        assert min(example["video"].shape[1:3]) == 32
        np.testing.assert_allclose(np.diff(example["timestamps"]), 0.2, atol=0.11)
    assert label.names[label.str2int(LABELS[0])] == LABELS[0]


def test_split_infos_are_those_of_the_files(built):
    manifest = read_manifest(built.data_path).to_pylist()
    for name, info in built.info.splits.items():
        rows = [row for row in manifest if row["split"] == name and row["state"] == "written"]
        assert info.num_examples == len(rows)
        assert info.num_bytes == sum(pathlib.Path(path).stat().st_size for path in info.filepaths)
        for shard, path in enumerate(info.filepaths):
            records = [record.numpy() for record in _records(path)]
            assert [hash_record(record) for record in records] == [
                row["digest"] for row in rows if row["shard"] == shard
            ]
    states = [row["state"] for row in manifest]
    assert len(states) == sum(COUNTS.values())
    assert (states.count("failed"), states.count("missing")) == (1, 2)


def _records(path):
    from tensorflow_datasets.core import file_adapters

    return file_adapters.ADAPTER_FOR_FORMAT[tfds.core.FileFormat.TFRECORD].make_tf_data(path)


def test_plain_tfds_reads_it(built):
    data_dir = built.data_dir_root
    half = tfds.load("kinetics600/tiny:1.0.0", split="train[:50%]", data_dir=data_dir, builder_kwargs=None)
    rest = tfds.load("kinetics600/tiny:1.0.0", split="train[50%:]", data_dir=data_dir)
    assert len(half) + len(rest) == 9
    video, label = next(iter(tfds.load("kinetics600/tiny", split="validation", data_dir=data_dir, as_supervised=True)))
    assert video.shape[-1] == 3
    assert label.dtype == "int64"
    one_of_three = built.as_dataset(split="train[1shard:2shard]")
    assert len(one_of_three) == built.info.splits["train"].shard_lengths[1]


def test_the_folder_says_enough_without_this_project(built):
    builder = tfds.builder_from_directory(built.data_path)
    assert type(builder).__module__.startswith("tensorflow_datasets")
    assert set(builder.info.splits) == {"train", "validation", "test"}
    assert builder.info.features["label"].num_classes == 600
    assert builder.info.supervised_keys == ("video", "label")
    frame = next(iter(tfds.as_numpy(builder.as_dataset(split="test"))))
    assert frame["label"] == -1


def test_as_dataframe(built):
    frame = tfds.as_dataframe(built.as_dataset(split="validation"), built.info)
    assert len(frame) == 4
    assert {"id", "label", "video"} <= set(frame.columns)


def test_array_record_as_a_data_source(folder, tmp_path, built):
    builder = build(tmp_path, folder, file_format="array_record")
    source = builder.as_data_source(split="train")
    assert len(source) == 9
    theirs = {example["id"]: example for example in examples(built, "train")}
    for number in (0, 8, 3):
        example = source[number]
        np.testing.assert_array_equal(example["timestamps"], theirs[example["id"]]["timestamps"])
        np.testing.assert_array_equal(example["video"][0].shape, theirs[example["id"]]["video"][0].shape)


def test_it_is_listed_once_and_nothing_else_is_left(built):
    listed = [str(each.tfds_name()) for each in file_utils.list_datasets_in_data_dir(built.data_dir_root)]
    assert listed == ["kinetics600/tiny:1.0.0"]
    names = sorted(path.name for path in built.data_path.parent.iterdir())
    assert names == [".staging", "1.0.0"]
    assert [path.name for path in (built.data_path.parent / ".staging").iterdir()] == ["1.0.0.lock"]


def test_preparing_again_touches_nothing(built, folder):
    before = {path.name: path.stat().mtime for path in built.data_path.iterdir()}
    build(built.data_dir_root, folder)
    assert before == {path.name: path.stat().mtime for path in built.data_path.iterdir()}


def test_config_json_says_how_it_was_built(built):
    config = json.loads((built.data_path / "config.json").read_text())
    assert config["settings"] == CONFIG.identity()
    assert config["versions"]["av"]
    assert len(config["fingerprint"]) == 64


def test_other_settings_cannot_use_the_folder(built, folder):
    other = KineticsConfig(name="tiny", short_side=64, fps=5.0)
    with pytest.raises(ConfigError, match="short_side: 32 there, 64 here"):
        tfds.builder("kinetics600", data_dir=built.data_dir_root, config=other)
    # max_failure_rate does not make another dataset.
    same = KineticsConfig(name="tiny", short_side=32, fps=5.0, max_failure_rate=0.1)
    assert tfds.builder("kinetics600", data_dir=built.data_dir_root, config=same).info.splits["train"].num_examples == 9


def test_a_dataset_older_than_a_setting_is_read(built, folder, tmp_path):
    builder = build(tmp_path, folder)
    path = builder.data_path / "config.json"
    config = json.loads(path.read_text())
    del config["settings"]["keep_damaged"]
    path.write_text(json.dumps(config))
    tfds.builder("kinetics600", data_dir=tmp_path, config=CONFIG)


def test_named_configs_are_theirs(tmp_path):
    for config in NAMED_CONFIGS:
        builder = tfds.builder(f"kinetics600/{config.name}", data_dir=tmp_path)
        assert builder.builder_config is config
    tolerant = KineticsConfig(name="jpeg256", max_failure_rate=0.5)
    assert tfds.builder("kinetics600", data_dir=tmp_path, config=tolerant).kinetics_config.max_failure_rate == 0.5
    with pytest.raises(ConfigError, match=r"'jpeg256' is taken.*quality: 90 there, 50 here"):
        tfds.builder("kinetics600", data_dir=tmp_path, config=KineticsConfig(name="jpeg256", quality=50))


@pytest.mark.parametrize("name", ["kinetics400", "kinetics600", "kinetics700", "kinetics700_2020"])
def test_every_dataset_has_its_classes(name, tmp_path):
    builder = tfds.builder(name, data_dir=tmp_path)
    assert builder.info.features["label"].names == list(kinetics_tfds.get_version(name).class_names)
    assert builder.info.homepage
    assert "@article" in builder.info.citation
    assert builder.info.description


def test_a_choice_of_classes(folder, tmp_path):
    config = KineticsConfig(name="mini", short_side=32, fps=5.0, classes=LABELS[1:3], max_clips_per_class=1)
    builder = build(tmp_path, folder, config)
    assert set(builder.info.splits) == {"train", "validation"}  # the test split has no labels
    labels = {int(example["label"]) for example in examples(builder, "train")}
    assert labels == {builder.info.features["label"].str2int(label) for label in LABELS[1:3]}
    states = read_manifest(builder.data_path, ["state", "reason"]).to_pylist()
    assert {row["reason"] for row in states if row["state"] == "excluded"} == {"classes", "max_clips_per_class"}


def test_limits_and_shards_of_tfds(folder, tmp_path):
    builder = build(tmp_path, folder, max_examples_per_split=4, num_shards=2)
    assert {name: info.num_shards for name, info in builder.info.splits.items()} == {
        "train": 2,
        "validation": 2,
        "test": 2,
    }
    assert builder.info.splits["train"].num_examples in (3, 4)  # one of the four may be the damaged one
    small = build(tmp_path / "small", folder, num_shards=None, max_shard_size=20_000)
    assert small.info.splits["train"].num_shards > 2


def test_a_class_that_is_none(folder, tmp_path):
    with pytest.raises(ConfigError, match=r"no class 'Zumba'") as caught:
        build(tmp_path, folder, KineticsConfig(name="mini", classes=("Zumba",)))
    assert "'zumba'" in caught.value.next_step


def test_no_folder_of_clips(tmp_path):
    with pytest.raises(ClipsError, match="no folder of clips") as caught:
        build(tmp_path, tmp_path / "nowhere")
    assert "--config=sample" in caught.value.next_step
    assert "beam_pipelines.acquire" in caught.value.next_step
    assert not list(tmp_path.glob("kinetics600/*/incomplete*"))


def test_a_folder_without_a_clip_of_the_lists(folder, tmp_path):
    (tmp_path / "clips").mkdir()
    for path in (folder.root / "annotations").iterdir():
        (tmp_path / "clips" / path.name).write_bytes(path.read_bytes())
    with pytest.raises(ClipsError, match="None of the 19 annotation rows has its clip"):
        build(tmp_path / "data", tmp_path / "clips")


def test_all_clips_damaged(tmp_path):
    folder = make_clip_folder(tmp_path / "clips", {Split.TRAIN: 3}, damaged=3)
    with pytest.raises(TooManyFailuresError, match="3 of the 3 clips"):
        build(tmp_path / "data", folder)
    with pytest.raises(TooManyFailuresError, match="3 of the 3 clips"):
        build(tmp_path / "data", folder, KineticsConfig(name="tiny", short_side=32, fps=5.0, max_failure_rate=1.0))


def test_two_builds_at_once(folder, tmp_path):
    builder = tfds.builder("kinetics600", data_dir=tmp_path, config=CONFIG)
    with lock.build_run(builder.data_path), pytest.raises(PlanMismatchError, match="already building"):
        build(tmp_path, folder)
    build(tmp_path, folder)


def test_another_build_is_half_done(folder, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("kinetics_tfds.shards.manifest.write_manifest", _die)
        with pytest.raises(KeyboardInterrupt):
            build(tmp_path, folder)
    with pytest.raises(PlanMismatchError, match="train shards: 3 there, 2 here"):
        build(tmp_path, folder, num_shards=2)
    overwrite = tfds.download.GenerateMode.REUSE_CACHE_IF_EXISTS
    builder = build(tmp_path, folder, num_shards=2, download_mode=overwrite)
    assert builder.info.splits["train"].num_shards == 2
    assert [path.name for path in (builder.data_path.parent / ".staging").iterdir()] == ["1.0.0.lock"]


def _die(*args, **kwargs):
    raise KeyboardInterrupt


def same_bytes(one, two):
    for info, other in zip(one.info.splits.values(), two.info.splits.values(), strict=True):
        for path, other_path in zip(info.filepaths, other.filepaths, strict=True):
            assert path.read_bytes() == other_path.read_bytes()


def test_what_a_killed_run_left_at_the_very_end_is_cleared(folder, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("kinetics_tfds.shards.staging.Staging.remove", lambda _: None)
        builder = build(tmp_path, folder)
    staging = builder.data_path.parent / ".staging"
    assert len(list(staging.iterdir())) == 2
    with lock.build_run(builder.data_path):  # another build may be using it
        build(tmp_path, folder)
    assert len(list(staging.iterdir())) == 2
    build(tmp_path, folder)
    assert [path.name for path in staging.iterdir()] == ["1.0.0.lock"]


def test_tools_that_iterate_a_builder(folder, tmp_path):
    builder = tfds.builder("kinetics600", data_dir=tmp_path, config=CONFIG)
    manager = builder._make_download_manager(
        download_dir=tmp_path, download_config=tfds.download.DownloadConfig(manual_dir=folder.root)
    )
    generators = builder._split_generators(manager)
    assert set(generators) == {"train", "validation", "test"}
    pairs = list(generators["validation"])
    assert {key for key, _ in pairs} == {clip.id for clip in folder.clips if clip.split is Split.VALIDATION}
    assert builder.info.features.encode_example(pairs[0][1])


def test_tools_that_iterate_a_builder_get_remote_clips(folder, tmp_path, capsys):
    memory = fsspec.filesystem("memory")
    memory.put(f"{folder.root}/", "/bucket/clips/", recursive=True)
    builder = tfds.builder("kinetics600", data_dir=tmp_path, config=CONFIG)
    inputs = read_inputs("memory://bucket/clips", builder.kinetics_version)
    plan = builder.plan(inputs, tfds.download.DownloadConfig())[Split.TRAIN]
    memory.rm(f"/bucket/clips/{plan.clips[0].media.path}")
    pairs = list(builder._generate_examples(inputs.root, plan.clips))
    memory.rm("/bucket", recursive=True)
    damaged = {clip.id for clip in folder.damaged}
    assert [key for key, _ in pairs] == [p.clip.id for p in plan.clips[1:] if p.clip.id not in damaged]
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == len({plan.clips[0].clip.id, *damaged})
    assert any(line.startswith(f"kinetics: left out {plan.clips[0].media.path}: unreadable: cannot") for line in lines)
