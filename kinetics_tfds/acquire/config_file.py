"""The config file of a run: YAML to frozen dataclasses, strictly. An unknown key is an error that names the nearest."""

from __future__ import annotations

import dataclasses
import difflib
import importlib
import os
import pathlib
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

from kinetics_tfds.acquire.config import AcquireConfig, require
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


def read_config(path: str | os.PathLike[str]) -> AcquireConfig:
    """Reads a config file.

    Args:
        path: a local YAML file. Relative paths in it are taken from its folder.

    Raises:
        ConfigError: not there, not YAML, an unknown key or a wrong value.
    """
    import yaml

    try:
        text = pathlib.Path(path).read_text(encoding="utf-8")
        values = yaml.safe_load(text)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(
            f"The config {os.fspath(path)!r} cannot be read: {error}", "Start from a file in configs/acquire/."
        ) from error
    return parse_config(values, pathlib.Path(path).resolve().parent)


def config_or_default(path: str | None) -> AcquireConfig:
    """Reads a config file; where none is named, returns the config of YouTube alone, as a guest."""
    return read_config(path) if path else parse_config({"sources": [{"kind": "youtube"}]}, pathlib.Path.cwd())


def parse_config(values: Any, base: pathlib.Path) -> AcquireConfig:
    """Makes a config from plain values (as YAML gives them).

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
    made = tuple(make_source(entry, f"sources[{number}]", base) for number, entry in enumerate(sources))
    rest = {key: value for key, value in values.items() if key != "sources"}
    return build(AcquireConfig, rest, "config", base, sources=made)


def make_source(entry: Any, where: str, base: pathlib.Path) -> Source:
    """Makes one source from its part of the config, by its `kind`."""
    kind = entry.get("kind") if isinstance(entry, Mapping) else None
    target = SOURCES.get(kind, kind if isinstance(kind, str) and ":" in kind else "") if kind else ""
    if not target:
        raise ConfigError(
            f"{where}: {kind!r} is no kind of source.",
            f"Set `kind` to one of {', '.join(SOURCES)}, or to `package.module:Class` of your own.",
        )
    module, _, name = target.partition(":")
    try:
        cls = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"{where}: {target} cannot be imported: {error}.", "Check the name after `kind:`.") from error
    source = build(cls, {key: value for key, value in entry.items() if key != "kind"}, where, base)
    if not isinstance(source, Source):
        raise ConfigError(f"{where}: {target} is not a source.", "Give it all that acquire/source.py's `Source` names.")
    return source


def build(cls: type[T], values: Any, where: str, base: pathlib.Path, **ready: Any) -> T:
    """Makes a dataclass from plain values, checking keys and types.

    Args:
        cls: the dataclass; its annotations say what is expected.
        values: a mapping.
        where: names the place in the config for messages.
        base: the folder that relative paths are taken from.
        **ready: fields that are made already.
    """
    if not isinstance(values, Mapping):
        raise ConfigError(f"{where} is {values!r}, expected a mapping of keys.", "Indent its keys below it.")
    hints = typing.get_type_hints(cls)
    known = [field.name for field in dataclasses.fields(cls) if field.init]  # type: ignore[arg-type]
    made = dict(ready)
    for key, value in values.items():
        if key not in known:
            nearest = difflib.get_close_matches(str(key), known, n=1)
            hint = f"Did you mean {nearest[0]!r}? " if nearest else ""
            raise ConfigError(f"{where}: unknown key {key!r}.", f"{hint}Known keys: {', '.join(known)}.")
        made[key] = _convert(value, hints[key], f"{where}.{key}", base)
    try:
        return cls(**made)
    except TypeError as error:
        raise ConfigError(f"{where}: {error}.", f"Known keys: {', '.join(known)}.") from error


def _convert(value: Any, hint: Any, where: str, base: pathlib.Path) -> Any:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        if value is None and type(None) in arguments:
            return None
        return _convert(value, next(a for a in arguments if a is not type(None)), where, base)
    if dataclasses.is_dataclass(hint):
        return build(typing.cast(type, hint), value, where, base)
    if hint is Any:
        return value
    if hint is pathlib.Path:
        require(isinstance(value, str) and bool(value), where, value, "a path")
        return base / os.path.expanduser(value)
    if hint is float:
        require(isinstance(value, int | float) and not isinstance(value, bool), where, value, "a number")
        return float(value)
    if origin is tuple:
        require(isinstance(value, list), where, value, "a list")
        inner = [arguments[0]] * len(value) if arguments[-1] is ... else list(arguments)
        require(len(inner) == len(value), where, value, f"a list of {len(inner)}")
        return tuple(_convert(v, h, f"{where}[{n}]", base) for n, (v, h) in enumerate(zip(value, inner, strict=True)))
    plain = origin or hint
    if plain in (Mapping, dict) or getattr(plain, "__name__", "") == "Mapping":
        require(isinstance(value, Mapping), where, value, "a mapping of keys")
        return value
    require(isinstance(value, plain) and not (plain is int and isinstance(value, bool)), where, value, plain.__name__)
    return value
