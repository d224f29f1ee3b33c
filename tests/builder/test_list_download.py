"""A folder of clips without lists: the official archive is fetched with TFDS's download manager, over real HTTP."""

from __future__ import annotations

import dataclasses
import functools
import http.server
import io
import shutil
import tarfile
import threading

import pytest
import tensorflow_datasets as tfds
from clip_folder import make_clip_folder

from kinetics_tfds.annotations import versions
from kinetics_tfds.annotations.clip import Split
from kinetics_tfds.config import KineticsConfig
from kinetics_tfds.errors import AnnotationError
from kinetics_tfds.shards.manifest import read_manifest

CONFIG = KineticsConfig(name="tiny", short_side=32, fps=5.0)


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        self.server.paths.append(self.path)


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A server that stands for the official one, and the folder it serves."""
    served = tmp_path / "served"
    served.mkdir()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=served))
    server.paths = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/kinetics600.tar.gz"
    plain = versions.VERSIONS["kinetics600"]
    moved = dataclasses.replace(plain, annotation_urls=(url,))
    monkeypatch.setattr(versions, "VERSIONS", {**versions.VERSIONS, "kinetics600": moved})
    yield served, server
    server.shutdown()
    server.server_close()


@pytest.fixture
def clips(tmp_path, site):
    """Clips without lists; the lists are in the served archive, as the official one lays them out."""
    folder = make_clip_folder(tmp_path / "clips", {Split.TRAIN: 3, Split.VALIDATION: 2})
    with tarfile.open(site[0] / "kinetics600.tar.gz", "w:gz") as archive:
        for split, name in (("train", "train"), ("validation", "validate")):
            content = (folder.root / "annotations" / f"kinetics600_{split}.csv").read_bytes()
            member = tarfile.TarInfo(f"kinetics600/{name}.csv")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    shutil.rmtree(folder.root / "annotations")
    return folder


def build(tmp_path, folder, **download):
    builder = tfds.builder("kinetics600", data_dir=tmp_path / "data", config=CONFIG)
    builder.download_and_prepare(download_config=tfds.download.DownloadConfig(manual_dir=folder.root, **download))
    return builder


def test_the_official_archive_is_fetched_once(tmp_path, site, clips):
    builder = build(tmp_path, clips)
    assert {name: info.num_examples for name, info in builder.info.splits.items()} == {"train": 3, "validation": 2}
    assert builder.info.download_size > 0
    builder.data_path.rmtree()
    build(tmp_path, clips)
    assert site[1].paths.count("/kinetics600.tar.gz") == 1


def test_downloaded_lists_give_what_the_same_lists_on_disk_give(tmp_path, site, clips):
    with_lists = tmp_path / "with_lists"
    shutil.copytree(clips.root, with_lists / "clips")
    with tarfile.open(site[0] / "kinetics600.tar.gz") as archive:
        archive.extractall(with_lists, filter="data")
    by_download = build(tmp_path, clips)
    by_hand = tfds.builder("kinetics600", data_dir=tmp_path / "by_hand", config=CONFIG)
    by_hand.download_and_prepare(download_config=tfds.download.DownloadConfig(manual_dir=with_lists))
    columns = ["split", "id", "state", "shard", "index", "digest"]
    assert read_manifest(by_download.data_path, columns).equals(read_manifest(by_hand.data_path, columns))


def test_a_download_that_fails_says_what_else_can_be_done(tmp_path, site, clips):
    with pytest.raises(AnnotationError, match=r"cannot be downloaded.*checksum"):
        build(tmp_path, clips, force_checksums_validation=True)
    (site[0] / "kinetics600.tar.gz").unlink()
    with pytest.raises(AnnotationError, match=r"cannot be downloaded: .*404") as caught:
        build(tmp_path, clips)
    assert "Put annotation files" in caught.value.next_step


def test_checksums_are_registered_and_then_checked(tmp_path, site, clips, monkeypatch):
    recorded = tmp_path / "checksums.tsv"
    recorded.touch()
    builder_class = tfds.builder_cls("kinetics600")
    monkeypatch.setattr(builder_class, "_checksums_path", recorded)
    monkeypatch.setattr(builder_class, "url_infos", None)
    build(tmp_path, clips, register_checksums=True)
    url, size, sha256, name = recorded.read_text().split("\t")
    assert url.endswith("/kinetics600.tar.gz")
    assert int(size) == (site[0] / "kinetics600.tar.gz").stat().st_size
    assert len(sha256) == 64
    assert name.strip() == "kinetics600.tar.gz"
