"""The clips that are still looked for while archives are read."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from kinetics_tfds.acquire.source import Unit
from kinetics_tfds.annotations.clip import Clip
from kinetics_tfds.clips.layouts import MediaName
from kinetics_tfds.clips.match import clips_of_file
from kinetics_tfds.clips.media import Span


class PendingClips:
    """The clips of a unit, and which of them have a file.

    Args:
        unit: the wanted clips, and the rows that a member named by the id alone may be meant for as well.
        class_names: of the version, that a member's folders may bear.
        rejected: returns the clips whose file turned out to be of no use: see `FetchContext`.
    """

    def __init__(self, unit: Unit, class_names: Iterable[str], rejected: Callable[[], Collection[Clip]]) -> None:
        self._class_names, self._rejected = tuple(class_names), rejected
        self._wanted, self._rows = _by_video(unit.clips), _by_video((*unit.clips, *unit.others))
        self._left = dict.fromkeys(unit.clips)  # in their order

    @property
    def left(self) -> tuple[Clip, ...]:
        """The clips that no good file was found for, as far as is known."""
        return tuple(self._left)

    def all_found(self) -> bool:
        """Returns whether every clip has a file, having waited for the verdict on each."""
        if not self._left:
            self._left.update(dict.fromkeys(self._rejected()))
        return not self._left

    def claim(self, name: MediaName, path: str) -> tuple[tuple[Clip, ...], Span]:
        """Takes out the clips that a member holds, and returns them and what it covers.

        Args:
            name: what the member's path says.
            path: the member's path; its suffix does not count.
        """
        wanted = self._wanted.get(name.youtube_id, ())
        found = clips_of_file(_as_media(name, path), self._rows[name.youtube_id], self._class_names) if wanted else {}
        if any(clip in found and clip not in self._left for clip in wanted):
            self._left.update(dict.fromkeys(self._rejected()))  # a second file: wanted if the first is of no use
        claimed = tuple(clip for clip in wanted if clip in found and clip in self._left)
        for clip in claimed:
            del self._left[clip]
        return claimed, found[claimed[0]].span if claimed else Span.UNKNOWN

    def give_back(self, clips: Iterable[Clip]) -> None:
        """Puts clips back whose file was of no use: another archive may have a better one."""
        self._left.update(dict.fromkeys(clips))


def _by_video(clips: Iterable[Clip]) -> dict[str, list[Clip]]:
    groups: dict[str, list[Clip]] = {}
    for clip in clips:
        groups.setdefault(clip.youtube_id, []).append(clip)
    return groups


def _as_media(name: MediaName, path: str) -> str:
    """Returns a member's path with a name and a suffix as media have; members may have odd ones, or none."""
    times = "" if name.time_start is None else f"_{name.time_start:f}_{name.time_end:f}"
    return f"{path.rpartition('/')[0]}/{name.youtube_id}{times}.mp4".lstrip("/")
