"""Which of the clips at hand are no longer in a list: their videos were deleted, made private, or taken out of it."""

from __future__ import annotations

from kinetics_tfds.annotations.clip import Clip
from kinetics_tfds.clip_sets.clip_set import ClipSet


def find_gone(held: ClipSet, listed: ClipSet) -> list[Clip]:
    """Returns the clips whose video is in no row of a list, in the order of their keys.

    Only splits that the list has rows of are looked at: a list of one split says nothing about the others. A video
    that another split lists is not gone.

    Args:
        held: the clips at hand.
        listed: the rows of the list.
    """
    splits = {clip.split for clip in listed.clips.values()}
    videos = {clip.youtube_id for clip in listed.clips.values()}
    clips = (clip for _, clip in sorted(held.clips.items()))
    return [clip for clip in clips if clip.split in splits and clip.youtube_id not in videos]
