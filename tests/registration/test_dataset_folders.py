"""The four dataset folders hold what TFDS and readers want of them."""

from __future__ import annotations

import re
import shutil

import pytest
import tensorflow_datasets as tfds
from tensorflow_datasets.core import dataset_metadata, download

import kinetics_tfds  # noqa: F401 - registers the builders
from kinetics_tfds.annotations.versions import VERSIONS

PAPERS = {
    "kinetics400": ["1705.06950"],
    "kinetics600": ["1808.01340", "1705.06950"],
    "kinetics700": ["1907.06987", "1705.06950"],
    "kinetics700_2020": ["2010.10864", "1705.06950"],
}


@pytest.mark.parametrize("name", VERSIONS)
def test_card_citations_and_tags_reach_tfds(name, tmp_path):
    info = tfds.builder(name, data_dir=tmp_path).info
    assert VERSIONS[name].title in info.description
    assert "CC BY 4.0" in info.description
    assert f"tfds build {name} " in info.description
    assert re.findall(r"arXiv:(\S+)\}", info.citation) == PAPERS[name]
    folder_tags = dataset_metadata.load(tfds.builder_cls(name)._get_pkg_dir_path()).tags
    assert folder_tags
    assert set(folder_tags) <= set(dataset_metadata.valid_tags())
    assert info.features["label"].names == list(VERSIONS[name].class_names)


@pytest.mark.parametrize("name", VERSIONS)
def test_the_builder_says_little(name):
    cls = tfds.builder_cls(name)
    own = {key for key in vars(cls) if key.isupper()}
    assert own == {"KINETICS", "VERSION", "RELEASE_NOTES"}
    assert cls.KINETICS == cls.name == name
    assert str(cls.VERSION) in cls.RELEASE_NOTES


def test_an_empty_checksums_file_can_be_registered_into(repo, tmp_path):
    path = tmp_path / "checksums.tsv"
    shutil.copy(repo / "kinetics_tfds" / "kinetics600" / "checksums.tsv", path)
    assert download.checksums.load_url_infos(path) == {}
    assert tfds.builder_cls("kinetics600").url_infos == {}
    (url,) = VERSIONS["kinetics600"].annotation_urls
    info = download.checksums.UrlInfo(size=3, checksum="0" * 64, filename="kinetics600.tar.gz")
    download.checksums.save_url_infos(path, {url: info})
    assert download.checksums.load_url_infos(path)[url] == info
