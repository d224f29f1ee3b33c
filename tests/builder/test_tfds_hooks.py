"""Says which of TFDS's private hooks changed when a new TFDS breaks builds.

`tensorflow-datasets` is pinned to a minor version in setup.py because of what is checked here. When one of these tests
fails after an update, read the TFDS method that it names and adapt kinetics_tfds/builder.py or kinetics_tfds/shards.
"""

from __future__ import annotations

import inspect
import json

import tensorflow_datasets as tfds
from etils import epath
from tensorflow_datasets.core import dataset_builder, file_adapters, naming, splits
from tensorflow_datasets.core.utils import file_utils
from tensorflow_datasets.scripts.cli import build as build_cli

from kinetics_tfds.builder import KineticsBuilder
from kinetics_tfds.config import DEFAULT_CONFIG, NAMED_CONFIGS, KineticsConfig
from kinetics_tfds.kinetics600.kinetics600_dataset_builder import Builder


def parameters(function):
    return list(inspect.signature(function).parameters)


def test_preparing_takes_the_steps_that_ours_takes():
    theirs = dataset_builder.DatasetBuilder.download_and_prepare
    assert parameters(theirs)[:4] == parameters(KineticsBuilder.download_and_prepare)[:4]
    source = inspect.getsource(theirs)
    for step in (
        "_save_default_config_name(",
        "self.info.set_file_format(file_format, override=True)",
        "self.info.download_size = dl_manager.downloaded_size",
        "self.info.write_to_directory(self.data_dir)",
    ):
        assert step in source
    assert parameters(dataset_builder.DatasetBuilder._make_download_manager)[1:] == ["download_dir", "download_config"]
    source = inspect.getsource(dataset_builder.GeneratorBasedBuilder._download_and_prepare)
    assert "self.info.set_splits(split_dict)" in source


def test_a_folder_without_dataset_info_is_no_dataset_yet(tmp_path):
    version = tmp_path / "kinetics600" / "tiny" / "1.0.0"
    version.mkdir(parents=True)
    (version / "features.json").touch()
    assert not file_utils.is_valid_variant_dir(version)
    builder = Builder(config=KineticsConfig(name="tiny"), data_dir=tmp_path)
    assert not builder.info.initialized
    assert not builder.is_prepared()


def test_the_default_config_is_named_where_tfds_looks(tmp_path):
    dataset_builder._save_default_config_name(epath.Path(tmp_path), default_config_name="jpeg256")
    assert json.loads((tmp_path / ".config" / "metadata.json").read_text()) == {"default_config_name": "jpeg256"}


def test_configs_are_made_and_found_where_we_override_it():
    assert parameters(dataset_builder.DatasetBuilder._create_builder_config) == parameters(
        KineticsBuilder._create_builder_config
    )
    assert "cls.builder_configs.get(name)" in inspect.getsource(dataset_builder.DatasetBuilder.get_builder_config)


def test_no_config_named_means_every_listed_one():
    # `tfds build kinetics600` must not build five datasets: only the default is in BUILDER_CONFIGS.
    assert "for config in builder_cls.BUILDER_CONFIGS" in inspect.getsource(build_cli._make_builders)
    assert Builder.BUILDER_CONFIGS == [DEFAULT_CONFIG]
    assert Builder.builder_configs == {config.name: config for config in NAMED_CONFIGS}
    assert Builder.builder_config_cls is type(DEFAULT_CONFIG)


def test_split_infos_and_file_names():
    template = naming.ShardedFileTemplate(
        data_dir="/data", dataset_name="kinetics600", split="holdout_test", filetype_suffix="tfrecord"
    )
    info = splits.SplitInfo(name="holdout_test", shard_lengths=[2, 0, 1], num_bytes=5, filename_template=template)
    assert info.filenames == [f"kinetics600-holdout_test.tfrecord-{index:05d}-of-00003" for index in range(3)]
    # Shards without a record are passed over by readers.
    assert [each.filename[-14:-9] for each in info.file_instructions] == ["00000", "00002"]


def test_writers_take_an_iterator():
    for name in ("tfrecord", "array_record"):
        adapter = file_adapters.ADAPTER_FOR_FORMAT[file_adapters.FileFormat.from_value(name)]
        assert parameters(adapter.write_examples) == ["path", "iterator"]
        assert "for _, serialized_example in iterator" in inspect.getsource(adapter.write_examples)


def test_the_default_shard_limit_is_told_from_a_users():
    assert tfds.download.DownloadConfig().max_shard_size == 1 << 30
    assert "kwargs['max_shard_size'] = args.generation.max_shard_size_mb << 20" in inspect.getsource(
        build_cli._make_download_config
    )
