"""Finds media that changed after its shard was written: a build that goes on must not mix old and new files."""

from __future__ import annotations

import concurrent.futures
import os
from collections.abc import Iterable

from kinetics_tfds.clips.content import read_content
from kinetics_tfds.clips.media import MediaContent
from kinetics_tfds.file_systems import is_local
from kinetics_tfds.planning.plan import ShardPlan
from kinetics_tfds.printable import printable
from kinetics_tfds.shards.report import ClipReport

_AT_ONCE = 16  # on network file systems each question costs a round trip


def replaced_media(shard: ShardPlan, clips: Iterable[ClipReport], root: str, written: float) -> list[str]:
    """Returns the paths of a shard's clips whose files were replaced, rewritten or removed since it was written.

    Files are read only if their change time is later: it cannot be set back, by whoever moves an older file to another
    one's place, and also moves with a file's owner and number of links.

    Args:
        shard: the shard.
        clips: how each of its clips ended.
        root: the folder that the paths are relative to. Nothing is said of remote ones.
        written: when the shard's sidecar was written, seconds since 1970.
    """
    if not is_local(root):
        return []
    root = os.path.expanduser(root)

    def is_replaced(path: str, report: ClipReport) -> bool:
        local = os.path.join(root, *path.split("/"))
        try:
            status = os.stat(local)
            if max(status.st_ctime, status.st_mtime) <= written:
                return False
            return read_content(local) != MediaContent(report.media_bytes, report.media_digest)
        except OSError:
            return True

    paths = [planned.media.path for planned in shard.clips]
    with concurrent.futures.ThreadPoolExecutor(_AT_ONCE) as threads:
        return [path for path, is_new in zip(paths, threads.map(is_replaced, paths, clips), strict=True) if is_new]


def describe_replaced(replaced: Iterable[list[str]]) -> str:
    """Returns one line for people about the shards that are written again."""
    found = list(replaced)
    clips = sum(map(len, found))
    return (
        f"{clips:,} files have changed since their shards were written, such as {printable(found[0][0])}; shards that "
        f"are written again: {len(found):,}"
    )
