from __future__ import annotations

import collections

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinetics_tfds.annotations.clip import Clip, Split
from kinetics_tfds.clips.media import MediaFile, Span
from kinetics_tfds.decode.types import DecodeSettings
from kinetics_tfds.errors import ConfigError
from kinetics_tfds.planning.plan import (
    TARGET_SHARD_BYTES,
    Exclusion,
    Selection,
    Sharding,
    order_key,
    plan_split,
    plan_splits,
)

ID = st.text("abcABC019_-", min_size=11, max_size=11)
CLIP = st.builds(
    lambda youtube_id, start, length, label: Clip(Split.TRAIN, youtube_id, start, start + length, label),
    ID,
    st.integers(0, 500).map(float),
    st.integers(1, 10).map(float),
    st.sampled_from(["a", "b", "c", None]),
)
CLIPS = st.lists(CLIP, max_size=40, unique_by=lambda clip: (clip.youtube_id, clip.time_start, clip.time_end))


def media(clip: Clip) -> MediaFile:
    return MediaFile(f"train/{clip.id}.mp4", Span.TRIMMED)


def plan(clips, found=None, selection=None, sharding=None, settings=None):
    return plan_split(
        Split.TRAIN,
        clips,
        {clip: media(clip) for clip in clips} if found is None else found,
        selection=selection or Selection(),
        sharding=sharding or Sharding(),
        settings=settings or DecodeSettings(),
    )


@given(
    CLIPS,
    st.sets(st.integers(0, 39)),
    st.sampled_from([None, ("a",), ("a", "b")]),
    st.none() | st.integers(1, 5),
    st.none() | st.integers(1, 20),
)
def test_every_row_ends_in_one_place(clips, gone, classes, per_class, per_split):
    found = {clip: media(clip) for number, clip in enumerate(clips) if number not in gone}
    exclude = {clips[0].youtube_id} if clips else set()
    result = plan(clips, found, Selection(classes, per_class, per_split, exclude))
    planned = [each.clip for each in result.clips]
    assert collections.Counter(planned + list(result.missing) + list(result.excluded)) == collections.Counter(clips)
    assert all(each.media == found[each.clip] for each in result.clips)
    if per_split is not None:
        assert len(planned) <= per_split
    if per_class is not None:
        assert all(count <= per_class for count in collections.Counter(clip.label for clip in planned).values())
    if classes is not None:
        assert {clip.label for clip in planned} <= set(classes)
    assert not {clip.youtube_id for clip in planned} & exclude
    assert all(clip not in found for clip in result.missing)


@given(CLIPS, st.randoms(), st.integers(1, 50))
def test_the_order_of_rows_does_not_matter(clips, random, num_shards):
    shuffled = list(clips)
    random.shuffle(shuffled)
    sharding = Sharding(num_shards=num_shards)
    assert plan(clips, sharding=sharding).clips == plan(shuffled, sharding=sharding).clips


@given(CLIPS, st.integers(1, 50))
def test_shards_are_contiguous_and_nearly_equal(clips, num_shards):
    result = plan(clips, sharding=Sharding(num_shards=num_shards))
    shards = list(result.shards())
    assert len(shards) == result.num_shards == min(num_shards, len(clips))
    assert [each for shard in shards for each in shard.clips] == list(result.clips)
    sizes = {len(shard.clips) for shard in shards}
    assert not sizes or (min(sizes) >= 1 and max(sizes) - min(sizes) <= 1)
    assert [shard.index for shard in shards] == list(range(len(shards)))


@given(CLIPS, st.integers(0, 39))
def test_a_clip_less_leaves_the_others_in_order(clips, index):
    if index < len(clips):
        fewer = clips[:index] + clips[index + 1 :]
        assert [c for c in plan(clips).clips if c.clip != clips[index]] == list(plan(fewer).clips)


def test_the_order_is_the_same_for_ever():
    clips = [Clip(Split.TRAIN, f"{number:011d}", 0.0, 10.0, "a") for number in range(6)]
    assert [int(each.clip.youtube_id) for each in plan(clips).clips] == [0, 5, 1, 2, 3, 4]
    assert order_key(clips[0])[0].hex() == "5fc1dd68a448bc7df8f93c0df3d765e1"


def test_limits_keep_the_first_in_hash_order():
    clips = [Clip(Split.TRAIN, f"{number:011d}", 0.0, 10.0, "ab"[number % 2]) for number in range(50)]
    everything = [each.clip for each in plan(clips).clips]
    assert [each.clip for each in plan(clips, selection=Selection(max_examples_per_split=7)).clips] == everything[:7]
    limited = plan(clips, selection=Selection(max_clips_per_class=3))
    assert [each.clip for each in limited.clips if each.clip.label == "a"] == [c for c in everything if c.label == "a"][
        :3
    ]
    assert set(limited.excluded.values()) == {Exclusion.MAX_CLIPS_PER_CLASS}


def test_limits_count_only_clips_that_are_there():
    clips = [Clip(Split.TRAIN, f"{number:011d}", 0.0, 10.0, "a") for number in range(50)]
    found = {clip: media(clip) for clip in clips[::2]}
    assert len(plan(clips, found, Selection(max_clips_per_class=20)).clips) == 20


def test_shards_hold_about_half_a_gigabyte():
    clips = [Clip(Split.TRAIN, f"{number:011d}", 0.0, 10.0, "a") for number in range(2000)]
    whole = plan(clips)
    assert 10 <= whole.num_shards <= 40
    limited = plan(clips, sharding=Sharding(max_shard_bytes=TARGET_SHARD_BYTES // 4))
    assert limited.num_shards > 4 * whole.num_shards
    assert plan(clips, sharding=Sharding(max_shard_bytes=1)).num_shards == 2000
    assert plan(clips, settings=DecodeSettings(short_side=128, fps=10)).num_shards < whole.num_shards / 4


@pytest.mark.parametrize("bad", [{"num_shards": 0}, {"num_shards": 10**6}, {"max_shard_bytes": 0}])
def test_impossible_shards(bad):
    with pytest.raises(ConfigError):
        Sharding(**bad)


def test_splits_come_in_their_usual_order():
    clips = [Clip(split, "00000000000", 0.0, 10.0) for split in (Split.TEST, Split.TRAIN)]
    plans = plan_splits(clips, {}, selection=Selection(), sharding=Sharding(), settings=DecodeSettings())
    assert list(plans) == [Split.TRAIN, Split.TEST]
    assert all(plan.num_shards == 0 and not list(plan.shards()) for plan in plans.values())
