"""Opening annotation files: plain or inside archives, whatever their names say about their compression.

Archives are read as streams and nothing of them is written to disk. What a file may hold is capped, so that a small
download cannot fill the memory.
"""

from __future__ import annotations

import codecs
import gzip
import io
import os
import tarfile
import zipfile
from collections.abc import Iterator
from typing import IO, NamedTuple, Protocol

from kinetics_tfds.annotations.names import LIST_SUFFIXES, is_annotation_file
from kinetics_tfds.errors import AnnotationError, KineticsError
from kinetics_tfds.file_systems import open_file

# The largest official file, the train JSON of Kinetics-700, has about 160 MB.
MAX_LIST_BYTES = 1 << 29
MAX_ARCHIVE_BYTES = 1 << 31
_MAX_MEMBERS = 10_000
_MEDIA_SUFFIXES = (".mp4", ".mkv", ".webm", ".avi", ".mov", ".m4v", ".3gp", ".mpg")


class OpenList(NamedTuple):
    """One list, opened.

    Attributes:
        path: the file; for a member of an archive `{archive}:{member}`.
        text: its text, line endings as they are.
    """

    path: str
    text: IO[str]


def open_lists(path: str | os.PathLike[str]) -> Iterator[OpenList]:
    """Opens a file, or the lists inside an archive, one after the other; read each before asking for the next.

    Args:
        path: a local file, or a URL that fsspec or epath can open.

    Raises:
        AnnotationError: an archive holds no list, or something is larger than any real list.
        OSError, EOFError, tarfile.TarError, zipfile.BadZipFile, zlib.error: the file cannot be read or is damaged.
    """
    name = os.fspath(path)
    with open_file(path) as file:
        stream = _capped(file, MAX_ARCHIVE_BYTES, name)
        if stream.peek(4)[:4] == b"PK\x03\x04":
            file.seek(0)
            yield from _zip_lists(file, name)
            return
        if stream.peek(2)[:2] == b"\x1f\x8b":
            stream = _capped(gzip.GzipFile(fileobj=stream), MAX_ARCHIVE_BYTES, name)
        if stream.peek(512)[257:262] == b"ustar":
            yield from _tar_lists(stream, name)
        else:
            yield OpenList(name, _text(stream, name))


def _tar_lists(stream: io.BufferedReader, name: str) -> Iterator[OpenList]:
    others: list[str] = []
    found = False
    with tarfile.open(fileobj=stream, mode="r|") as archive:
        for number, member in enumerate(archive):
            _stop_at_media(name, member.name, number)
            if member.isreg() and _is_list(member.name):
                content = archive.extractfile(member)
                if content is not None:
                    found = True
                    yield OpenList(f"{name}:{member.name}", _text(content, f"{name}:{member.name}"))
            elif member.isreg():
                others.append(member.name)
    if not found:
        raise _no_lists(name, others)


def _zip_lists(file: IO[bytes], name: str) -> Iterator[OpenList]:
    with zipfile.ZipFile(file) as archive:
        members = [member.filename for member in archive.infolist() if not member.is_dir()]
        lists = [member for member in members if _is_list(member)]
        if not lists:
            raise _no_lists(name, members)
        for member in lists:
            with archive.open(member) as content:
                yield OpenList(f"{name}:{member}", _text(content, f"{name}:{member}"))


def _is_list(member: str) -> bool:
    """AppleDouble members (`._train.csv`) begin with a dot, which no list does."""
    return member.lower().endswith(LIST_SUFFIXES) and is_annotation_file(member)


def _stop_at_media(name: str, member: str, number: int) -> None:
    if member.lower().endswith(_MEDIA_SUFFIXES) or number >= _MAX_MEMBERS:
        raise AnnotationError(
            f"{name} is named like an archive of annotation lists, but holds other things ({member!r}).",
            "Unpack it where the clips are, or move it out of the way, and give the annotation files.",
        )


def _no_lists(name: str, members: list[str]) -> AnnotationError:
    shown = ", ".join(repr(member) for member in members[:5]) or "nothing"
    return AnnotationError(
        f"The archive {name} holds no annotation file; it holds {shown}.",
        "Give an archive with files like train.csv, validate.csv or test.json, or those files themselves.",
    )


def _text(stream: IO[bytes], name: str) -> io.TextIOWrapper:
    capped = _capped(stream, MAX_LIST_BYTES, name)
    # Spreadsheet programs save "Unicode text" as UTF-16, and say so in the first two bytes.
    encoding = "utf-16" if capped.peek(2)[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8-sig"
    # newline="": the csv module wants line endings as they are.
    return io.TextIOWrapper(capped, encoding=encoding, newline="")


def _capped(stream: _Readable, limit: int, name: str) -> io.BufferedReader:
    return io.BufferedReader(_CappedStream(stream, limit, name), 1 << 16)


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


class _CappedStream(io.RawIOBase):
    """Reads from another stream, and fails when more comes than can be meant."""

    def __init__(self, stream: _Readable, limit: int, name: str) -> None:
        self._stream = stream
        self._left = limit
        self._limit = limit
        self._name = name

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        try:
            data = self._stream.read(len(buffer))
        except KineticsError:
            raise
        except Exception as error:  # drivers of remote files, and decompressors, have errors of their own
            raise OSError(f"{type(error).__name__}: {error}") from error
        self._left -= len(data)
        if self._left < 0:
            raise AnnotationError(
                f"{self._name} unpacks to more than {self._limit >> 20} MiB, more than any list of Kinetics.",
                "Check where the file comes from, and download it again from an official source.",
            )
        buffer[: len(data)] = data
        return len(data)
