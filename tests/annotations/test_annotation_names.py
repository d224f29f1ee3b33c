"""Which files are taken for annotation lists, by name alone."""

from __future__ import annotations

import pytest

from kinetics_tfds.annotations.clip import Split
from kinetics_tfds.annotations.names import is_annotation_file, split_of, version_of, version_of_folders


@pytest.mark.parametrize(
    "name",
    [
        "train.csv",
        "validate.csv",
        "test.json",
        "val.txt",
        "kinetics600_holdout_test.csv",
        "kinetics_train.csv",
        "kinetics-600_val.csv",
        "kinetics400.tar.gz",
        "kinetics700_2020_delta.tar.gz",
        "kinetics_600_train (1).zip",
        "kinetics_600_holdout_test.zip",
        "annotations.zip",
        "deep/down/600/annotations/train.txt",
        "my_small_train.csv",
        "K400_VAL.CSV",
    ],
)
def test_lists(name):
    assert is_annotation_file(name)


@pytest.mark.parametrize(
    "name",
    [
        "label_map_k400.txt",
        "labels.txt",
        "kinetics_400_labels.csv",
        "k400_train_path.txt",
        "kinetics400_train_list_videos.txt",
        "kinetics400_val_list_rawframes.txt",
        "part_0.tar.gz",
        "abseiling.tar.gz",
        "k700_train_001.tar.gz",
        "replacement_for_corrupted_k400.tgz",
        "train.tar.gz",
        "train_256.zip",
        "._train.csv",
        ".train.csv",
        "train.csv.part",
        "readme.md",
        "readme.txt",
        "manifest.parquet",
        "train/abseiling/abcdefghijk_000001_000011.json",
        "kinetics600.mp4",
        "failed_train.csv",
    ],
)
def test_other_files(name):
    assert not is_annotation_file(name)


@pytest.mark.parametrize(
    ("name", "version", "split"),
    [
        ("kinetics-600_val.csv", "kinetics600", Split.VALIDATION),
        ("kinetics700_2020_delta.tar.gz", "kinetics700_2020", None),
        ("kinetics700-2020_test.csv", "kinetics700_2020", Split.TEST),
        ("k400_training.csv", "kinetics400", Split.TRAIN),
        ("kinetics_600_holdout_test.zip", "kinetics600", Split.HOLDOUT_TEST),
        ("held-out_test.csv", None, Split.HOLDOUT_TEST),
        ("validate.json", None, Split.VALIDATION),
        ("desk400.csv", None, None),
        ("train_val.csv", None, None),
        ("storage.goog.com_deepmind-media_kinetics400a1B2_-x.tar.gz", "kinetics400", None),
    ],
)
def test_what_names_tell(name, version, split):
    assert version_of(name) == version
    assert split_of(name) == split


def test_the_nearest_folder_that_names_a_version_counts():
    assert version_of_folders("/data/kinetics400/k600/lists/val.csv") == "kinetics600"
    assert version_of_folders("/data/700_2020/annotations/val.csv") == "kinetics700_2020"
    assert version_of_folders("/data/lists/kinetics-400_val.csv") is None
