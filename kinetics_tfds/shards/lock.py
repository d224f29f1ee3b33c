"""One build of a dataset at a time: where builds stage their work, and the run that holds a dataset.

On a disk the system's lock says whether another build runs, and drops it when the process dies, however it dies.
Buckets (and some mounts) have no locks: there a run counts as going on while its heartbeat is fresh.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

from etils import epath

from kinetics_tfds.errors import ConfigError, PlanMismatchError
from kinetics_tfds.file_systems import is_local, remove_tree
from kinetics_tfds.locks import try_lock
from kinetics_tfds.shards.run_folder import RunFolder, list_runs

_STAGING_FOLDER = ".staging"
_BEAT_SECONDS = 10.0


def staging_path(data_path: epath.Path, fingerprint: str) -> epath.Path:
    """Returns the staging folder of a build.

    Args:
        data_path: the dataset's folder, `<data_dir>/<name>/<config>/<version>`, which need not exist.
        fingerprint: the build's.
    """
    return data_path.parent / _STAGING_FOLDER / f"{data_path.name}-{fingerprint[:12]}"


def runs_path(data_path: epath.Path) -> epath.Path:
    """Returns the folder of the runs that build the dataset of a folder."""
    return data_path.parent / _STAGING_FOLDER / f"{data_path.name}.runs"


def lock_path(data_path: epath.Path) -> epath.Path:
    """Returns the file that locks the dataset of a folder."""
    return data_path.parent / _STAGING_FOLDER / f"{data_path.name}.lock"


@contextlib.contextmanager
def build_run(data_path: epath.Path) -> Iterator[RunFolder]:
    """Holds a dataset for one run while the context lasts, and keeps its heartbeat.

    Workers of earlier runs that are still about are told to stop.

    Args:
        data_path: the dataset's folder.

    Raises:
        PlanMismatchError: another run holds it.
        ConfigError: the folder cannot be written.
        StorageError: the bucket cannot be written.
    """
    with _system_lock(lock_path(data_path)) as locked:
        run = RunFolder.new(runs_path(data_path))
        run.beat()
        try:
            _take_over(run, data_path, locked=locked)
        except BaseException:
            run.remove()
            raise
        with _beating(run):
            try:
                yield run
            except BaseException:
                run.ask_to_stop()  # workers on other machines may be writing still; a later run removes the folder
                raise
        remove_tree(run.path.parent)  # with those of earlier runs, whose workers stop without them


def _take_over(run: RunFolder, data_path: epath.Path, *, locked: bool) -> None:
    others = [other for other in list_runs(run.path.parent) if other.id != run.id]
    if not locked:
        now = run.beat_time()
        for other in others:
            if other.is_going_on(now):
                raise PlanMismatchError(
                    f"{other.holder()} is already building {data_path}.",
                    "Wait for it to end, or end it; then run this command again: finished shards are kept. Where there "
                    f"are no locks, a run that was killed on another machine counts as going on for "
                    f"{RunFolder.FRESH_SECONDS:g} s more.",
                )
    for other in others:
        other.ask_to_stop()


@contextlib.contextmanager
def _beating(run: RunFolder) -> Iterator[None]:
    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(_BEAT_SECONDS):
            with contextlib.suppress(Exception):  # workers wait for the next one for a while
                run.beat()

    thread = threading.Thread(target=beat, name="kinetics-heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@contextlib.contextmanager
def _system_lock(path: epath.Path) -> Iterator[bool]:
    """Holds the system's lock on a file, which stays: removing it would let two builds hold two locks of one name.

    Yields:
        Whether the file system has locks.
    """
    if not is_local(path):
        yield False
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    except OSError as error:
        raise ConfigError(
            f"Cannot write in {path.parent}: {error.strerror or error}",
            "Give this user the right to write there, or name another --data_dir.",
        ) from error
    try:
        descriptor = try_lock(path)
    except OSError:  # a file system without locks, such as some network mounts
        yield False
        return
    if descriptor is None:
        raise PlanMismatchError(
            f"{path.read_text().strip() or 'Another process'} is already building this dataset (it holds {path}).",
            "Wait for it to end, or end it; then run this command again: finished shards are kept.",
        )
    with open(descriptor, "r+", encoding="utf-8") as file:
        file.truncate()
        file.write(RunFolder.describe_this_process() + "\n")
        file.flush()
        yield True
