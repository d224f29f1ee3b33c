"""What a container's own sizes and checksums say about damage, before any frame is decoded.

Decoders miss much: many a flipped bit just gives another picture. Sizes that reach past the end of the file, links
between parts that do not meet, and the checksums that Matroska files carry are certain, and cheap to follow: only
headers are read, and the clusters that hold the clip.
"""

from __future__ import annotations

import dataclasses
import os
import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from kinetics_tfds.clips.containers import MOV_BOXES, Container

# Matroska element ids.
_SEGMENT, _CLUSTER, _TIMESTAMP, _CRC, _INFO, _SCALE = (
    0x18538067, 0x1F43B675, 0xE7, 0xBF, 0x1549A966, 0x2AD7B1,
)  # fmt: skip
_IN_SEGMENT = frozenset(
    (0x114D9B74, _INFO, 0x1654AE6B, 0x1043A770, _CLUSTER, 0x1C53BB6B, 0x1941A469, 0x1254C367, 0xEC, _CRC)
)
_IN_CLUSTER = frozenset((_TIMESTAMP, 0x5854, 0xA7, 0xAB, 0xA3, 0xA0, 0xAF, 0xEC, _CRC))
_TRACKS = 0x1654AE6B


@dataclasses.dataclass(frozen=True, slots=True)
class Flaw:
    """A place where a file contradicts itself.

    Attributes:
        time: seconds in the file from which on frames may be affected; None where that is unknown.
        detail: one line for people.
    """

    time: float | None
    detail: str


@dataclasses.dataclass(frozen=True, slots=True)
class Structure:
    """What following the sizes of a container showed.

    Attributes:
        truncated: what reaches past the end of the file, or None.
        flaws: what does not fit together, in file order.
        fragmented: whether an MP4 file comes in pieces with an index each.
    """

    kind: Container
    truncated: str | None = None
    flaws: tuple[Flaw, ...] = ()
    fragmented: bool = False


def check_structure(path: str, kind: Container, start: float = 0.0, end: float = float("inf")) -> Structure:
    """Follows the sizes of a file.

    Args:
        path: of a local file.
        kind: of container it is.
        start: seconds in the file; Matroska clusters that end before it are not looked into.
        end: likewise, for clusters that start at or after it.

    Raises:
        OSError: the file cannot be read.
    """
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        if kind is Container.MATROSKA:
            return _Matroska(file, size, start, end).check()
        if kind is Container.AVI:
            return Structure(kind, _avi_truncation(file, size))
        truncated, fragmented = _follow_boxes(file, size)
        return Structure(kind, truncated, fragmented=fragmented)


def _follow_boxes(file: BinaryIO, size: int) -> tuple[str | None, bool]:
    """Returns what reaches past the end of an MP4 file, and whether it is fragmented."""
    position, seen = 0, set()
    while position + 8 <= size:
        file.seek(position)
        header = file.read(16)
        length, name = struct.unpack(">I4s", header[:8])
        if name not in MOV_BOXES:
            break  # what follows the last box is padding or someone's notes
        seen.add(name)
        if length == 0:
            position = size
        elif length == 1 and len(header) == 16:
            position += max(16, struct.unpack(">Q", header[8:])[0])
        else:
            position += max(8, length)
    if position > size:
        return f"its {name.decode()} box ends {position - size} bytes past the end of the file", b"moof" in seen
    return None if b"moov" in seen else "its index (the moov box) is missing", b"moof" in seen


def _avi_truncation(file: BinaryIO, size: int) -> str | None:
    position = 12
    while position + 12 <= size:
        file.seek(position)
        name, length, kind = struct.unpack("<4sI4s", file.read(12))
        end = position + 8 + length
        if (name, kind) == (b"LIST", b"movi"):
            # Recorders that never came to an end leave 0, or the largest size.
            known = 0 < length < 0xFFFFFF00
            return f"its frames end {end - size} bytes past the end of the file" if known and end > size else None
        position = end + (length & 1)
    return "its frames (the movi list) are missing"


class _Matroska:
    """Follows the elements of one Matroska or WebM file."""

    def __init__(self, file: BinaryIO, size: int, start: float, end: float) -> None:
        self._file = file
        self._size = size
        self._start = start
        self._end = end
        self._scale = 1_000_000  # nanoseconds a tick
        self._flaws: list[Flaw] = []
        self._last_time: float | None = None

    def check(self) -> Structure:
        position = 0
        truncated = None
        for name, body, length in self._elements(0, self._size):
            position = body
            if name == _SEGMENT:
                segment_end = self._size if length is None else body + length
                if segment_end > self._size:
                    truncated = f"its segment ends {segment_end - self._size} bytes past the end of the file"
                truncated = self._check_segment(body, min(segment_end, self._size)) or truncated
                break
        else:
            truncated = f"it holds no segment (looked up to byte {position})"
        return Structure(Container.MATROSKA, truncated, tuple(self._flaws))

    def _elements(self, position: int, end: int) -> Iterator[tuple[int, int, int | None]]:
        """Yields (id, where its body starts, its size or None if unknown) of the elements up to `end`."""
        while position < end:
            self._file.seek(position)
            parsed = _element_header(self._file.read(12))
            if parsed is None:
                self._flaws.append(Flaw(self._last_time, f"no Matroska element at byte {position}"))
                return
            name, length, header = parsed
            yield name, position + header, length
            if length is None:
                if name != _CLUSTER:
                    return
                position += header  # a live stream's cluster: its children follow, and end at the next cluster
            else:
                position += header + length

    def _check_segment(self, position: int, end: int) -> str | None:
        """Returns what ends past the file's end; fills in the flaws."""
        cluster: tuple[int, int] | None = None  # the last one, looked into once the time of the next is known
        for name, body, length in self._elements(position, end):
            if name not in _IN_SEGMENT and name not in _IN_CLUSTER:
                self._flaws.append(Flaw(self._last_time, f"unknown Matroska element {name:#x} at byte {body}"))
            if length is not None and body + length > self._size:
                self._look_into(cluster)
                return f"its element at byte {body} ends {body + length - self._size} bytes past the end of the file"
            if name == _INFO and length is not None:
                self._scale = self._read_scale(body, length)
            if name in (_INFO, _TRACKS) and length is not None:
                self._check_crc(body, length, None)
            if name == _CLUSTER and length is not None:
                time = self._cluster_time(body, length)
                if time is None:
                    self._flaws.append(Flaw(self._last_time, f"the cluster at byte {body} has no timestamp"))
                elif time > self._start:
                    self._look_into(cluster)
                cluster = (body, length)
                if time is not None:
                    self._last_time = time
                    if time >= self._end:
                        return None
        self._look_into(cluster)
        return None

    def _look_into(self, cluster: tuple[int, int] | None) -> None:
        if cluster is None:
            return
        body, length = cluster
        time = self._cluster_time(body, length)
        if self._check_crc(body, length, time):
            return  # the checksum holds, so the children do
        reached = body
        for name, child, size in self._elements(body, body + length):
            if name not in _IN_CLUSTER or size is None:
                self._flaws.append(Flaw(time, f"unknown element {name:#x} in the cluster at byte {body}"))
                return
            reached = child + size
        if reached != body + length:
            self._flaws.append(Flaw(time, f"the blocks of the cluster at byte {body} do not fill it"))

    def _check_crc(self, body: int, length: int, time: float | None) -> bool:
        """Returns whether the element carries a checksum and it holds; notes a flaw where it does not."""
        if length > 256 << 20:
            return False
        self._file.seek(body)
        data = self._file.read(length)
        if data[:2] != b"\xbf\x84" or len(data) < 6:
            return False
        if zlib.crc32(memoryview(data)[6:]) == int.from_bytes(data[2:6], "little"):
            return True
        self._flaws.append(Flaw(time, f"the checksum of the element at byte {body} does not match"))
        return False

    def _cluster_time(self, body: int, length: int) -> float | None:
        for name, child, size in self._quiet_elements(body, min(body + length, body + 64)):
            if name == _TIMESTAMP and size is not None and size <= 8:
                self._file.seek(child)
                return int.from_bytes(self._file.read(size), "big") * self._scale / 1e9
        return None

    def _read_scale(self, body: int, length: int) -> int:
        for name, child, size in self._quiet_elements(body, body + length):
            if name == _SCALE and size is not None and size <= 8:
                self._file.seek(child)
                return int.from_bytes(self._file.read(size), "big") or 1_000_000
        return 1_000_000

    def _quiet_elements(self, position: int, end: int) -> list[tuple[int, int, int | None]]:
        """Like `_elements`, without noting flaws."""
        before = len(self._flaws)
        found = list(self._elements(position, end))
        del self._flaws[before:]
        return found


def _element_header(data: bytes) -> tuple[int, int | None, int] | None:
    """Parses an element's id and size: (id, size or None if unknown, bytes of the header); None where there is none."""
    if len(data) < 2 or data[0] < 0x10:
        return None
    id_length = 9 - data[0].bit_length()
    name = int.from_bytes(data[:id_length], "big")
    rest = data[id_length:]
    if not rest or rest[0] == 0:
        return None
    size_length = 9 - rest[0].bit_length()
    if len(rest) < size_length:
        return None
    size = int.from_bytes(rest[:size_length], "big") & ((1 << 7 * size_length) - 1)
    return name, None if size == (1 << 7 * size_length) - 1 else size, id_length + size_length
