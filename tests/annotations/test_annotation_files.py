"""Damaged, hostile and misnamed files give one clear error, and no file is written."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import zipfile

import annotation_forms as forms
import pytest

from kinetics_tfds.annotations import files as files_module
from kinetics_tfds.annotations.clip import Clip, Split
from kinetics_tfds.annotations.read import read_annotations
from kinetics_tfds.errors import AnnotationError

CLIPS = [Clip(Split.TRAIN, f"{i:011d}", float(i), float(i + 10), "yoga") for i in range(200)]
TEXT = forms.official(CLIPS)


def test_lists_saved_by_spreadsheet_programs_are_read(tmp_path):
    for encoding in ("utf-16", "utf-8-sig"):
        path = tmp_path / f"{encoding}_train.csv"
        path.write_bytes(TEXT.encode(encoding))
        assert read_annotations("kinetics600", [path]).clips == tuple(CLIPS)


def tar_of(path, members, mode="w:gz"):
    with tarfile.open(path, mode) as archive:
        for info, content in members:
            archive.addfile(info, io.BytesIO(content))
    return path


def member(name, content=b"", kind=tarfile.REGTYPE, link=""):
    info = tarfile.TarInfo(name)
    info.size, info.type, info.linkname = len(content), kind, link
    return info, content


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("train.csv", b"", "is empty"),
        ("train.csv", b"\n\n \n", "is empty"),
        ("train.csv", b"<!DOCTYPE html><html>gone</html>", "web page"),
        ("train.csv", b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', "web page"),
        ("train.csv", b"name,colour\nyoga,blue\n", "no rows of a known form; its first line is 'name,colour'"),
        ("train.csv", b"label,youtube_id,time_start\nyoga,abcdefghijk,7\n", "has no column time_end"),
        ("train.csv", bytes(range(128, 256)) * 20, "not UTF-8"),
        ("train.csv", gzip.compress(TEXT.encode(), mtime=0)[:-900], "damaged"),
        ("train.json", forms.json_by_id(CLIPS)[:-30].encode(), "cut off"),
        ("train.json", b'{"abcdefghijk": [' + b"[" * 200_000, "not a JSON list of Kinetics"),
        ("train.json", b'{"a": 1} trailing', "'} trailing' is no whole entry"),
        ("train.json", b"[1, 2]", "no rows of a known form"),
        ("kinetics600.zip", b"PK\x03\x04" + b"x" * 100, "damaged"),
        ("kinetics600.tar.gz", gzip.compress(b"x" * 257 + b"ustar" + b"y" * 600, mtime=0), "damaged"),
    ],
)
def test_what_is_no_list_is_named(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(AnnotationError, match=message) as error:
        read_annotations("kinetics600", [path])
    assert str(path) in str(error.value)
    assert "Next: " in str(error.value)


def test_absent_files_and_folders(tmp_path):
    with pytest.raises(AnnotationError, match="no annotation file"):
        read_annotations("kinetics600", [tmp_path / "train.csv"])
    with pytest.raises(AnnotationError, match="Is a directory"):
        read_annotations("kinetics600", [tmp_path])


@pytest.mark.parametrize(
    "text", ["videos/abc.mp4 12\nvideos/a b.mp4 3\n", "-3B32lodo2M 0\n", "https://a.b/k600_train_0.tar.gz\n"]
)
def test_lists_of_loaders_and_mirrors_are_passed_over(tmp_path, text):
    (tmp_path / "val.csv").write_text(text)
    (tmp_path / "train.csv").write_text(TEXT)
    found = read_annotations("kinetics600", [tmp_path / "val.csv", tmp_path / "train.csv"])
    assert list(found.clips) == CLIPS
    assert [source.note for source in found.sources] == ["", "a list of files, not of annotation rows, not read"]


def test_a_header_without_rows_is_noted(tmp_path):
    (tmp_path / "train.csv").write_text(TEXT)
    (tmp_path / "val.csv").write_text(TEXT.splitlines()[0] + "\n")
    found = read_annotations("kinetics600", [tmp_path / "val.csv", tmp_path / "train.csv"])
    assert [source.note for source in found.sources] == ["", "no rows"]


def test_a_file_cut_off_in_its_last_row_gives_the_others(tmp_path):
    (tmp_path / "train.csv").write_text(TEXT[:-20])
    found = read_annotations("kinetics600", [tmp_path / "train.csv"])
    assert list(found.clips) == CLIPS[:-1]
    assert "cut off" in found.warnings[0].detail


def test_hostile_members_are_read_and_never_written(tmp_path):
    """Members that would leave the folder, links and devices: only regular files are read, from the stream."""
    inside = tmp_path / "inside"
    inside.mkdir()
    path = tar_of(
        inside / "kinetics600.tar.gz",
        [
            member("../../train.csv", TEXT.encode()),
            member("/etc/validate.csv", kind=tarfile.SYMTYPE, link="/etc/passwd"),
            member("test.csv", kind=tarfile.LNKTYPE, link="../../../etc/passwd"),
            member("val.csv", kind=tarfile.FIFOTYPE),
            member("readme.txt", b"hello"),
        ],
    )
    before = sorted(tmp_path.rglob("*"))
    found = read_annotations("kinetics600", [path])
    assert list(found.clips) == CLIPS
    assert [source.path for source in found.sources] == [f"{path}:../../train.csv"]
    assert sorted(tmp_path.rglob("*")) == before


def test_an_archive_of_clips_is_recognised_at_its_first_clip(tmp_path):
    path = tar_of(
        tmp_path / "kinetics600_train.tar.gz", [member("train/abc.mp4", b"x"), member("train.csv", TEXT.encode())]
    )
    with pytest.raises(AnnotationError, match=r"holds other things \('train/abc.mp4'\)"):
        read_annotations("kinetics600", [path])


@pytest.mark.parametrize("name", ["kinetics600.tar.gz", "kinetics600.zip"])
def test_an_archive_without_lists_says_what_it_holds(tmp_path, name):
    path = tmp_path / name
    if name.endswith("zip"):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("readme.md", "hello")
    else:
        tar_of(path, [member("readme.md", b"hello")])
    with pytest.raises(AnnotationError, match=r"it holds 'readme\.md'"):
        read_annotations("kinetics600", [path])


@pytest.mark.parametrize("pack", [forms.pack_gzip, forms.pack_zip, forms.pack_tar_gz])
def test_what_unpacks_to_too_much_is_refused(tmp_path, monkeypatch, pack):
    monkeypatch.setattr(files_module, "MAX_LIST_BYTES", 1 << 20)
    monkeypatch.setattr(files_module, "MAX_ARCHIVE_BYTES", 1 << 22)
    (path,) = pack(tmp_path, {"train.csv": TEXT + "\n" * (5 << 20)})
    with pytest.raises(AnnotationError, match="unpacks to more than 1 MiB"):
        read_annotations("kinetics600", [path])


def test_versions_inside_one_archive_are_told_apart(tmp_path):
    path = tar_of(
        tmp_path / "annotations.tar.gz",
        [
            member("kinetics400/train.csv", TEXT.replace("yoga", "vault").encode()),
            member("kinetics600/train.csv", TEXT.encode()),
        ],
    )
    assert list(read_annotations("kinetics600", [path]).clips) == CLIPS
    assert {clip.label for clip in read_annotations("kinetics400", [path]).clips} == {"vault"}


def test_a_json_entry_without_times_is_one_odd_row(tmp_path):
    entries = json.loads(forms.json_by_id(CLIPS))
    entries["abcdefghijk"] = {"annotations": {"label": "yoga"}}
    path = tmp_path / "train.json"
    path.write_text(json.dumps(entries, indent=1))
    found = read_annotations("kinetics600", [path])
    assert list(found.clips) == CLIPS
    (warning,) = found.warnings
    assert "'abcdefghijk'" in warning.detail
    assert path.read_text().splitlines()[warning.line - 1].strip().startswith('"abcdefghijk"')


def test_a_path_of_epath_will_do(tmp_path):
    from etils import epath

    (tmp_path / "train.csv").write_text(TEXT)
    assert len(read_annotations("kinetics600", [epath.Path(tmp_path) / "train.csv"]).clips) == len(CLIPS)


def test_a_remote_file_is_opened_through_its_driver():
    import fsspec

    fsspec.filesystem("memory").pipe("/lists/train.csv", TEXT.encode())
    assert list(read_annotations("kinetics600", ["memory://lists/train.csv"]).clips) == CLIPS
    fsspec.filesystem("memory").pipe("/lists/kinetics600.zip", b"PK\x03\x04")
    with pytest.raises(AnnotationError, match="damaged"):
        read_annotations("kinetics600", ["memory://lists/kinetics600.zip"])
    with pytest.raises(AnnotationError, match="no annotation file"):
        read_annotations("kinetics600", ["memory://lists/val.csv"])
    with pytest.raises(AnnotationError, match="cannot be read"):
        read_annotations("kinetics600", ["nosuch://lists/val.csv"])


def test_a_list_of_more_lines_than_any_is_refused_early(tmp_path):
    """Three megabytes that unpack to half a billion lines kept a processor busy for forty seconds."""
    feeds = gzip.compress(b"\n" * (1 << 20), mtime=0)
    path = tmp_path / "train.csv"
    path.write_bytes(gzip.compress(TEXT.encode(), mtime=0) + feeds * 500)
    with pytest.raises(AnnotationError, match=r"has more than 4,000,000 lines"):
        read_annotations("kinetics600", [path])


def test_a_list_of_nothing_but_odd_rows_is_refused_early(tmp_path):
    path = tmp_path / "train.csv"
    path.write_bytes(gzip.compress(TEXT.encode() + b"nonsense\n" * 3_000_000, mtime=0))
    with pytest.raises(AnnotationError, match=r"50,001 of 50,202 rows cannot be used \(bad_line 50,001\)"):
        read_annotations("kinetics600", [path])


@pytest.mark.parametrize("row", ["a" + " " * 60_000 + "b", "a b " * 15_000, "," * 60_000, "a" * 60_000])
def test_long_lines_are_looked_at_once(tmp_path, row):
    """Where each space may begin what follows a label, a search takes the square of their number."""
    path = tmp_path / "train.txt"
    path.write_text(f"{row}\n" * 60)
    with pytest.raises(AnnotationError, match="no rows of a known form"):
        read_annotations("kinetics600", [path])


def test_numbers_of_thousands_of_digits_in_json_are_odd_times(tmp_path):
    entries = json.loads(forms.json_by_id(CLIPS))
    text = json.dumps(entries).replace('"segment": [3.0', f'"segment": [{"9" * 5000}', 1)
    path = tmp_path / "train.json"
    path.write_text(text)
    found = read_annotations("kinetics600", [path])
    assert len(found.clips) == len(CLIPS) - 1
    assert [warning.kind for warning in found.warnings] == ["bad_times"]


def test_json_values_of_other_kinds_are_odd_rows(tmp_path):
    entries = json.loads(forms.json_by_id(CLIPS))
    first, second, *_ = entries.values()
    first["annotations"]["label"] = 5
    second["subset"] = {"of": "nothing"}
    path = tmp_path / "train.json"
    path.write_text(json.dumps(entries))
    found = read_annotations("kinetics600", [path])
    assert [warning.kind for warning in found.warnings] == ["unknown_label", "bad_split"]
