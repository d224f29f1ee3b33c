"""Any step between the last shard and the finished dataset may fail: no shard is written again, none is lost."""

from __future__ import annotations

import contextlib
import errno
import os
import pathlib
import resource
import shutil
import sys

import pytest
import tensorflow_datasets as tfds
from clip_folder import make_clip_folder

from kinetics_tfds.annotations.clip import Split
from kinetics_tfds.config import KineticsConfig
from kinetics_tfds.prepared.verify import verify_dataset
from kinetics_tfds.shards import run

SHARDS = [
    f"kinetics600-{split}.tfrecord-0000{i}-of-0000{n}" for split, n in (("train", 2), ("test", 1)) for i in range(n)
]
CONFIG = KineticsConfig(name="tiny", short_side=32, fps=5.0)
# What Python reports of every change that it makes to a file system, before it makes it.
_CHANGES = {"os.rename", "os.mkdir", "os.remove", "os.rmdir", "shutil.rmtree", "os.truncate"}


class DiskFaults:
    """Fails changes below a folder with the error of a full disk."""

    def __init__(self) -> None:
        self.folder: str | None = None
        self.fail_at: int | None = None
        self.changes = 0
        sys.addaudithook(self._look)  # for the life of the process: there is no way to remove it

    def _look(self, event: str, args: tuple) -> None:
        if self.folder is None or not self._changes(event, args):
            return
        self.changes += 1
        if self.changes == self.fail_at:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(args[0]))

    def _changes(self, event: str, args: tuple) -> bool:
        if event == "open":
            path, _, flags = args
            changes = bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
        else:
            changes, path = event in _CHANGES, args[0] if args else None
        return changes and isinstance(path, (str, os.PathLike)) and os.fspath(path).startswith(self.folder)

    @contextlib.contextmanager
    def below(self, folder: pathlib.Path, *, fail_at: int | None = None):
        self.changes, self.fail_at, self.folder = 0, fail_at, str(folder)
        try:
            yield
        finally:
            self.folder = None


@pytest.fixture(scope="module")
def faults():
    return DiskFaults()


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    return make_clip_folder(tmp_path_factory.mktemp("clips"), {Split.TRAIN: 3, Split.TEST: 1}).root


@pytest.fixture(scope="module")
def staged(clips, tmp_path_factory):
    """A data_dir in which every shard is staged and nothing else is done."""
    data_dir = tmp_path_factory.mktemp("data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("kinetics_tfds.shards.commit.write_config", _die)
        with pytest.raises(KeyboardInterrupt):
            build(data_dir, clips)
    return data_dir


def _die(*args, **kwargs):
    raise KeyboardInterrupt


def copy(staged, data_dir):
    return pathlib.Path(shutil.copytree(staged, data_dir))


def build(data_dir, clips):
    builder = tfds.builder("kinetics600", data_dir=data_dir, config=CONFIG)
    builder.download_and_prepare(download_config=tfds.download.DownloadConfig(manual_dir=clips, num_shards=2))
    return builder


def go_on(data_dir, clips):
    """Runs the same command again, with nothing left to decode, and returns all files of the dataset."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "_run_pipeline", _die)
        builder = build(data_dir, clips)
    assert sorted(path.name for path in builder.data_path.parent.iterdir()) == [".staging", "1.0.0"]
    assert [path.name for path in (builder.data_path.parent / ".staging").iterdir()] == ["1.0.0.lock"]
    return {path.name: path.read_bytes() for path in builder.data_path.iterdir()}


def test_an_error_at_any_change_loses_no_shard(staged, clips, faults, tmp_path):
    with faults.below(copy(staged, tmp_path / "whole")):
        whole = go_on(tmp_path / "whole", clips)
    assert verify_dataset(tmp_path / "whole/kinetics600/tiny/1.0.0", workers=1).problems == ()
    assert faults.changes > 15
    for fail_at in range(1, faults.changes + 1):
        data_dir = copy(staged, tmp_path / str(fail_at))
        with (
            faults.below(data_dir, fail_at=fail_at),
            contextlib.suppress(Exception),
        ):
            build(data_dir, clips)
        assert faults.changes >= fail_at
        assert go_on(data_dir, clips) == whole
        shutil.rmtree(data_dir)


@pytest.mark.parametrize("limit", [0, 100, 700, 1500, 3000, 6000])
def test_a_file_that_cannot_be_written_whole(staged, clips, tmp_path, limit):
    """The system refuses bytes beyond a limit, to C++ as to Python: the manifest, too, is cut."""
    data_dir = copy(staged, tmp_path / "data")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        with pytest.raises(Exception, match=r"File too large|Cannot write|\[Errno 27\]"):
            build(data_dir, clips)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert set(SHARDS) < set(go_on(data_dir, clips))
