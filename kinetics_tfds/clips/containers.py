"""Which container a media file is, by its first bytes: names lie, on servers and in archives alike."""

from __future__ import annotations

import enum

# How many bytes of a file `sniff_container` and `container_suffix` look at.
HEAD_BYTES = 64

# Boxes that a QuickTime or MP4 file may begin with (ISO/IEC 14496-12, and Apple's QuickTime File Format).
MOV_BOXES = frozenset(b"ftyp moov mdat moof free skip wide udta uuid meta mfra sidx styp pnot prft emsg ssix".split())


class Container(enum.StrEnum):
    """The containers that are read. Each value is the name of FFmpeg's demuxer."""

    MOV = "mov"  # MP4 too
    MATROSKA = "matroska"  # WebM too
    AVI = "avi"
    MPEG = "mpeg"  # program streams


def sniff_container(head: bytes) -> Container | None:
    """Returns the container that a file's first `HEAD_BYTES` bytes announce, or None for anything else."""
    if head[4:8] in MOV_BOXES:
        return Container.MOV
    if head[:4] == b"\x1a\x45\xdf\xa3":
        return Container.MATROSKA
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return Container.AVI
    if head[:4] == b"\0\0\1\xba":
        return Container.MPEG
    return None


def container_suffix(head: bytes) -> str | None:
    r"""Returns the usual suffix of the container that a file's first `HEAD_BYTES` bytes announce.

    >>> container_suffix(b"\x00\x00\x00\x20ftypisom"), container_suffix(b"<!DOCTYPE html>")
    ('.mp4', None)
    """
    kind = sniff_container(head)
    if kind is Container.MOV:
        return ".mov" if head[8:12] == b"qt  " else ".mp4"
    if kind is Container.MATROSKA:
        return ".webm" if b"webm" in head[:HEAD_BYTES] else ".mkv"
    return {Container.AVI: ".avi", Container.MPEG: ".mpg", None: None}[kind]
