"""Reading archives that are compressed otherwise than named, damaged, truncated or out to do harm."""

from __future__ import annotations

import contextlib
import gzip
import io
import random
import re
import tarfile
import zipfile
import zlib

import pytest
from acquire.archive_maker import make_zip, special, tar, tar_gz
from hypothesis import given, settings
from hypothesis import strategies as st

from kinetics_tfds.acquire.sources.archive_reader import DAMAGE, ArchiveError, NotAnArchiveError, read_members

MP4 = b"\x00\x00\x00\x20ftypisom" + random.Random(0).randbytes(50_000)
WEBM = b"\x1a\x45\xdf\xa3" + b"\x00" * 20 + b"webm" + random.Random(1).randbytes(5000)
FILES = {"./a/abcdefghij0_0_10.mp4": MP4, "abcdefghij1_0_10.mp4": MP4[:700], "abcdefghij2.mp4": WEBM}
GB = 10**9


def names_of(data: bytes, limit: int = GB) -> list[str]:
    return [member.name for member in read_members(io.BufferedReader(io.BytesIO(data)), limit)]


def copies_of(data: bytes, found: dict[str, bytes] | None = None) -> dict[str, bytes]:
    """Returns the contents of all members; adds them to `found` one by one, where damage may end it."""
    found = {} if found is None else found
    for member in read_members(io.BufferedReader(io.BytesIO(data)), GB):
        with member.open() as file:
            content = file.read()
        if len(content) != member.size:
            raise EOFError
        found[member.name] = content
    return found


@pytest.mark.parametrize(
    "data",
    [
        tar(FILES),
        tar(FILES, format=tarfile.GNU_FORMAT),
        tar(FILES, format=tarfile.USTAR_FORMAT),
        tar_gz(FILES),
        make_zip(FILES),
        make_zip(FILES, zipfile.ZIP_STORED),
        gzip.compress(tar(FILES)[:5000], mtime=0)
        + gzip.compress(tar(FILES)[5000:], mtime=0),  # of several parts, as pigz makes them
    ],
    ids=["pax", "gnu", "ustar", "gz", "zip", "stored zip", "parts"],
)
def test_every_form_is_read(data):
    assert copies_of(data) == FILES


def test_a_tar_from_before_the_magic_word():
    old = bytearray(tar({"abcdefghij0_0_10.mp4": MP4}, format=tarfile.USTAR_FORMAT))
    old[257:265] = b"\0" * 8
    old[148:156] = b" " * 8
    old[148:156] = b"%06o\0 " % sum(old[:512])
    assert copies_of(bytes(old)) == {"abcdefghij0_0_10.mp4": MP4}


@pytest.mark.parametrize("data", [b"<!DOCTYPE html><html>", b"", MP4, b"\0" * 600])
def test_what_is_no_archive(data):
    with pytest.raises(NotAnArchiveError, match=re.escape(repr(data[:16]))):
        names_of(data)


@pytest.mark.parametrize("make", [tar, tar_gz, make_zip])
def test_cut_anywhere_an_archive_is_truncated_and_its_whole_members_are_intact(make):
    data = make(FILES)
    end = sum(512 + -(-len(content) // 512) * 512 for content in FILES.values()) if make is tar else len(data)
    for cut in random.Random(0).sample(range(1, end), 40):
        found: dict[str, bytes] = {}
        with pytest.raises(DAMAGE):
            copies_of(data[:cut], found)
        assert found.items() <= FILES.items()
        if make is tar_gz:
            unpacked = len(zlib.decompressobj(31).decompress(data[:cut]))
            with tarfile.open(fileobj=io.BytesIO(tar(FILES))) as archive:
                whole = [info.name for info in archive if info.offset_data + info.size <= unpacked]
            assert list(found) == whole  # not even the last one before the damage is lost


def test_a_header_damaged_half_way_is_not_the_end():
    data = bytearray(tar(FILES))
    second = data.index(b"abcdefghij1")
    data[second : second + 4] = b"\xff" * 4
    with pytest.raises(ArchiveError, match="damaged"):
        names_of(bytes(data))


def test_a_wrong_checksum_is_noticed():
    data = bytearray(tar_gz(FILES))
    data[-8] ^= 1
    with pytest.raises(gzip.BadGzipFile):
        names_of(bytes(data))


def test_only_regular_files_are_handed_out():
    entries = [
        special("link.mp4", tarfile.SYMTYPE, "/etc/passwd"),
        special("hard.mp4", tarfile.LNKTYPE, "../../x"),
        special("device", tarfile.CHRTYPE),
        special("pipe", tarfile.FIFOTYPE),
        special("folder", tarfile.DIRTYPE),
        *FILES.items(),
    ]
    assert names_of(tar(entries)) == list(FILES)
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("folder/", b"")
        link = zipfile.ZipInfo("link.mp4")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
        archive.writestr("abcdefghij1.mp4", MP4)
    assert names_of(data.getvalue()) == ["abcdefghij1.mp4"]


@pytest.mark.parametrize("type", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK])
def test_a_header_that_wants_all_memory_is_refused(type):
    info = special("x", type)
    info.size = 8 * GB
    before = tar({"abcdefghij0.mp4": MP4})[: 512 + -(-len(MP4) // 512) * 512]
    for data in (info.tobuf(tarfile.GNU_FORMAT), before + info.tobuf(tarfile.GNU_FORMAT)):
        with pytest.raises(ArchiveError, match="hostile"):
            names_of(data + b"\0" * 20480)


def test_a_bomb_is_left_when_it_is_too_large():
    bomb = gzip.compress(tar({"abcdefghij0_0_10.mp4": b"\0" * 50_000_000}), 1)
    assert len(bomb) < 1_000_000
    with pytest.raises(ArchiveError, match="unpacks to more"):
        names_of(bomb, limit=10_000_000)
    with pytest.raises(ArchiveError, match="unpacks to more"):
        names_of(make_zip({"a.mp4": b"\0" * 50_000_000}), limit=10_000_000)


@pytest.mark.parametrize("format", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_a_declared_size_beyond_the_limit_is_refused_by_the_header(format):
    """A plain tar of 2^60 bytes: its reader would wait for all of them, and a socket or a gzip stream can give them."""
    info = tarfile.TarInfo("abcdefghij3_0_10.mp4")
    info.size = 1 << 60
    read = []

    class Endless(io.RawIOBase):
        def readable(self):
            return True

        def readinto(self, buffer):
            start = sum(read)
            part = data[start : start + len(buffer)] or bytes(len(buffer))
            buffer[: len(part)] = part
            read.append(len(part))
            assert sum(read) < 10_000_000
            return len(part)

    data = tar({"abcdefghij0.mp4": MP4})[: 512 + -(-len(MP4) // 512) * 512] + info.tobuf(format)
    members = read_members(io.BufferedReader(Endless()), GB)
    assert next(members).name == "abcdefghij0.mp4"
    with pytest.raises(ArchiveError, match="unpacks to more"):
        next(members)


def test_names_need_not_be_utf8():
    names = ["cl\udcfc\udcff/abcdefghij0_0_10.mp4", "x.mp4"]  # bytes that are no UTF-8, as Python keeps them
    assert names_of(tar(dict.fromkeys(names, MP4), format=tarfile.GNU_FORMAT)) == names


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_no_bytes_break_the_reader(data):
    sound = data.draw(st.sampled_from([tar(FILES), tar_gz(FILES), make_zip(FILES)]))
    place = data.draw(st.integers(0, len(sound) - 1))
    noise = data.draw(st.binary(min_size=1, max_size=64))
    broken = sound[:place] + noise + sound[place + len(noise) :]
    with contextlib.suppress(*DAMAGE):
        for member in read_members(io.BufferedReader(io.BytesIO(broken)), GB):
            with member.open() as file:
                file.read(100)
