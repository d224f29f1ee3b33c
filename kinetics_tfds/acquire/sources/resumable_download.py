"""A large file that is read from a URL once, however often the process that reads it is killed.

What came is kept on disk until the file was read to its end, so that the next process begins with that and asks for
the rest. At most the archives in flight are kept, never the whole data set.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import io
import json
import os
import pathlib
import shutil
from collections.abc import Callable
from typing import Any

from kinetics_tfds.acquire.sources.magic import HEAD_BYTES
from kinetics_tfds.acquire.sources.urls import public_url
from kinetics_tfds.acquire.sources.web import Web, WebFile

_KEEP_FREE = 5 << 30  # bytes of disk below which nothing more is kept
_LOOK_EVERY = 64 << 20  # bytes between looks at the disk


class ResumableDownload(io.RawIOBase):
    """Reads a URL forwards, and keeps what it read.

    Attributes:
        from_before: whether some of it was kept by an earlier process. A power cut may have spoilt that.
    """

    def __init__(self, url: str, web: Web, check: Callable[[], None], folder: pathlib.Path) -> None:
        super().__init__()
        self._web_file = WebFile(url, web, check)
        self._check = check
        self._url = url
        stem = hashlib.sha256(url.encode()).hexdigest()[:24]
        self._path, self._notes = folder / f"partial-{stem}.part", folder / f"partial-{stem}.json"
        self._kept: io.FileIO | None = None
        self._position = self._length = self._looked = 0
        folder.mkdir(parents=True, exist_ok=True)
        self._open()
        self.from_before = self._length > 0

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Reads what is kept, then what the server sends.

        Raises:
            TransferError: the bytes cannot be had.
        """
        if self._kept is not None and self._position < self._length:
            self._check()
            count = self._kept.readinto(memoryview(buffer)[: self._length - self._position]) or 0
            if count:
                self._position += count
                return count
        count = self._web_file.readinto(buffer)
        while count and self._position == 0 and count < min(HEAD_BYTES, len(buffer)):
            # Whoever looks at the head wants all of it at once.
            more = self._web_file.readinto(memoryview(buffer)[count:])
            if not more:
                break
            count += more
        if self._kept is not None and count:
            self._keep(memoryview(buffer)[:count])
        self._position += count
        return count

    def discard(self) -> None:
        """Forgets what was kept: the file was read to its end, or is of no use."""
        if self._kept is not None:
            self._path.unlink(missing_ok=True)
            self._notes.unlink(missing_ok=True)
            self._kept.close()
            self._kept = None

    def close(self) -> None:
        """Drops the connection; what was read stays for the next process."""
        self._web_file.close()
        if self._kept is not None:
            self._kept.close()
        super().close()

    def _open(self) -> None:
        try:
            kept = io.FileIO(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666), "r+")
        except OSError:  # no right to write there: then nothing is kept
            return
        try:
            fcntl.flock(kept, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:  # another process reads it, too
            kept.close()
            return
        self._kept = kept
        try:
            notes = json.loads(self._notes.read_text(encoding="ascii"))
            self._length = os.fstat(kept.fileno()).st_size
            self._web_file.resume(self._length, notes["size"], notes["validator"])
        except (OSError, ValueError, KeyError, TypeError):
            self._length = 0
            kept.truncate(0)

    def _keep(self, block: memoryview) -> None:
        assert self._kept is not None
        try:
            if self._length == 0:
                # First, so that no kept byte is without the note that tells whether it still belongs to the file.
                size, validator = self._web_file.identity
                notes = {"url": public_url(self._url), "size": size, "validator": validator}
                self._notes.write_text(json.dumps(notes), encoding="ascii")
            if self._length >= self._looked:
                self._looked = self._length + _LOOK_EVERY
                if shutil.disk_usage(self._path.parent).free < _KEEP_FREE:
                    self.discard()
                    return
            self._length += self._kept.write(block)
        except OSError:  # a full disk, most likely: reading goes on without keeping
            with contextlib.suppress(OSError):
                self.discard()
