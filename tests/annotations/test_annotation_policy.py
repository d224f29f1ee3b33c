"""Odd rows are left out and listed with file and line; odd files and contradictions stop with one clear error."""

from __future__ import annotations

import pytest

from kinetics_tfds.annotations.annotation_set import WarningKind
from kinetics_tfds.annotations.clip import Split
from kinetics_tfds.annotations.read import read_annotations
from kinetics_tfds.errors import AnnotationError

HEADER = "label,youtube_id,time_start,time_end,split"


def good_rows(count, label="yoga", word="train"):
    return [f"{label},{i:011d},{i},{i + 10},{word}" for i in range(count)]


def write(path, rows, header=HEADER):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


@pytest.mark.parametrize(
    ("row", "kind", "part"),
    [
        ("yogga,abcdefghijk,1,11,train", WarningKind.UNKNOWN_LABEL, "the nearest is 'yoga'"),
        ("yoga,abcdefghij,1,11,train", WarningKind.BAD_ID, "'abcdefghij'"),
        ("yoga,abcdefghij/,1,11,train", WarningKind.BAD_ID, "11 characters"),
        ("yoga,../etc/pass,1,11,train", WarningKind.BAD_ID, "11 characters"),
        ("yoga,abcdefghijk,11,1,train", WarningKind.BAD_TIMES, "end at 1 s and start at 11 s"),
        ("yoga,abcdefghijk,11,11,train", WarningKind.BAD_TIMES, "end at 11 s and start at 11 s"),
        ("yoga,abcdefghijk,-1,9,train", WarningKind.BAD_TIMES, "'-1'"),
        ("yoga,abcdefghijk,nan,9,train", WarningKind.BAD_TIMES, "'nan'"),
        ("yoga,abcdefghijk,1,inf,train", WarningKind.BAD_TIMES, "'inf'"),
        ("yoga,abcdefghijk,1_0,20,train", WarningKind.BAD_TIMES, "'1_0'"),
        ("yoga,abcdefghijk,١,20,train", WarningKind.BAD_TIMES, "no time"),
        ("yoga,abcdefghijk,,20,train", WarningKind.BAD_TIMES, "''"),
        ("yoga,abcdefghijk,1,11,dev", WarningKind.BAD_SPLIT, "'dev'"),
        ("yoga,abcdefghijk,1,11,val", WarningKind.OTHER_SPLIT, "validation in a file named for train"),
        ("yoga,abcdefghijk,1", WarningKind.BAD_LINE, "cut off"),
        ('"yoga,abcdefghijk,1,11,train', WarningKind.BAD_LINE, "quote"),
    ],
)
def test_one_odd_row_is_left_out_and_listed(tmp_path, row, kind, part):
    path = write(tmp_path / "train.csv", [*good_rows(3), row, *good_rows(6)[3:]])
    found = read_annotations("kinetics600", [path])
    assert len(found.clips) == 6
    (warning,) = found.warnings
    assert (warning.kind, warning.path, warning.line, warning.count) == (kind, str(path), 5, 1)
    assert part in warning.detail
    assert not warning.kind.kept
    (source,) = found.sources
    assert (source.rows, source.clips, source.repeated, source.left_out) == (7, 6, 0, 1)
    assert f"line 5: {kind}" in found.describe()


def test_a_repeated_row_is_counted_and_its_clip_kept_once(tmp_path):
    path = write(tmp_path / "train.csv", [*good_rows(3), *good_rows(1)])
    found = read_annotations("kinetics600", [path])
    assert len(found.clips) == 3
    (warning,) = found.warnings
    assert (warning.kind, warning.line) == (WarningKind.DUPLICATE, 5)
    assert "line 2" in warning.detail
    assert warning.kind.kept


def test_times_that_agree_to_the_second_are_one_clip(tmp_path):
    a = write(tmp_path / "a" / "train.csv", ["yoga,abcdefghijk,7,17,train"])
    b = write(tmp_path / "b" / "train.csv", ["yoga,abcdefghijk,7.004,16.98,train"])
    found = read_annotations("kinetics600", [b, a])
    assert [clip.time_start for clip in found.clips] == [7.0]
    assert found.warnings == ()


def test_two_clips_of_one_video_are_two_clips(tmp_path):
    rows = ["yoga,abcdefghijk,7,17,train", "zumba,abcdefghijk,17,27,train"]
    assert len(read_annotations("kinetics600", [write(tmp_path / "train.csv", rows)]).clips) == 2


def test_a_label_of_one_list_completes_the_other(tmp_path):
    bare = write(tmp_path / "a" / "test.csv", ["abcdefghijk,7,17,test"], "youtube_id,time_start,time_end,split")
    labelled = write(tmp_path / "b" / "test.csv", ["yoga,abcdefghijk,7,17,test"])
    for files in ([bare, labelled], [labelled]):
        assert [clip.label for clip in read_annotations("kinetics600", files).clips] == ["yoga"]


@pytest.mark.parametrize("same_file", [True, False])
def test_two_labels_for_one_clip_stop(tmp_path, same_file):
    rows = ["yoga,abcdefghijk,7,17,train", "zumba,abcdefghijk,7,17,train"]
    if same_file:
        files = [write(tmp_path / "train.csv", rows)]
        places = [f"{files[0]}, line 2", f"{files[0]}, line 3"]
    else:
        files = [write(tmp_path / folder / "train.csv", [row]) for folder, row in zip("ab", rows, strict=True)]
        places = [f"{file}, line 2" for file in files]
    with pytest.raises(AnnotationError) as error:
        read_annotations("kinetics600", files)
    assert all(place in str(error.value) for place in places)
    assert "'yoga'" in str(error.value)
    assert "'zumba'" in str(error.value)


def test_another_spelling_is_accepted_and_said_once_a_file(tmp_path):
    rows = good_rows(20, "Massaging_persons_head") + [r.replace("0000000", "1111111") for r in good_rows(20, "yoga")]
    found = read_annotations("kinetics400", [write(tmp_path / "train.csv", rows)])
    assert {clip.label for clip in found.clips} == {"massaging person's head", "yoga"}
    (warning,) = found.warnings
    assert (warning.kind, warning.count) == (WarningKind.SPELLING, 20)
    assert found.warning_counts() == {WarningKind.SPELLING: 20}


def test_a_clip_in_two_splits_is_kept_and_reported(tmp_path):
    train = write(tmp_path / "train.csv", good_rows(3))
    val = write(tmp_path / "val.csv", good_rows(2, word="val"))
    found = read_annotations("kinetics600", [train, val])
    assert found.split_counts() == {Split.TRAIN: 3, Split.VALIDATION: 2}
    (warning,) = found.warnings
    assert (warning.kind, warning.count, warning.path, warning.line) == (WarningKind.IN_TWO_SPLITS, 2, str(val), 2)


@pytest.mark.parametrize(
    ("good", "bad", "refused"), [(20, 5, False), (20, 6, True), (1000, 10, False), (1000, 11, True)]
)
def test_a_file_with_many_odd_rows_is_refused(tmp_path, good, bad, refused):
    rows = good_rows(good) + [f"yoga,{i:011d},5,1,train" for i in range(bad)]
    path = write(tmp_path / "train.csv", rows)
    if not refused:
        assert len(read_annotations("kinetics600", [path]).warnings) == bad
        return
    with pytest.raises(
        AnnotationError, match=rf"train.csv: {bad} of {good + bad:,} rows .*bad_times {bad}.*line {good + 2}"
    ):
        read_annotations("kinetics600", [path])


def test_a_file_without_one_good_row_is_refused(tmp_path):
    with pytest.raises(AnnotationError, match="1 of 1 rows"):
        read_annotations("kinetics600", [write(tmp_path / "train.csv", ["yoga,abcdefghijk,7,7,train"])])


def test_a_file_named_for_another_split_is_refused(tmp_path):
    path = write(tmp_path / "val.csv", good_rows(50))
    with pytest.raises(AnnotationError, match="Name the file after the split of its rows"):
        read_annotations("kinetics600", [path])


def test_without_any_word_for_the_split_the_file_is_refused(tmp_path):
    path = write(tmp_path / "kinetics600.csv", ["yoga,abcdefghijk,7,17"], "label,youtube_id,time_start,time_end")
    with pytest.raises(AnnotationError, match="nothing tells the split"):
        read_annotations("kinetics600", [path])


def test_only_kinetics600_has_a_holdout_test(tmp_path):
    path = write(tmp_path / "holdout_test.csv", good_rows(5, word="holdout test"))
    assert len(read_annotations("kinetics600", [path]).clips) == 5
    with pytest.raises(AnnotationError, match="no split of kinetics700"):
        read_annotations("kinetics700", [path])


@pytest.mark.parametrize(
    ("label", "read_as", "of"),
    [("bull fighting", "kinetics700", "kinetics600"), ("vault", "kinetics600", "kinetics400")],
)
def test_a_list_of_another_version_is_recognised_by_its_classes(tmp_path, label, read_as, of):
    rows = [*good_rows(2000), f"{label},abcdefghijk,7,17,train"]  # far below the share that is refused otherwise
    with pytest.raises(AnnotationError, match=f"train.csv is a list of {of}, not of {read_as}.*{label}"):
        read_annotations(read_as, [write(tmp_path / "train.csv", rows)])


def test_files_named_for_other_versions_are_passed_over(tmp_path):
    mine = write(tmp_path / "kinetics-600_val.csv", good_rows(3, "acting in play", "val"))
    other = write(tmp_path / "kinetics-400_val.csv", good_rows(3, "vault", "val"))
    in_folder = write(tmp_path / "700_2020" / "annotations" / "val.csv", good_rows(5, "yoga", "val"))
    found = read_annotations("kinetics600", [other, mine, in_folder])
    assert len(found.clips) == 3
    assert {source.path: source.note for source in found.sources} == {
        str(mine): "",
        str(other): "of kinetics400, not read",
        str(in_folder): "of kinetics700_2020, not read",
    }


def test_a_folder_alone_does_not_hide_a_list(tmp_path):
    """All of somebody's data may lie in a folder of that name."""
    path = write(tmp_path / "kinetics400" / "train.csv", good_rows(3, "acting in play"))
    assert len(read_annotations("kinetics600", [path]).clips) == 3


def test_lists_of_other_versions_only(tmp_path):
    path = write(tmp_path / "kinetics-400_val.csv", good_rows(3, word="val"))
    with pytest.raises(AnnotationError, match=r"no rows of kinetics600.*of kinetics400, not read"):
        read_annotations("kinetics600", [path])


def test_no_files():
    with pytest.raises(AnnotationError, match="No annotation files of kinetics600"):
        read_annotations("kinetics600", [])


def test_an_unknown_version_names_the_nearest():
    with pytest.raises(AnnotationError, match="Did you mean 'kinetics600'"):
        read_annotations("kinetic600", ["train.csv"])


def test_the_digest_depends_on_clips_alone(tmp_path):
    rows = good_rows(20)
    one = read_annotations("kinetics600", [write(tmp_path / "one" / "train.csv", rows)])
    parts = [write(tmp_path / "two" / f"train_{i}.csv", rows[i::2][::-1]) for i in range(2)]
    two = read_annotations("kinetics600", parts)
    assert one.clips != two.clips
    assert one.digest() == two.digest()
    less = read_annotations("kinetics600", parts[:1])
    other_label = read_annotations("kinetics600", [write(tmp_path / "three" / "train.csv", good_rows(20, "zumba"))])
    other_version = read_annotations("kinetics700", parts)
    assert len({one.digest(), less.digest(), other_label.digest(), other_version.digest()}) == 4
