"""Staging on a file system that is not the machine's: TensorFlow's own `ram://`, reached like a bucket."""

from __future__ import annotations

import pytest
from clip_folder import make_clip_folder
from etils import epath
from etils.epath import backend, gpath, register
from shard_setup import set_up, shard_bytes

from kinetics_tfds.annotations.clip import Split
from kinetics_tfds.file_systems import is_local
from kinetics_tfds.shards import commit
from kinetics_tfds.shards.lock import build_lock
from kinetics_tfds.shards.manifest import read_manifest, write_manifest
from kinetics_tfds.shards.run import run_build


@pytest.fixture
def bucket(monkeypatch):
    """Epath knows `gs://` and a few others; for these tests `ram://` is one of them."""
    monkeypatch.setattr(gpath, "_URI_SCHEMES", gpath._URI_SCHEMES | {"ram"})
    monkeypatch.setitem(gpath._PREFIX_TO_BACKEND, "ram", backend.tf_backend)
    monkeypatch.setitem(gpath._URI_MAP_ROOT, "ram://", "/ram/")
    monkeypatch.setattr(gpath, "_URI_PREFIXES", (*gpath._URI_PREFIXES, "ram://"))
    monkeypatch.setitem(register._URI_PREFIXES_TO_CLS, "ram://", gpath.PosixGPath)
    return epath.Path("ram://bucket")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_clip_folder(tmp_path_factory.mktemp("clips"), {Split.TRAIN: 9, Split.TEST: 2}, damaged=1)


def test_the_bytes_are_those_of_a_local_build(bucket, folder, tmp_path, capsys):
    there = set_up(folder, "ram://bucket/out", num_shards=3)
    assert not is_local(there.staging.path)
    assert run_build(there.staging, there.job, there.plans, max_failure_rate=0.5).summary.failed == 1
    here = set_up(folder, tmp_path / "here", num_shards=3)
    run_build(here.staging, here.job, here.plans, max_failure_rate=0.5)
    assert shard_bytes(there.staging) == shard_bytes(here.staging)
    assert list(there.staging.read_shards()) == list(here.staging.read_shards())

    there.staging.forget(there.staging.read_shard(1).name)
    again = set_up(folder, "ram://bucket/out", num_shards=3)
    result = run_build(again.staging, again.job, again.plans, max_failure_rate=0.5)
    assert "going on: 4 of 5 shards were done already" in capsys.readouterr().err
    assert shard_bytes(again.staging) == shard_bytes(here.staging)

    data = epath.Path("ram://bucket/out/1.0.0")
    data.mkdir(parents=True, exist_ok=True)
    commit.write_config(data, again.identity)
    write_manifest(data, again.plans, result.reports)
    assert read_manifest(data).num_rows == 11
    assert commit.read_config(data)["fingerprint"] == again.identity.fingerprint
    files = shard_bytes(again.staging)
    commit.link_shards(again.staging, data, files)  # nothing to link with: the shards stay staged
    assert shard_bytes(again.staging) == files
    commit.complete(data, files)
    assert {name: (data / name).read_bytes() for name in files} == files
    assert not again.staging.path.exists()
    commit.complete(data, files)


def test_what_is_not_there(bucket):
    assert commit.read_config(bucket / "nowhere") is None
    with build_lock(bucket / "x.lock"):  # nothing to lock with
        assert not (bucket / "x.lock").exists()
