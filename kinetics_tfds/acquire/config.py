"""The settings of a run: frozen dataclasses, and how a YAML file becomes them.

pydantic checks a file against the annotations; it is imported only then, because worker processes import this module.
"""

from __future__ import annotations

import dataclasses
import difflib
import importlib
import json
import os
import pathlib
import typing
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, TypeVar

from annotated_types import Ge, Gt, Interval

from kinetics_tfds.acquire.outcome import redact
from kinetics_tfds.acquire.source import Source
from kinetics_tfds.errors import ConfigError

T = TypeVar("T")

# What `kind:` may say. A source from elsewhere is named `package.module:Class`.
SOURCES: dict[str, str] = {
    "folder": "kinetics_tfds.acquire.sources.folder:Folder",
    "http": "kinetics_tfds.acquire.sources.http:Http",
    "mirror": "kinetics_tfds.acquire.sources.mirror:Mirror",
    "archives": "kinetics_tfds.acquire.sources.archives:Archives",
    "youtube": "kinetics_tfds.acquire.sources.youtube:YouTube",
}


@dataclasses.dataclass(frozen=True, slots=True)
class CutSettings:
    """How a clip is cut out of a longer video.

    Attributes:
        mode: `reencode`: exactly the clip in H.264 and AAC. `copy`, of the time when there was a second mode, means the
            same.
        crf: quality of re-encoding, 0 (lossless) to 51; 18 is hard to tell from the source.
        preset: x264's balance of speed and size.
        short_side: scale the shorter side down to this many pixels when re-encoding; null keeps the source's size.
        audio: keep the sound.
        seconds: time that cutting and checking one clip may take.
    """

    mode: Literal["reencode", "copy"] = "reencode"
    crf: Annotated[int, Interval(ge=0, le=51)] = 18
    preset: Literal["ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow"] = (
        "veryfast"
    )
    short_side: Annotated[int, Interval(ge=16, le=4320)] | None = None
    audio: bool = True
    seconds: Annotated[float, Gt(0)] = 300.0


@dataclasses.dataclass(frozen=True, slots=True)
class CheckSettings:
    """What a clip must be before it becomes visible.

    Attributes:
        min_duration: seconds of the clip that must be playable. About 5 % of Kinetics clips are shorter than 9 s,
            because their video ends.
        tolerance: seconds by which a file that should be just the clip may be longer than it.
    """

    min_duration: Annotated[float, Ge(0)] = 1.0
    tolerance: Annotated[float, Ge(0)] = 1.0


@dataclasses.dataclass(frozen=True, slots=True)
class RetrySettings:
    """When a clip is tried again at the same source.

    Attributes:
        attempts: tries of one clip that end transient, over all runs, before it is given up.
        first_wait: seconds before the second try, doubled for each further one, with jitter.
        longest_wait: the longest of those waits.
        recheck_hours: hours until an ambiguous answer is checked again.
        rechecks: how often it is checked again.
    """

    attempts: Annotated[int, Ge(1)] = 4
    first_wait: Annotated[float, Ge(0)] = 60.0
    longest_wait: Annotated[float, Ge(0)] = 3600.0
    recheck_hours: Annotated[float, Ge(0)] = 24.0
    rechecks: Annotated[int, Ge(0)] = 2


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunSettings:
    """All settings of a run but its sources.

    Attributes:
        cut: how clips are cut out of whole videos.
        check: what a clip must be to be kept.
        retry: when a failed try is repeated.
        min_free_gb: stop before the disk has less room than this.
        workers: processes that cut and check; null for one on each CPU.
        state: local folder for what all runs on this machine share (rate limiters and indexes); null
            for `kinetics_tfds` in the user's cache folder.
    """

    cut: CutSettings = CutSettings()
    check: CheckSettings = CheckSettings()
    retry: RetrySettings = RetrySettings()
    min_free_gb: Annotated[float, Ge(0)] = 10.0
    workers: Annotated[int, Ge(1)] | None = None
    state: pathlib.Path | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class AcquireConfig(RunSettings):
    """All settings of a run.

    Attributes:
        sources: where clips may come from, in the order of trying.
    """

    sources: tuple[Source, ...]

    def __post_init__(self) -> None:
        names = [source.name for source in self.sources]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ConfigError(
                f"Config: several sources are named {', '.join(twice)}.", "Give each source a different `name`."
            )

    @property
    def state_folder(self) -> pathlib.Path:
        """The folder of `state`, or its default."""
        if self.state is not None:
            return self.state
        return pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache", "kinetics_tfds")

    def only(self, names: Sequence[str]) -> AcquireConfig:
        """Returns the config with just the named sources, in the order of the names.

        Raises:
            ConfigError: there is no such source.
        """
        by_name = {source.name: source for source in self.sources}
        if unknown := [name for name in names if name not in by_name]:
            raise ConfigError(
                f"The config has no source {unknown[0]!r}.", f"Name one of {', '.join(by_name)}, or add it."
            )
        return dataclasses.replace(self, sources=tuple(by_name[name] for name in names))


def read_config(path: str | os.PathLike[str] | None) -> AcquireConfig:
    """Reads a config file.

    Args:
        path: a local YAML file; relative paths in it are taken from its folder. None for YouTube alone, as a guest.

    Raises:
        ConfigError: it does not exist, is not YAML, or has an unknown key or a wrong value.
    """
    import yaml

    if path is None:
        return parse_config({"sources": [{"kind": "youtube"}]}, pathlib.Path.cwd())
    try:
        values = yaml.safe_load(pathlib.Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(
            f"The config {os.fspath(path)!r} cannot be read: {error}", "Start from a file in configs/acquire/."
        ) from error
    return parse_config(values, pathlib.Path(path).resolve().parent)


def parse_config(values: Any, base: pathlib.Path) -> AcquireConfig:
    """Makes a config from plain values, as YAML gives them.

    Args:
        values: a mapping with the keys of `AcquireConfig`.
        base: the folder that relative paths are taken from.

    Raises:
        ConfigError: an unknown key or a wrong value.
    """
    if not isinstance(values, Mapping):
        raise ConfigError("The config is not a mapping of keys to values.", "Start from a file in configs/acquire/.")
    sources = values.get("sources")
    if not isinstance(sources, list) or not sources:
        raise ConfigError("The config names no sources.", "Give a list under `sources:`, each entry with a `kind:`.")
    made = tuple(_source(entry, f"sources[{number}]", base) for number, entry in enumerate(sources))
    rest = _validate(RunSettings, {key: value for key, value in values.items() if key != "sources"}, "", base)
    return AcquireConfig(sources=made, **vars(rest))


def _source(entry: Any, where: str, base: pathlib.Path) -> Source:
    kind = entry.get("kind") if isinstance(entry, Mapping) else None
    target = SOURCES.get(kind, kind if isinstance(kind, str) and ":" in kind else "") if kind else ""
    if not target:
        raise ConfigError(
            f"Config: {where}: {kind!r} is no kind of source.",
            f"Set `kind` to one of {', '.join(SOURCES)}, or to `package.module:Class` of your own.",
        )
    module, _, name = target.partition(":")
    try:
        cls = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ConfigError(
            f"Config: {where}: {target} cannot be imported: {error}.", "Check the name after `kind:`."
        ) from error
    source = _validate(cls, {key: value for key, value in entry.items() if key != "kind"}, where, base)
    if not isinstance(source, Source):
        raise ConfigError(
            f"Config: {where}: {target} is not a source.", "Give it all that acquire/source.py's `Source` names."
        )
    return source


def _validate(cls: type[T], values: Mapping[str, Any], where: str, base: pathlib.Path) -> T:
    """Makes a dataclass from plain values; `where` names their place in the file."""
    import pydantic

    try:
        # As JSON, whose strict rules are those of YAML: lists are tuples, strings are paths, but "5" is no number.
        text = json.dumps(values, default=str)
        made = pydantic.TypeAdapter(cls).validate_json(text, strict=True, extra="forbid")
    except pydantic.ValidationError as error:
        problem = error.errors()[0]
        path = problem["loc"]
        name = where + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
        known = _known_keys(cls, path[:-1])
        if problem["type"] == "unexpected_keyword_argument":
            nearest = difflib.get_close_matches(str(path[-1]), known, n=1)
            hint = f"Did you mean {nearest[0]!r}? " if nearest else ""
            message, next_step = "this key is unknown", f"{hint}Known keys: {', '.join(known)}."
        else:
            said = problem["msg"].replace("Input should be", "expected")
            given = problem["input"]  # a mapping or list may hold what is secret
            message = f"{redact(repr(given))}: {said}" if isinstance(given, str | int | float | None) else said
            next_step = "Correct it, or leave it out."
        raise ConfigError(f"Config: {name.lstrip('.')}: {message}.", next_step) from None
    return _resolve(made, base)


def _known_keys(cls: Any, path: Sequence[int | str]) -> list[str]:
    for key in path:
        hint = typing.get_type_hints(cls).get(str(key))
        cls = next((each for each in (hint, *typing.get_args(hint)) if dataclasses.is_dataclass(each)), cls)
    return [field.name for field in dataclasses.fields(cls) if field.init]


def _resolve(value: Any, base: pathlib.Path) -> Any:
    """Returns a value with every relative path in it, at any depth, taken from the config's folder."""
    if isinstance(value, pathlib.Path):
        return base / value.expanduser()
    if isinstance(value, tuple):
        return tuple(_resolve(each, base) for each in value)
    if not dataclasses.is_dataclass(value) or isinstance(value, type):
        return value
    fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value) if field.init}
    resolved = {name: _resolve(each, base) for name, each in fields.items()}
    return dataclasses.replace(value, **resolved) if resolved != fields else value
