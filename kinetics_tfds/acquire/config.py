"""All settings of a run, as frozen dataclasses that check themselves. strict.py makes them from a YAML file."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import typing
from typing import Any

from kinetics_tfds.acquire.source import Source
from kinetics_tfds.errors import ConfigError


def require(valid: bool, key: str, value: Any, expected: str) -> None:
    """Raises `ConfigError` unless a setting is valid."""
    if not valid:
        raise ConfigError(f"Config: {key} is {value!r}, expected {expected}.", "Correct it, or leave it out.")


@dataclasses.dataclass(frozen=True, slots=True)
class CutSettings:
    """How a clip is cut out of a longer video.

    Attributes:
        mode: `reencode` gives exactly the clip in H.264 and AAC; `copy` keeps the source's own packets from the key
            frame before the clip, and an edit list that starts playing at the clip.
        crf: quality of re-encoding, 0 (lossless) to 51; 18 is hard to tell from the source.
        preset: x264's balance of speed and size.
        short_side: scale the shorter side down to this many pixels when re-encoding; null keeps the source's size.
        audio: keep the sound.
        seconds: wall time that cutting one clip may take.
    """

    mode: str = "reencode"
    crf: int = 18
    preset: str = "veryfast"
    short_side: int | None = None
    audio: bool = True
    seconds: float = 300.0

    def __post_init__(self) -> None:
        require(self.mode in ("reencode", "copy"), "cut.mode", self.mode, "'reencode' or 'copy'")
        require(0 <= self.crf <= 51, "cut.crf", self.crf, "0 to 51")
        presets = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow")
        require(self.preset in presets, "cut.preset", self.preset, f"one of {', '.join(presets)}")
        require(
            self.short_side is None or 16 <= self.short_side <= 4320,
            "cut.short_side",
            self.short_side,
            "pixels or null",
        )
        require(self.seconds > 0, "cut.seconds", self.seconds, "more than 0")


@dataclasses.dataclass(frozen=True, slots=True)
class CheckSettings:
    """What a clip must be before it becomes visible.

    Attributes:
        min_duration: playable seconds of the clip that must be there. About 5 % of Kinetics clips are truly shorter
            than 9 s, because their video ends.
        tolerance: seconds by which a file that should be just the clip may be longer than it.
    """

    min_duration: float = 1.0
    tolerance: float = 1.0

    def __post_init__(self) -> None:
        require(self.min_duration >= 0, "check.min_duration", self.min_duration, "0 or more seconds")
        require(self.tolerance >= 0, "check.tolerance", self.tolerance, "0 or more seconds")


@dataclasses.dataclass(frozen=True, slots=True)
class RetrySettings:
    """When a clip is tried again at the same source.

    Attributes:
        attempts: tries of one clip that end transient, over all runs, before it is left alone.
        first_wait: seconds before the second try, doubled for each further one, with jitter.
        longest_wait: the longest of those waits.
        recheck_hours: how long an ambiguous answer stands before it is checked again.
        rechecks: how often it is checked again.
    """

    attempts: int = 4
    first_wait: float = 60.0
    longest_wait: float = 3600.0
    recheck_hours: float = 24.0
    rechecks: int = 2

    def __post_init__(self) -> None:
        require(self.attempts >= 1, "retry.attempts", self.attempts, "1 or more")
        require(self.first_wait >= 0, "retry.first_wait", self.first_wait, "0 or more seconds")
        require(self.longest_wait >= self.first_wait, "retry.longest_wait", self.longest_wait, "first_wait or more")


@dataclasses.dataclass(frozen=True, kw_only=True)
class AcquireConfig:
    """All settings of a run.

    Attributes:
        sources: where clips may come from, in the order of trying.
        cut: how clips are cut out of whole videos.
        check: what a clip must be to be kept.
        retry: when a failed try is repeated.
        min_free_gb: stop before the disk has less room than this.
        workers: processes that cut and check; null for one a core.
        state: local folder for what all runs on this machine share (rate limiters and indexes); null
            for `kinetics_tfds` in the user's cache folder.
    """

    sources: tuple[Source, ...]
    cut: CutSettings = CutSettings()
    check: CheckSettings = CheckSettings()
    retry: RetrySettings = RetrySettings()
    min_free_gb: float = 10.0
    workers: int | None = None
    state: pathlib.Path | None = None

    def __post_init__(self) -> None:
        require(bool(self.sources), "sources", "empty", "at least one source")
        names = [source.name for source in self.sources]
        twice = sorted({name for name in names if names.count(name) > 1})
        require(not twice, "sources", ", ".join(twice), "a different `name` for each source")

    @property
    def state_folder(self) -> pathlib.Path:
        """The folder of `state`, or its default."""
        if self.state is not None:
            return self.state
        return pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache", "kinetics_tfds")

    def only(self, names: typing.Sequence[str]) -> AcquireConfig:
        """Returns the config with just the named sources, in the order of the names.

        Raises:
            ConfigError: there is no such source.
        """
        by_name = {source.name: source for source in self.sources}
        for name in names:
            if name not in by_name:
                raise ConfigError(
                    f"The config has no source {name!r}.", f"Name one of {', '.join(by_name)}, or add it to the config."
                )
        return dataclasses.replace(self, sources=tuple(by_name[name] for name in names))
