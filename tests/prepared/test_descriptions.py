"""The card and the Croissant metadata that a build writes say what the dataset holds."""

from __future__ import annotations

import hashlib
import re

import mlcroissant as mlc
import pytest

from kinetics_tfds.prepared.card import content_hash, make_card
from kinetics_tfds.prepared.dataset import open_prepared
from kinetics_tfds.shards.checksums import read_checksums
from kinetics_tfds.shards.manifest import read_manifest


@pytest.fixture
def folder(prepared):
    return prepared["tfrecord"]


def test_the_card_counts_beside_the_published_counts(folder):
    card = (folder / "DATASET_CARD.md").read_text()
    assert card.startswith("# Kinetics-600, `tiny` 1.0.0\n")
    assert (
        "| split | clips here | rows | missing | failed | excluded | mirrored by CVDF | DeepMind's list today |" in card
    )
    assert "| train | 12 | 14 | 1 | 1 | 0 | 427,549 | 370,582 |" in card
    assert "| test | 6 | 6 | 0 | 0 | 0 | 72,924 | 56,618 |" in card
    assert "| not_media | 1 | 0 |" in card
    assert "- train: 4 classes, 3 clips each in the median" in card
    assert "Of 18 clips" in card
    assert "CC BY 4.0" in card
    assert "imbalance" in card
    assert "@article{carreira2018kinetics600," in card
    means = re.search(r"\| channel mean .* \| (.*) \|", card)
    assert means is not None
    assert all(0 < float(mean) < 1 for mean in means[1].split(", "))


def test_the_card_is_the_same_each_time(prepared, folder):
    assert make_card(open_prepared(folder)) == (folder / "DATASET_CARD.md").read_text()
    assert content_hash(open_prepared(folder)) == content_hash(open_prepared(prepared["array_record"]))
    checksums = read_checksums(folder)
    assert checksums is not None
    assert {"DATASET_CARD.md", "croissant.json"} <= checksums.keys()


@pytest.mark.parametrize("file_format", ["tfrecord", "array_record"])
def test_croissant_validates_names_every_shard_and_reads_the_rows(prepared, file_format):
    folder = prepared[file_format]
    dataset = mlc.Dataset(str(folder / "croissant.json"))
    assert not dataset.metadata.ctx.issues.errors
    named = {name for each in dataset.metadata.distribution if isinstance(each, mlc.FileSet) for name in each.includes}
    assert named == {path.name for path in folder.glob("kinetics600-*-of-*")}
    table = next(each for each in dataset.metadata.distribution if isinstance(each, mlc.FileObject))
    assert table.sha256 == hashlib.sha256((folder / "manifest.parquet").read_bytes()).hexdigest()
    rows = list(dataset.records("rows"))
    assert [row["rows/id"].decode() for row in rows] == read_manifest(folder)["id"].to_pylist()
