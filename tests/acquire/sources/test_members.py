"""Reading archives that are compressed otherwise than named, damaged, truncated or out to do harm."""

from __future__ import annotations

import contextlib
import gzip
import io
import random
import tarfile
import zipfile

import pytest
from acquire.archive_maker import make_zip, special, tar, tar_gz
from hypothesis import given, settings
from hypothesis import strategies as st

from kinetics_tfds.acquire.outcome import Reason
from kinetics_tfds.acquire.sources.members import (
    DAMAGE,
    ArchiveError,
    MemberError,
    NotAnArchiveError,
    copy_member,
    read_members,
)

MP4 = b"\x00\x00\x00\x20ftypisom" + random.Random(0).randbytes(50_000)
WEBM = b"\x1a\x45\xdf\xa3" + b"\x00" * 20 + b"webm" + random.Random(1).randbytes(5000)
FILES = {"./a/abcdefghij0_0_10.mp4": MP4, "abcdefghij1_0_10.mp4": MP4[:700], "abcdefghij2.mp4": WEBM}
GB = 10**9


def names_of(data: bytes, limit: int = GB) -> list[str]:
    return [member.name for member in read_members(io.BufferedReader(io.BytesIO(data)), limit)]


def copies_of(data: bytes, folder, limit: int = GB) -> dict[str, bytes]:
    found = {}
    for number, member in enumerate(read_members(io.BufferedReader(io.BytesIO(data)), GB)):
        path = copy_member(member, folder / str(number), limit, lambda: None)
        found[member.name] = path.read_bytes()
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
def test_every_form_is_read(data, tmp_path):
    assert copies_of(data, tmp_path) == FILES


def test_a_tar_from_before_the_magic_word(tmp_path):
    old = bytearray(tar({"abcdefghij0_0_10.mp4": MP4}, format=tarfile.USTAR_FORMAT))
    old[257:265] = b"\0" * 8
    old[148:156] = b" " * 8
    old[148:156] = b"%06o\0 " % sum(old[:512])
    assert copies_of(bytes(old), tmp_path) == {"abcdefghij0_0_10.mp4": MP4}


def test_suffixes_tell_the_truth(tmp_path):
    copies_of(tar_gz(FILES), tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0.mp4", "1.mp4", "2.webm"]


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"<!DOCTYPE html><html>", "a web page"),
        (b"", "an empty file"),
        (MP4, "no media container"),
        (b"\0" * 600, "no media"),
    ],
)
def test_what_is_no_archive(data, what):
    with pytest.raises(NotAnArchiveError, match=what if data != MP4 else "it is"):
        names_of(data)


@pytest.mark.parametrize("make", [tar, tar_gz, make_zip])
def test_cut_anywhere_an_archive_is_truncated_and_its_whole_members_are_sound(make, tmp_path):
    data = make(FILES)
    end = sum(512 + -(-len(content) // 512) * 512 for content in FILES.values()) if make is tar else len(data)
    for cut in random.Random(0).sample(range(1, end), 40):
        found = {}

        def copy_all(cut=cut, found=found):
            for number, member in enumerate(read_members(io.BufferedReader(io.BytesIO(data[:cut])), GB)):
                path = copy_member(member, tmp_path / str(number), GB, lambda: None)
                found[member.name] = path.read_bytes()

        with pytest.raises(ArchiveError):
            copy_all()
        assert found.items() <= FILES.items()


def test_a_header_damaged_half_way_is_not_the_end():
    data = bytearray(tar(FILES))
    second = data.index(b"abcdefghij1")
    data[second : second + 4] = b"\xff" * 4
    with pytest.raises(ArchiveError, match="damaged"):
        names_of(bytes(data))


def test_a_wrong_checksum_is_noticed():
    data = bytearray(tar_gz(FILES))
    data[-8] ^= 1
    with pytest.raises(ArchiveError, match="damaged"):
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


def test_hostile_names_reach_no_path(tmp_path):
    hostile = {
        "../../../tmp/evil.mp4": MP4,
        "/etc/cron.d/evil.mp4": MP4,
        "a\\..\\evil.mp4": MP4,
        "x" * 5000 + ".mp4": MP4,
    }
    folder = tmp_path / "scratch"
    folder.mkdir()
    for data in (tar(hostile), make_zip(hostile)):
        assert len(copies_of(data, folder)) == 4
    assert sorted(path.name for path in folder.iterdir()) == ["0.mp4", "1.mp4", "2.mp4", "3.mp4"]
    assert [path.name for path in tmp_path.iterdir()] == ["scratch"]


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


def test_members_that_are_too_large_or_no_media(tmp_path):
    big, page = tar({"a.mp4": MP4}), tar({"a.mp4": b"<html>"})
    with pytest.raises(MemberError) as caught:
        copies_of(big, tmp_path, limit=1000)
    assert caught.value.outcome.reason is Reason.TOO_LARGE
    with pytest.raises(MemberError) as caught:
        copies_of(page, tmp_path)
    assert caught.value.outcome.reason is Reason.DAMAGED
    assert list(tmp_path.iterdir()) == []


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_no_bytes_break_the_reader(data):
    sound = data.draw(st.sampled_from([tar(FILES), tar_gz(FILES), make_zip(FILES)]))
    place = data.draw(st.integers(0, len(sound) - 1))
    noise = data.draw(st.binary(min_size=1, max_size=64))
    broken = sound[:place] + noise + sound[place + len(noise) :]
    with contextlib.suppress(ArchiveError, *DAMAGE):  # a member's own stream raises what `copy_member` then names
        for member in read_members(io.BufferedReader(io.BytesIO(broken)), GB):
            with member.open() as file:
                file.read(100)
