"""The clips that are still looked for while archives are read."""

from __future__ import annotations

import threading
from collections.abc import Iterable

from kinetics_tfds.annotations.clip import Clip
from kinetics_tfds.clips.layouts import MediaName
from kinetics_tfds.clips.match import clips_of_file
from kinetics_tfds.clips.media import Span


class PendingClips:
    """The clips of a unit that were not found yet; for several threads.

    Args:
        clips: the wanted ones.
        others: further rows of the same videos: a member named by the id alone may be meant for one of them.
        class_names: of the version, that a member's folders may bear.
    """

    def __init__(self, clips: Iterable[Clip], others: Iterable[Clip] = (), class_names: Iterable[str] = ()) -> None:
        self._lock = threading.Lock()
        self._class_names = tuple(class_names)
        self._by_id: dict[str, list[Clip]] = {}
        self._rows: dict[str, list[Clip]] = {}  # of videos with several
        for clip in clips:
            self._by_id.setdefault(clip.youtube_id, []).append(clip)
        for clip in others:
            self._rows.setdefault(clip.youtube_id, []).append(clip)
        for video, group in self._by_id.items():
            if video in self._rows or len(group) > 1:
                self._rows.setdefault(video, []).extend(group)

    def clips(self) -> list[Clip]:
        """Returns what is still wanted."""
        with self._lock:
            return [clip for group in self._by_id.values() for clip in group]

    def __bool__(self) -> bool:
        return bool(self._by_id)

    def claim(self, name: MediaName, path: str) -> tuple[tuple[Clip, ...], Span]:
        """Takes out the clips that a member holds, and returns them and what it covers.

        Args:
            name: what the member's path says.
            path: the member's path; its suffix does not count.
        """
        with self._lock:
            group = self._by_id.get(name.youtube_id, [])
            if not group:
                return (), Span.UNKNOWN
            # All rows of the video take part, also those that were found or stored before.
            rows = self._rows.get(name.youtube_id, group)
            found = clips_of_file(_as_media(name, path), rows, self._class_names)
            claimed = tuple(clip for clip in group if clip in found)
            left = [clip for clip in group if clip not in claimed]
            if left:
                self._by_id[name.youtube_id] = left
            else:
                self._by_id.pop(name.youtube_id, None)
        return claimed, found[claimed[0]].span if claimed else Span.UNKNOWN

    def give_back(self, clips: Iterable[Clip]) -> None:
        """Puts clips back whose file was of no use: another archive may have a better one."""
        with self._lock:
            for clip in clips:
                self._by_id.setdefault(clip.youtube_id, []).append(clip)


def _as_media(name: MediaName, path: str) -> str:
    """Returns a member's path with a name and a suffix as media have; members may have odd ones, or none."""
    times = "" if name.time_start is None else f"_{name.time_start:f}_{name.time_end:f}"
    return f"{path.rpartition('/')[0]}/{name.youtube_id}{times}.mp4".lstrip("/")
