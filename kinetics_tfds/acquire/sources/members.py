"""Reading the members of an archive one after the other, trusting nothing that it says.

Nothing is ever extracted by an archive's own names: members are handed out as streams. Headers that ask for memory, and
archives that unpack to more than they could truly hold, are refused.
"""

from __future__ import annotations

import dataclasses
import functools
import gzip
import pathlib
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import IO, Any

from kinetics_tfds.acquire.outcome import Outcome, Reason
from kinetics_tfds.acquire.sources.magic import HEAD_BYTES, describe
from kinetics_tfds.clips.containers import container_suffix

_BLOCK = 1 << 18
_MAX_HEADER = 1 << 20  # bytes of one member's long name or extended header; tarfile reads them into memory
_MAX_MEMBERS = 5_000_000
# All that tarfile, zipfile and gzip raise on damaged data.
DAMAGE = (
    gzip.BadGzipFile,  # an `OSError`, and yet not one of the network
    tarfile.TarError,
    zipfile.BadZipFile,
    gzip.BadGzipFile,
    zlib.error,
    EOFError,
    struct.error,
    UnicodeDecodeError,
    NotImplementedError,  # zipfile, of compressions that it does not know
    RuntimeError,  # zipfile, of encrypted members
)


class MemberError(Exception):
    """One member of an archive is not what it should be.

    Attributes:
        outcome: what that means for its clips.
    """

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.message)
        self.outcome = outcome


class ArchiveError(Exception):
    """The archive is no archive, is damaged or is hostile; what was read before is sound."""


class NotAnArchiveError(ArchiveError):
    """It is something else, such as a server's web page."""


@dataclasses.dataclass(frozen=True, slots=True)
class Member:
    """One regular file in an archive.

    Attributes:
        name: as the archive writes it, with forward slashes: never to be used as a path.
        size: bytes.
        open: gives its bytes; only until the next member is asked for.
    """

    name: str
    size: int
    open: Callable[[], IO[bytes]]


def read_members(file: IO[bytes], max_bytes: int, check: Callable[[], None] = lambda: None) -> Iterator[Member]:
    """Yields the regular files of an archive in their order.

    A plain tar, a compressed one and a zip are told apart by their first bytes, whatever the name says.

    Args:
        file: the archive, buffered; a zip must be seekable.
        max_bytes: the most that it may unpack to.
        check: called for every block.

    Raises:
        NotAnArchiveError: it is something else.
        ArchiveError: damaged, truncated or over the limits.
        OSError: the bytes could not be had; `web.outcome_of` says why.
    """
    head = _peek(file)
    try:
        if head[:4] == b"PK\x03\x04" and not file.seekable():
            raise ArchiveError("it is a zip, and its name does not end with .zip")
        if head[:4] == b"PK\x03\x04":
            yield from _zip_members(file, max_bytes)
        elif head[:2] == b"\x1f\x8b":
            with gzip.GzipFile(fileobj=file) as unpacked:
                yield from _tar_members(unpacked, max_bytes, check)
        elif head[257:262] == b"ustar" or _is_old_tar(head):
            yield from _tar_members(file, max_bytes, check)
        else:
            raise NotAnArchiveError(f"it is {describe(head)}")
    except DAMAGE as error:
        raise ArchiveError(f"it is damaged: {type(error).__name__}: {error}") from error


def _peek(file: Any) -> bytes:
    head = file.peek(HEAD_BYTES)[:HEAD_BYTES]
    if len(head) < HEAD_BYTES and file.seekable():  # a pipe gives what it has
        head = file.read(HEAD_BYTES)
        file.seek(0)
    return head


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


class _Counted:
    """Ends the reading of an archive that unpacks to too much. Gives what is there, rather than waiting for more."""

    def __init__(self, file: Any, limit: int, check: Callable[[], None]) -> None:
        self._file, self._left, self._limit, self._check = file, limit, limit, check

    def read(self, size: int) -> bytes:
        self._check()
        block = self._file.read1(size)
        self._left -= len(block)
        if self._left < 0:
            raise ArchiveError(f"it unpacks to more than {self._limit / 1e9:g} GB")
        return block


def _tar_members(file: Any, max_bytes: int, check: Callable[[], None]) -> Iterator[Member]:
    counted: Any = _Counted(file, max_bytes, check)
    with tarfile.open(fileobj=counted, mode="r|", bufsize=_BLOCK, tarinfo=_TarInfo) as archive:
        for number, info in enumerate(archive):
            archive.members = []  # tarfile would remember every header that it has read
            if number >= _MAX_MEMBERS:
                raise ArchiveError(f"it is hostile: more than {_MAX_MEMBERS:,} members")
            if info.type not in (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE) or info.issparse():
                continue  # links, devices, folders; and sparse files, that unpack to any size
            yield Member(info.name.replace("\\", "/"), info.size, functools.partial(_open_tar, archive, info))
        ended_by = getattr(archive, "ended_by", None)
        if not isinstance(ended_by, tarfile.EOFHeaderError):
            what = "truncated" if isinstance(ended_by, _NO_HEADER) else "damaged"
            raise ArchiveError(f"it is {what}: {ended_by or 'no end mark'}")
    while counted.read(_BLOCK):  # gzip's checksum comes last
        pass


_NO_HEADER = (tarfile.EmptyHeaderError, tarfile.TruncatedHeaderError)


def _open_tar(archive: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    file = archive.extractfile(info)
    if file is None:
        raise ArchiveError(f"{info.name!r} is no regular file")
    return file


def _zip_members(file: IO[bytes], max_bytes: int) -> Iterator[Member]:
    left = max_bytes
    with zipfile.ZipFile(file) as archive:
        # In the order of their bytes: a zip that is read over the network is then read forwards.
        for info in sorted(archive.infolist(), key=lambda each: each.header_offset):
            kind = stat.S_IFMT(info.external_attr >> 16)
            if info.is_dir() or kind not in (0, stat.S_IFREG) or info.flag_bits & 1:
                continue  # folders, links, devices; encrypted members
            left -= info.file_size
            if left < 0:
                raise ArchiveError(f"it unpacks to more than {max_bytes / 1e9:g} GB")
            yield Member(info.filename.replace("\\", "/"), info.file_size, functools.partial(archive.open, info))


def copy_member(member: Member, target: pathlib.Path, max_bytes: int, check: Callable[[], None]) -> pathlib.Path:
    """Writes one member to a file of our own name.

    Args:
        member: the one that was yielded last.
        target: the file without suffix; its suffix is chosen by what the member holds, not by its name.
        max_bytes: the most that it may hold.
        check: called for every block.

    Returns:
        The file.

    Raises:
        MemberError: this member is of no use; the next one may be.
        ArchiveError: the archive is damaged or truncated here.
        OSError: the bytes could not be had, or not be written.
    """
    if member.size > max_bytes:
        raise MemberError(Outcome(Reason.TOO_LARGE, f"a member of {member.size / 1e9:.2f} GB"))
    path = target
    try:
        with member.open() as source:
            head = source.read(HEAD_BYTES)
            suffix = container_suffix(head)
            if suffix is None:
                raise MemberError(Outcome(Reason.DAMAGED, f"a member is {describe(head)}"))
            path = target.with_suffix(suffix)
            written = _copy(source, head, path, max_bytes, check)
        if written != member.size:
            raise ArchiveError(f"it is damaged: {written} bytes of a member of {member.size}")
        return path
    except BaseException as error:
        path.unlink(missing_ok=True)
        if isinstance(error, DAMAGE):
            raise ArchiveError(f"it is damaged: {type(error).__name__}: {error}") from error
        raise


def _copy(source: IO[bytes], block: bytes, path: pathlib.Path, max_bytes: int, check: Callable[[], None]) -> int:
    written = 0
    with path.open("wb") as file:
        while block:
            check()
            written += len(block)
            if written > max_bytes:
                raise MemberError(Outcome(Reason.TOO_LARGE, f"a member of more than {max_bytes / 1e9:g} GB"))
            file.write(block)
            block = source.read(_BLOCK)
    return written
