"""The clips that are still looked for while archives are read."""

from __future__ import annotations

import threading
from collections.abc import Iterable

from kinetics_tfds.annotations.clip import Clip
from kinetics_tfds.clips.layouts import MediaName
from kinetics_tfds.clips.match import compare_times
from kinetics_tfds.clips.media import Span


class Wanted:
    """The clips of a unit that were not found yet; for several threads."""

    def __init__(self, clips: Iterable[Clip]) -> None:
        self._lock = threading.Lock()
        self._by_id: dict[str, list[Clip]] = {}
        for clip in clips:
            self._by_id.setdefault(clip.youtube_id, []).append(clip)

    def clips(self) -> list[Clip]:
        """Returns what is still wanted."""
        with self._lock:
            return [clip for group in self._by_id.values() for clip in group]

    def __bool__(self) -> bool:
        return bool(self._by_id)

    def claim(self, name: MediaName) -> tuple[tuple[Clip, ...], Span]:
        """Returns the clips that a file of this name holds and takes them out, and what the file covers."""
        with self._lock:
            group = self._by_id.get(name.youtube_id, [])
            claimed = [clip for clip in group if compare_times(clip, name) is not None]
            if name.time_start is None and any(clip.split is name.split for clip in claimed):
                claimed = [clip for clip in claimed if clip.split is name.split]  # it may be that split's clip alone
            left = [clip for clip in group if clip not in claimed]
            if left:
                self._by_id[name.youtube_id] = left
            else:
                self._by_id.pop(name.youtube_id, None)
        if name.time_start is not None:
            return tuple(claimed), Span.TRIMMED
        several = len({(clip.time_start, clip.time_end) for clip in claimed}) > 1
        return tuple(claimed), Span.WHOLE if several else Span.UNKNOWN

    def give_back(self, clips: Iterable[Clip]) -> None:
        """Puts clips back whose file was of no use: another archive may have a better one."""
        with self._lock:
            for clip in clips:
                self._by_id.setdefault(clip.youtube_id, []).append(clip)
