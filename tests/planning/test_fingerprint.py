from __future__ import annotations

import dataclasses
import json

import pytest

from kinetics_tfds.annotations.clip import Clip, Split
from kinetics_tfds.clips.media import MediaFile, Span
from kinetics_tfds.decode.types import DecodeSettings
from kinetics_tfds.planning.fingerprint import BuildIdentity, compare, describe_splits
from kinetics_tfds.planning.plan import Selection, Sharding, plan_splits

CLIPS = [Clip(Split.TRAIN, f"{number:011d}", 0.0, 10.0, "a") for number in range(4)]
FOUND = {clip: MediaFile(f"{clip.id}.mp4", Span.TRIMMED) for clip in CLIPS}


def splits(found=None, clips=None, num_shards=2):
    plans = plan_splits(
        CLIPS if clips is None else clips,
        FOUND if found is None else found,
        selection=Selection(),
        sharding=Sharding(num_shards=num_shards),
        settings=DecodeSettings(),
    )
    return describe_splits(plans)


IDENTITY = BuildIdentity(
    dataset="kinetics600",
    version="1.0.0",
    settings={"fps": 25.0, "classes": None},
    file_format="tfrecord",
    record_revision=1,
    versions={"av": "18.1.0", "cv2": "5.0.0"},
    splits=splits(),
)


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"dataset": "kinetics400"}, "dataset: kinetics600 there, kinetics400 here"),
        ({"version": "1.0.1"}, "version: 1.0.0 there, 1.0.1 here"),
        ({"settings": {"fps": 10.0, "classes": None}}, "fps: 25.0 there, 10.0 here"),
        ({"settings": {"fps": 25.0, "classes": ["a"]}}, "classes: None there, ['a'] here"),
        ({"settings": {"fps": 25.0}}, "classes: None there, nothing here"),
        ({"file_format": "array_record"}, "file_format: tfrecord there, array_record here"),
        ({"record_revision": 2}, "record_revision: 1 there, 2 here"),
        ({"versions": {"av": "18.2.0", "cv2": "5.0.0"}}, "av: 18.1.0 there, 18.2.0 here"),
        ({"splits": splits(clips=CLIPS[:3])}, "train clips: 4 there, 3 here"),
        ({"splits": splits(num_shards=3)}, "train shards: 2 there, 3 here"),
        ({"splits": {}}, "train: 4 clips there, none here"),
        (
            {"splits": splits(found={**FOUND, CLIPS[0]: MediaFile("x.mp4", Span.TRIMMED)})},
            "train: other clips, or the same clips in other files",
        ),
        (
            {"splits": splits(found={**FOUND, CLIPS[0]: MediaFile(FOUND[CLIPS[0]].path, Span.WHOLE)})},
            "train: other clips, or the same clips in other files",
        ),
        (
            {
                "splits": splits(
                    clips=[dataclasses.replace(CLIPS[0], label="b"), *CLIPS[1:]],
                    found={dataclasses.replace(clip, label=None): FOUND[clip] for clip in CLIPS}
                    | {dataclasses.replace(CLIPS[0], label="b"): FOUND[CLIPS[0]]}
                    | FOUND,
                )
            },
            "train: other clips, or the same clips in other files",
        ),
    ],
)
def test_a_change_is_another_build_and_is_named(change, line):
    other = dataclasses.replace(IDENTITY, **change)
    assert other.fingerprint != IDENTITY.fingerprint
    assert compare(IDENTITY, other) == [line]


def test_json_keeps_the_fingerprint():
    again = BuildIdentity(**json.loads(json.dumps(IDENTITY.to_json())))
    assert again.fingerprint == IDENTITY.fingerprint
    assert compare(IDENTITY, again) == []


def test_whole_seconds_written_as_integers_are_the_same_build():
    clips = [dataclasses.replace(clip, time_start=0, time_end=10) for clip in CLIPS]
    assert splits(clips=clips) == splits()
