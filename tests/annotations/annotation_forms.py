"""Writes clips as every official and mirrored form of list, for the tests to read back."""

from __future__ import annotations

import csv
import gzip
import io
import json
import pathlib
import tarfile
import zipfile
from collections.abc import Callable, Sequence

from kinetics_tfds.annotations.clip import Clip, Split

# One of the words that lists use for each split.
WORDS = {
    Split.TRAIN: "train",
    Split.VALIDATION: "val",
    Split.TEST: "test",
    Split.HOLDOUT_TEST: "holdout test",
}


def number(seconds: float) -> str:
    """Whole seconds as the official lists write them."""
    return str(int(seconds)) if seconds == int(seconds) else repr(seconds)


def _table(rows: Sequence[Sequence[str]], delimiter: str = ",", quoting=csv.QUOTE_MINIMAL, end: str = "\n") -> str:
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, quoting=quoting, lineterminator=end).writerows(rows)
    return text.getvalue()


def _fields(clip: Clip) -> list[str]:
    return [
        clip.label or "",
        clip.youtube_id,
        number(clip.time_start),
        number(clip.time_end),
        WORDS[clip.split],
    ]


HEADER = ["label", "youtube_id", "time_start", "time_end", "split"]


def official(clips: Sequence[Clip]) -> str:
    return _table([HEADER, *map(_fields, clips)])


def windows(clips: Sequence[Clip]) -> str:
    return "\ufeff" + _table([HEADER, *map(_fields, clips)], end="\r\n")


def with_is_cc(clips: Sequence[Clip]) -> str:
    return _table([[*HEADER, "is_cc"], *([*_fields(c), "0"] for c in clips)], quoting=csv.QUOTE_ALL)


def float_times(clips: Sequence[Clip]) -> str:
    return _table(
        [HEADER, *([c.label or "", c.youtube_id, str(c.time_start), str(c.time_end), WORDS[c.split]] for c in clips)]
    )


def other_order(clips: Sequence[Clip]) -> str:
    return _table(
        [["split", "YouTube Identifier", "Start time", "End time", "Class label"]]
        + [[f[4], f[1], f[2], f[3], f[0]] for f in map(_fields, clips)]
    )


def tabs(clips: Sequence[Clip]) -> str:
    return _table([HEADER, *map(_fields, clips)], delimiter="\t")


def bare(clips: Sequence[Clip]) -> str:
    return _table([_fields(clip) for clip in clips])


def bare_tabs(clips: Sequence[Clip]) -> str:
    return _table([_fields(clip) for clip in clips], delimiter="\t")


def bare_without_split(clips: Sequence[Clip]) -> str:
    return _table([_fields(clip)[:4] for clip in clips])


def spaces(clips: Sequence[Clip]) -> str:
    return "".join(" ".join(filter(None, _fields(clip))) + "\n" for clip in clips)


def spaces_label_last(clips: Sequence[Clip]) -> str:
    lines = []
    for clip in clips:
        label, *rest, split = _fields(clip)
        lines.append(" ".join(filter(None, [*rest, label, split])) + "\n")
    return "".join(lines)


def json_by_id(clips: Sequence[Clip], indent: int | None = None) -> str:
    entries = {}
    for clip in clips:
        annotation: dict = {"segment": [clip.time_start, clip.time_end]}
        if clip.label is not None:
            annotation["label"] = clip.label
        entries[clip.youtube_id] = {
            "annotations": annotation,
            "duration": clip.duration,
            "subset": WORDS[clip.split],
            "url": f"https://www.youtube.com/watch?v={clip.youtube_id}",
        }
    return json.dumps(entries, indent=indent)


def json_indented(clips: Sequence[Clip]) -> str:
    return json_by_id(clips, indent=2)


# Each with its usual suffix.
FORMS: dict[str, tuple[Callable[[Sequence[Clip]], str], str]] = {
    form.__name__: (form, suffix)
    for form, suffix in (
        (official, ".csv"),
        (windows, ".csv"),
        (with_is_cc, ".csv"),
        (float_times, ".csv"),
        (other_order, ".csv"),
        (tabs, ".txt"),
        (bare, ".txt"),
        (bare_tabs, ".txt"),
        (bare_without_split, ".txt"),
        (spaces, ".txt"),
        (spaces_label_last, ".txt"),
        (json_by_id, ".json"),
        (json_indented, ".json"),
    )
}


def pack_plain(folder: pathlib.Path, members: dict[str, str]) -> list[pathlib.Path]:
    for name, text in members.items():
        (folder / name).write_bytes(text.encode())
    return [folder / name for name in members]


def pack_gzip(folder: pathlib.Path, members: dict[str, str]) -> list[pathlib.Path]:
    """Compressed, but named as if it were not."""
    for name, text in members.items():
        (folder / name).write_bytes(gzip.compress(text.encode()))
    return [folder / name for name in members]


def pack_zip(folder: pathlib.Path, members: dict[str, str]) -> list[pathlib.Path]:
    path = folder / "kinetics_annotations.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in members.items():
            archive.writestr(f"data/{name}", text)
            archive.writestr(f"__MACOSX/data/._{name}", b"\x00\x05\x16\x07 not a list")
    return [path]


def _pack_tar(path: pathlib.Path, members: dict[str, str], mode) -> list[pathlib.Path]:
    with tarfile.open(path, mode) as archive:
        for name, text in members.items():
            for member, content in ((f"./data/._{name}", b"\x00\x05\x16\x07"), (f"./data/{name}", text.encode())):
                info = tarfile.TarInfo(member)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    return [path]


def pack_tar_gz(folder: pathlib.Path, members: dict[str, str]) -> list[pathlib.Path]:
    return _pack_tar(folder / "kinetics_annotations.tar.gz", members, "w:gz")


def pack_tar_named_gz(folder: pathlib.Path, members: dict[str, str]) -> list[pathlib.Path]:
    return _pack_tar(folder / "kinetics_annotations.tgz", members, "w")


PACKINGS = (pack_plain, pack_gzip, pack_zip, pack_tar_gz, pack_tar_named_gz)
