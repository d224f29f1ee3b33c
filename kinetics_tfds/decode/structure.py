"""What a container's own sizes and checksums say about damage, before any frame is decoded.

FFmpeg's decoders, flags, counts and times find most damage. What they miss and this finds was measured with
benchmarks/damage.py: of 1,000 damaged Matroska files 192 passed without this, 158 of them with elements that end past
the end of the file, 29 with checksums that do not match, 10 with clusters that their blocks do not fill; of 120 damaged
AVI files 2. MP4 files do not pass without it, but it tells `truncated` from `corrupt`. Only headers are read, and the
clusters that hold the clip.
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
_SEGMENT, _CLUSTER, _TIMESTAMP, _CRC, _INFO, _SCALE, _TRACKS = (
    0x18538067, 0x1F43B675, 0xE7, 0xBF, 0x1549A966, 0x2AD7B1, 0x1654AE6B,
)  # fmt: skip
_IN_CLUSTER = frozenset((_TIMESTAMP, 0x5854, 0xA7, 0xAB, 0xA3, 0xA0, 0xAF, 0xEC, _CRC))
_LARGEST_CHECKED = 256 << 20


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
    """

    truncated: str | None = None
    flaws: tuple[Flaw, ...] = ()


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
        if kind is Container.MPEG:
            return Structure()  # it says nothing of the whole file
        return Structure(_avi_truncation(file, size) if kind is Container.AVI else _mov_truncation(file, size))


def _mov_truncation(file: BinaryIO, size: int) -> str | None:
    position, name, seen = 0, b"", set()
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
        return f"its {name.decode()} box ends {position - size} bytes past the end of the file"
    return None if b"moov" in seen else "its index (the moov box) is missing"


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

    def check(self) -> Structure:
        segment = next(((body, size) for name, body, size in self._elements(0, self._size) if name == _SEGMENT), None)
        if segment is None:
            return Structure("it holds no segment")
        body, length = segment
        end = self._size if length is None else body + length
        truncated = self._check_segment(body, min(end, self._size))
        if truncated is None and end > self._size:
            truncated = f"its segment ends {end - self._size} bytes past the end of the file"
        return Structure(truncated, tuple(self._flaws))

    def _elements(self, position: int, end: int) -> Iterator[tuple[int, int, int | None]]:
        """Yields (id, where its body starts, its size or None if unknown) of the elements before `end` or garbage."""
        while position < end:
            self._file.seek(position)
            parsed = _element_header(self._file.read(12))
            if parsed is None:
                return
            name, length, header = parsed
            yield name, position + header, length
            if length is None and name not in (_SEGMENT, _CLUSTER):
                return
            # The children of a live stream's cluster follow, and end at the next cluster.
            position += header + (length or 0)

    def _check_segment(self, position: int, end: int) -> str | None:
        """Returns what ends past the file's end; fills in the flaws."""
        cluster: tuple[int, int] | None = None  # the last one, looked into once the time of the next is known
        for name, body, length in self._elements(position, end):
            if length is None:
                continue
            if body + length > self._size:
                self._look_into(cluster)
                return f"its element at byte {body} ends {body + length - self._size} bytes past the end of the file"
            if name == _INFO:
                self._scale = self._read_number(body, length, _SCALE) or self._scale
            if name in (_INFO, _TRACKS):
                self._check_crc(body, length, None)
            if name == _CLUSTER:
                time = self._cluster_time(body, length)
                if time is None or time > self._start:
                    self._look_into(cluster)
                cluster = (body, length)
                if time is not None and time >= self._end:
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
                break
            reached = child + size
        if reached != body + length:
            self._flaws.append(Flaw(time, f"the blocks of the cluster at byte {body} do not fill it"))

    def _check_crc(self, body: int, length: int, time: float | None) -> bool:
        """Returns whether the element carries a checksum and it holds; notes a flaw where it does not."""
        if length > _LARGEST_CHECKED:
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
        ticks = self._read_number(body, min(length, 64), _TIMESTAMP)
        return None if ticks is None else ticks * self._scale / 1e9

    def _read_number(self, body: int, length: int, wanted: int) -> int | None:
        """Returns the number in the child `wanted` of an element, or None."""
        for name, child, size in self._elements(body, body + length):
            if name == wanted and size is not None and size <= 8:
                self._file.seek(child)
                return int.from_bytes(self._file.read(size), "big")
        return None


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
