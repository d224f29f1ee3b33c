"""Reading the members of an archive one after the other, trusting nothing that it says.

Nothing is ever extracted under an archive's own names: members are handed out as open files. Headers that ask for
memory, and archives that unpack to more than the limits, are refused before any of it is read.
"""

from __future__ import annotations

import dataclasses
import functools
import gzip
import stat
import struct
import tarfile
import types
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import IO, Any

_BLOCK = 1 << 18
_HEAD_BYTES = 512
_MAX_HEADER = 1 << 20  # bytes of one member's long name or extended header; tarfile reads them into memory
_MAX_MEMBERS = 5_000_000


class ArchiveError(Exception):
    """The archive is damaged or hostile; what was read before is intact."""


class NotAnArchiveError(ArchiveError):
    """It is something else, such as a server's web page."""


# All that reading an archive, or a member of it, raises on damaged data.
DAMAGE = (
    ArchiveError,
    gzip.BadGzipFile,  # an `OSError`, and yet not one of the disk
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    struct.error,
    UnicodeDecodeError,
    NotImplementedError,  # zipfile, of compressions that it does not know
    RuntimeError,  # zipfile, of encrypted members
)


@dataclasses.dataclass(frozen=True, slots=True)
class Member:
    """One regular file in an archive.

    Attributes:
        name: as the archive writes it, with forward slashes: never to be used as a path.
        size: bytes.
        open: gives its bytes; only until the next member is asked for.
        is_apart: whether damage to it says nothing of the members after it.
    """

    name: str
    size: int
    open: Callable[[], IO[bytes]]
    is_apart: bool = False


def read_members(file: Any, max_bytes: float) -> Iterator[Member]:
    """Yields the regular files of an archive in their order.

    A plain tar, a compressed one and a zip are told apart by their first bytes, whatever the name says.

    Args:
        file: the archive, buffered; a zip must be seekable.
        max_bytes: the most that its members may come to.

    Raises:
        NotAnArchiveError: it is something else.
        Exception: one of `DAMAGE`: it is damaged, truncated or over the limits.
    """
    head = file.peek(_HEAD_BYTES)[:_HEAD_BYTES]
    limit = _Limit(max_bytes)
    if head[:4] == b"PK\x03\x04":
        yield from _zip_members(file, limit)
    elif head[:2] == b"\x1f\x8b":
        yield from _tar_members(gzip.GzipFile(fileobj=file), limit)
    elif head[257:262] == b"ustar" or _is_old_tar(head):
        yield from _tar_members(file, limit)
    else:
        raise NotAnArchiveError(f"it is no tar, gzip or zip file, but begins with {head[:16]!r}")


class _Limit:
    """What an archive may still unpack to."""

    def __init__(self, max_bytes: float) -> None:
        self._max_bytes = self._bytes = max_bytes
        self._members = _MAX_MEMBERS

    def take(self, size: int) -> None:
        """Counts a member, by its header: before any of it is read."""
        self._bytes -= size
        self._members -= 1
        if self._bytes < 0 or self._members < 0:
            raise ArchiveError(f"it unpacks to more than {self._max_bytes / 1e9:g} GB, or {_MAX_MEMBERS:,} files")


def _is_old_tar(head: bytes) -> bool:
    """Returns whether these bytes are a tar header from before the magic word: its checksum is right."""
    try:
        return len(head) == 512 and tarfile.nti(head[148:156]) in tarfile.calc_chksums(head) and any(head)  # type: ignore[attr-defined]
    except tarfile.HeaderError:
        return False


class _TarInfo(tarfile.TarInfo):
    """Refuses headers whose contents tarfile would read into memory whole, and notes what ended an archive.

    tarfile takes any header that it cannot read for the end, as long as it is not the first.
    """

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> tarfile.TarInfo:
        info = super().frombuf(buf, encoding, errors)
        extended = (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE)
        if info.type in (*extended, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK) and info.size > _MAX_HEADER:
            raise ArchiveError(f"it is hostile: a header of {info.size:,} bytes")
        return info

    @classmethod
    def fromtarfile(cls, archive: Any) -> tarfile.TarInfo:
        try:
            return super().fromtarfile(archive)
        except tarfile.HeaderError as error:
            archive.ended_by = error
            raise


def _tar_members(file: Any, limit: _Limit) -> Iterator[Member]:
    # As a stream: a seek back by one byte, as in files, would unpack everything again. And never more than there is at
    # a time: asked for that, gzip would keep the last bytes before damage to itself.
    stream: Any = types.SimpleNamespace(read=file.read1)
    with tarfile.open(fileobj=stream, mode="r|", bufsize=_BLOCK, tarinfo=_TarInfo) as archive:
        for info in archive:
            archive.members = []  # tarfile would remember every header that it has read
            limit.take(info.size)
            if info.type in (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE) and not info.issparse():
                opened: Any = functools.partial(archive.extractfile, info)
                yield Member(info.name.replace("\\", "/"), info.size, opened)
        ended_by = getattr(archive, "ended_by", None)
        if not isinstance(ended_by, tarfile.EOFHeaderError):
            truncated = isinstance(ended_by, tarfile.EmptyHeaderError | tarfile.TruncatedHeaderError)
            raise ArchiveError(f"it is {'truncated' if truncated else 'damaged'}: {ended_by or 'no end mark'}")
    while block := file.read(_BLOCK):  # gzip's checksum comes last
        limit.take(len(block))


def _zip_members(file: IO[bytes], limit: _Limit) -> Iterator[Member]:
    with zipfile.ZipFile(file) as archive:
        for info in archive.infolist():
            limit.take(info.file_size)
            # Links, devices, folders and encrypted members are left out.
            if stat.S_IFMT(info.external_attr >> 16) in (0, stat.S_IFREG) and not (info.is_dir() or info.flag_bits & 1):
                name = info.filename.replace("\\", "/")
                yield Member(name, info.file_size, functools.partial(archive.open, info), is_apart=True)
