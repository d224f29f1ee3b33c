"""What all exports have in common, and what their own projects' libraries read back from them."""

from __future__ import annotations

import dataclasses
import json
import shutil

import datasets
import numpy as np
import pytest
import tensorflow_datasets as tfds
import webdataset
from clip_folder import make_clip_folder

from kinetics_tfds.annotations.clip import Split
from kinetics_tfds.annotations.versions import get_version
from kinetics_tfds.config import KineticsConfig
from kinetics_tfds.errors import ConfigError, PlanMismatchError, VerifyError
from kinetics_tfds.exports.export import FORMATS, Export, export_shard, finish_export, prepare_export
from kinetics_tfds.prepared.dataset import open_prepared


def make_export(folder, target, format="webdataset", split="train", num_shards=4, **more) -> Export:
    return Export(str(folder), str(target), format, split, f"kinetics600_{split}", num_shards, **more)


def run(export: Export) -> list[int]:
    prepared = open_prepared(export.source)
    counts = [export_shard(prepared, export, index) for index in prepare_export(export)]
    finish_export(prepared, export)
    return counts


@pytest.fixture(scope="module")
def with_audio(tmp_path_factory):
    """A prepared dataset with audio, and its examples by id."""
    root = tmp_path_factory.mktemp("audio")
    clips = make_clip_folder(root / "clips", {Split.TRAIN: 5})
    config = KineticsConfig(name="audio", short_side=32, fps=5, audio_rate=16_000)
    builder = tfds.builder("kinetics600", config=config, data_dir=root / "data")
    builder.download_and_prepare(download_config=tfds.download.DownloadConfig(manual_dir=clips.root, num_shards=2))
    examples = builder.as_dataset(split="train", decoders={"video": tfds.decode.SkipDecoding()}).as_numpy_iterator()
    return builder.data_path, {example["id"].decode(): example for example in examples}


def test_webdataset_reads_its_tars(with_audio, tmp_path):
    folder, examples = with_audio
    run(make_export(folder, tmp_path, num_shards=2))
    urls = [str(path) for path in sorted(tmp_path.glob("kinetics600_train-*.tar"))]
    assert [url.rpartition("/")[2] for url in urls] == ["kinetics600_train-000000.tar", "kinetics600_train-000001.tar"]
    samples = list(webdataset.WebDataset(urls, shardshuffle=False))
    assert {sample["__key__"] for sample in samples} == set(examples)
    names = get_version("kinetics600").class_names
    for sample in samples:
        example = examples[sample["__key__"]]
        frames = [sample[key] for key in sorted(sample) if key.endswith(".jpg")]
        assert frames == example["video"].tolist()
        fields = json.loads(sample["json"])
        assert names[fields["label"]] == fields["label_name"]
        assert fields["label"] == example["label"]
        assert np.float32(fields["timestamps"]).tolist() == example["timestamps"].tolist()
        assert sample["wav"][44:] == example["audio"].astype("<i2").tobytes()
    assert len(list(webdataset.WebDataset(urls, shardshuffle=False).decode("rgb8"))) == len(examples)


def test_hugging_face_reads_its_folder(with_audio, tmp_path):
    folder, examples = with_audio
    run(make_export(folder, tmp_path / "out", "hugging_face", num_shards=2))
    loaded = datasets.load_dataset(str(tmp_path / "out"), cache_dir=str(tmp_path / "cache"))["train"]
    assert loaded.num_rows == len(examples)
    assert loaded.features["label"].names == list(get_version("kinetics600").class_names)
    assert isinstance(loaded.features["frames"].feature, datasets.Image)
    rows = loaded.cast_column("frames", datasets.List(datasets.Image(decode=False)))
    for row in rows.cast_column("audio", datasets.Audio(decode=False)):
        example = examples[row["id"]]
        assert [frame["bytes"] for frame in row["frames"]] == example["video"].tolist()
        assert row["label"] == example["label"]
        assert row["audio"]["bytes"][44:] == example["audio"].astype("<i2").tobytes()
    first = loaded.remove_columns("audio")[0]
    assert np.asarray(first["frames"][0]).shape[0] == 32
    card = (tmp_path / "out" / "README.md").read_text()
    assert card.startswith("---\npretty_name: Kinetics-600\n")
    assert "path: data/train-*" in card


@pytest.mark.parametrize("format", FORMATS)
def test_unlabelled_clips_have_no_label(prepared, tmp_path, format):
    run(make_export(prepared["tfrecord"], tmp_path, format, split="test", num_shards=1))
    if format == "webdataset":
        sample = next(iter(webdataset.WebDataset(str(next(tmp_path.glob("*.tar"))), shardshuffle=False)))
        assert json.loads(sample["json"])["label"] is None
    elif format == "hugging_face":
        loaded = datasets.load_dataset(str(tmp_path), cache_dir=str(tmp_path / "cache"))["test"]
        assert set(loaded["label"]) == {-1}


@pytest.mark.parametrize("format", FORMATS)
def test_going_on_writes_only_what_is_missing(prepared, tmp_path, format):
    export = make_export(prepared["tfrecord"], tmp_path, format)
    run(export)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    export.path(2).unlink()
    assert prepare_export(export) == [2]
    assert len(run(export)) == 1
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_two_exports_do_not_mix(prepared, tmp_path):
    export = make_export(prepared["tfrecord"], tmp_path)
    prepare_export(export)
    with pytest.raises(PlanMismatchError, match="another num_shards"):
        prepare_export(dataclasses.replace(export, num_shards=7))


@pytest.mark.parametrize(
    ("changes", "problem"),
    [({"split": "holdout"}, "no split"), ({"num_shards": 0}, "num_shards"), ({"format": "webdatset"}, "No format")],
)
def test_what_cannot_be_exported_is_said(prepared, tmp_path, changes, problem):
    with pytest.raises(ConfigError, match=problem):
        prepare_export(dataclasses.replace(make_export(prepared["tfrecord"], tmp_path), **changes))


@pytest.mark.parametrize("format", FORMATS)
def test_a_damaged_record_leaves_no_shard(prepared, tmp_path, format):
    folder = tmp_path / "1.0.0"
    shutil.copytree(prepared["tfrecord"], folder)
    shard = sorted(folder.glob("kinetics600-train.*"))[0]
    data = bytearray(shard.read_bytes())
    data[30] ^= 1
    shard.write_bytes(data)
    export = make_export(folder, tmp_path / "out", format, num_shards=1)
    with pytest.raises(VerifyError, match="record 0: the checksum of its data is wrong"):
        run(export)
    left = [path.name for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert left == [f".kinetics600_train.{format}.json"]
