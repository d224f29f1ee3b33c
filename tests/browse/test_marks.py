"""Marks are a text file that `exclude` takes, and that others may write to."""

from __future__ import annotations

import pathlib
import threading

import pytest

from kinetics_tfds.annotations.exclude import excluded_videos
from kinetics_tfds.browse.marks import Marks
from kinetics_tfds.errors import AnnotationError, BrowseError

ONE, OTHER = "-abc_DEF123", "ZZZZZZZZZZZ"


def test_marks_are_kept_and_taken_by_exclude(tmp_path: pathlib.Path) -> None:
    marks = Marks(tmp_path / "marks.txt")
    assert not marks.path.exists()
    marks.set(ONE, True)
    assert marks.set(OTHER, True) == {ONE, OTHER}
    assert marks.set(ONE, True) == {ONE, OTHER}
    assert excluded_videos([str(marks.path)]) == {ONE, OTHER}
    assert marks.set(ONE, False) == {OTHER}
    assert Marks(tmp_path / "marks.txt").videos() == {OTHER}
    assert [file.name for file in tmp_path.iterdir()] == ["marks.txt"]


def test_what_others_wrote_into_the_file_stays(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "marks.txt"
    path.write_text(f"# my own words\n\n{ONE}\n")
    marks = Marks(path)
    marks.set(OTHER, True)
    path.write_text(path.read_text() + "# at the end\n")
    assert marks.set(ONE, False) == {OTHER}
    assert path.read_text() == f"# my own words\n\n{OTHER}\n# at the end\n"


def test_two_pages_mark_at_once(tmp_path: pathlib.Path) -> None:
    marks = Marks(tmp_path / "marks.txt")
    ids = [f"{number:011d}" for number in range(40)]
    threads = [threading.Thread(target=marks.set, args=(each, True)) for each in ids]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert marks.videos() == set(ids)


@pytest.mark.parametrize("youtube_id", ["../../etc/x", "short", "a" * 12, "aaaaa\naaaaa", ""])
def test_what_is_no_id_is_refused(tmp_path: pathlib.Path, youtube_id: str) -> None:
    with pytest.raises(BrowseError, match="no YouTube id"):
        Marks(tmp_path / "marks.txt").set(youtube_id, True)
    assert not list(tmp_path.iterdir())


def test_a_file_of_something_else_is_not_touched(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "train.csv"
    path.write_text("label,youtube_id\n")
    with pytest.raises(AnnotationError, match="line 1"):
        Marks(path)
    assert path.read_text() == "label,youtube_id\n"


def test_a_folder_that_does_not_exist(tmp_path: pathlib.Path) -> None:
    with pytest.raises(BrowseError, match="--marks"):
        Marks(tmp_path / "nowhere" / "marks.txt").set(ONE, True)
