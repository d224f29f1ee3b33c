"""BuilderConfigs: every setting of a build, and which of them make a different dataset."""

from __future__ import annotations

import dataclasses
import difflib
import functools
from typing import Any

import tensorflow_datasets as tfds

from kinetics_tfds.annotations.versions import KineticsVersion
from kinetics_tfds.decode.types import DecodeSettings
from kinetics_tfds.errors import ConfigError

VERSION = "1.0.0"

# Settings that may differ between two runs that make the same dataset.
_NOT_IDENTITY = frozenset(
    {"name", "description", "version", "release_notes", "supported_versions", "tags", "max_failure_rate"}
)


@dataclasses.dataclass(eq=False, kw_only=True)
class KineticsConfig(tfds.core.BuilderConfig):
    """All that can be chosen about a build; cannot be changed once made.

    `tfds build kinetics600 --config='{"name": "mini", "classes": ["archery"]}'` makes one of these from JSON.

    Attributes:
        name: names the dataset's folder; lower-case letters, digits, `_`, `-` and `.`.
        short_side: see `DecodeSettings`.
        fps: see `DecodeSettings`.
        quality: see `DecodeSettings`.
        audio_rate: see `DecodeSettings`.
        min_duration: see `DecodeSettings`.
        keep_damaged: see `DecodeSettings`.
        classes: raw class names to keep, None for all. Class indices stay those of the whole version. Unlabelled
            clips are left out when this is set.
        max_clips_per_class: at most this many clips a split and class, the first in the plan's hash order; unlabelled
            clips count as one class.
        exclude: videos to leave out, all their clips with them: sets of clips of this or another version, like
            `kinetics700_2020/validation`, whose lists lie with the clips, or paths of text files with one YouTube id
            a line.
        sample: build from the embedded sample instead of the user's clips.
        max_failure_rate: the share of the clips on disk that may fail before the build stops, 0 to 1. Does not change
            the dataset's identity.

    Raises:
        ConfigError: an unknown key or a value out of range.
    """

    short_side: int | None = 256
    fps: float | None = 25.0
    quality: int = 90
    audio_rate: int | None = None
    min_duration: float | None = None
    keep_damaged: bool = False
    classes: tuple[str, ...] | None = None
    max_clips_per_class: int | None = None
    exclude: tuple[str, ...] = ()
    sample: bool = False
    max_failure_rate: float = 0.05

    def __post_init__(self) -> None:
        if isinstance(self.classes, list):
            self.classes = tuple(self.classes)
        if isinstance(self.exclude, list):
            self.exclude = tuple(self.exclude)
        if self.version is None:
            self.version = VERSION
        self._check()
        self._made = True

    def __setattr__(self, key: str, value: Any) -> None:
        # TFDS's own BuilderConfig is not frozen, and Python lets no frozen dataclass inherit from one that is not.
        if hasattr(self, "_made"):
            raise dataclasses.FrozenInstanceError(f"cannot assign to field {key!r}")
        super().__setattr__(key, value)

    def _check(self) -> None:
        def require(key: str, valid: bool, expected: str) -> None:
            if not valid:
                raise ConfigError(
                    f"Config {self.name!r}: {key} is {getattr(self, key)!r}, expected {expected}.",
                    f"Set {key} to a value in range, or leave it out for the default.",
                )

        allowed = set("abcdefghijklmnopqrstuvwxyz0123456789_-.")
        require(
            "name",
            bool(self.name) and set(self.name) <= allowed and self.name[0].isalnum(),
            "a folder name of [a-z0-9_.-]",
        )
        require(
            "short_side", _optional_number(self.short_side, 16, 8192, whole=True), "pixels from 16 to 8192, or null"
        )
        require("fps", _optional_number(self.fps, 0.1, 240), "frames a second from 0.1 to 240, or null")
        require("quality", self.quality is not None and _optional_number(self.quality, 1, 100, whole=True), "1 to 100")
        require("audio_rate", _optional_number(self.audio_rate, 4000, 192000, whole=True), "4000 to 192000, or null")
        require("min_duration", _optional_number(self.min_duration, 0, 3600), "seconds, or null")
        require(
            "classes",
            self.classes is None or _texts(self.classes),
            "a list of class names like ['archery'], or null",
        )
        require(
            "max_clips_per_class",
            _optional_number(self.max_clips_per_class, 1, 10**9, whole=True),
            "1 or more, or null",
        )
        require(
            "exclude",
            self.exclude == () or _texts(self.exclude),
            "a list like ['kinetics400/validation']",
        )
        require(
            "max_failure_rate",
            self.max_failure_rate is not None and _optional_number(self.max_failure_rate, 0, 1),
            "0 to 1",
        )

    @property
    def decode_settings(self) -> DecodeSettings:
        """The part of the settings that a decode worker needs."""
        return DecodeSettings(**{f.name: getattr(self, f.name) for f in dataclasses.fields(DecodeSettings)})

    def identity(self) -> dict[str, Any]:
        """The settings that make this dataset what it is, as plain JSON values.

        Two configs of one name whose identities differ must never share a folder.
        """
        return {
            f.name: list(value) if isinstance(value := getattr(self, f.name), tuple) else value
            for f in dataclasses.fields(self)
            if f.name not in _NOT_IDENTITY
        }


def _texts(value: Any) -> bool:
    return isinstance(value, tuple) and bool(value) and all(isinstance(text, str) and text for text in value)


def _optional_number(value: Any, low: float, high: float, *, whole: bool = False) -> bool:
    if value is None:
        return True
    if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)):
        return False
    return low <= value <= high


def _explain_wrong_keys(cls: type[KineticsConfig]) -> None:
    """Makes `cls(unknown=…)` name the nearest key that it knows, and `cls()` say that it needs a name."""
    known = [f.name for f in dataclasses.fields(cls)]
    plain_init = cls.__init__

    @functools.wraps(plain_init)
    def init(self: KineticsConfig, **settings: Any) -> None:
        for key in settings:
            if key not in known:
                nearest = difflib.get_close_matches(key, known, n=1)
                hint = f"Did you mean {nearest[0]!r}? " if nearest else ""
                raise ConfigError(f"Unknown config key {key!r}.", f"{hint}Known keys: {', '.join(known)}.")
        if "name" not in settings:
            raise ConfigError(
                f"The config {settings} has no name.",
                "Add one that says what is special about it, such as 'name': 'mine': it names the dataset's folder.",
            )
        plain_init(self, **settings)

    cls.__init__ = init


_explain_wrong_keys(KineticsConfig)

DEFAULT_CONFIG = KineticsConfig(name="jpeg256", description="Short side 256, 25 frames a second, JPEG quality 90.")

NAMED_CONFIGS = (
    DEFAULT_CONFIG,
    KineticsConfig(name="jpeg256_10fps", fps=10.0, description="Short side 256, 10 frames a second, JPEG quality 90."),
    KineticsConfig(
        name="jpeg128_10fps",
        short_side=128,
        fps=10.0,
        description="Short side 128, 10 frames a second, JPEG quality 90.",
    ),
    KineticsConfig(
        name="source_fps256", fps=None, description="Short side 256, every frame of the source, JPEG quality 90."
    ),
    KineticsConfig(
        name="sample",
        short_side=128,
        fps=10.0,
        sample=True,
        description="About 24 made-up clips of moving shapes: needs no download and runs the same code as real clips.",
    ),
)


def check_classes(config: KineticsConfig, version: KineticsVersion) -> None:
    """Raises ConfigError where a config names a class that a version of Kinetics does not have."""
    known = set(version.class_names)
    unknown = [name for name in config.classes or () if name not in known]
    if unknown:
        import difflib

        nearest = difflib.get_close_matches(unknown[0], version.class_names, n=3, cutoff=0.4)
        hint = f"Did you mean {' or '.join(map(repr, nearest))}? " if nearest else ""
        raise ConfigError(
            f"Config {config.name!r}: {version.title} has no class {', '.join(map(repr, unknown))}.",
            f"{hint}Class names are those of kinetics_tfds/{version.name}/labels.txt.",
        )
