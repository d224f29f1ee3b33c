"""Says which of TFDS's private hooks changed when a new TFDS breaks builds.

`tensorflow-datasets` is pinned to a minor version in setup.py because of what is checked here. When one of these tests
fails after an update, read the TFDS method that it names and adapt kinetics_tfds/builder.py or kinetics_tfds/shards.
"""

from __future__ import annotations

import inspect

import tensorflow_datasets as tfds
from tensorflow_datasets.core import constants, dataset_builder, file_adapters, naming, splits
from tensorflow_datasets.core.utils import file_utils
from tensorflow_datasets.scripts.cli import build as build_cli

from kinetics_tfds.builder import KineticsBuilder
from kinetics_tfds.config import DEFAULT_CONFIG, NAMED_CONFIGS
from kinetics_tfds.kinetics600.kinetics600_dataset_builder import Builder


def parameters(function):
    return list(inspect.signature(function).parameters)


def test_generate_splits_is_still_called_with_the_manager_and_the_config():
    assert parameters(dataset_builder.GeneratorBasedBuilder._generate_splits) == parameters(
        KineticsBuilder._generate_splits
    )
    source = inspect.getsource(dataset_builder.GeneratorBasedBuilder._download_and_prepare)
    assert "self._generate_splits(dl_manager, download_config)" in source
    assert "self.info.set_splits(" in source


def test_builds_happen_in_a_temporary_folder_beside_the_final_one():
    source = inspect.getsource(dataset_builder.DatasetBuilder.download_and_prepare)
    assert 'utils.temporary_assignment(self, "_data_dir", tmp_data_dir)' in source
    assert "utils.incomplete_dir(" in source
    folder = file_utils._get_incomplete_dir("/data/kinetics600/jpeg256/1.0.0")
    assert folder.startswith(f"/data/kinetics600/jpeg256/{constants.INCOMPLETE_PREFIX}")
    assert folder.endswith("_1.0.0/")


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
