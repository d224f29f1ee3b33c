"""From a command's arguments to a builder and to what TFDS is told about the build."""

from __future__ import annotations

import argparse
import json
import os
import pathlib
from collections.abc import Mapping
from typing import Any

from kinetics_tfds.annotations.versions import get_version
from kinetics_tfds.errors import ConfigError


def make_builder(args: argparse.Namespace) -> Any:
    """Returns the builder that `arguments.add_build_inputs` describes.

    Raises:
        AnnotationError: there is no such version of Kinetics.
        ConfigError: there is no such config, or its settings cannot be read.
    """
    import tensorflow_datasets as tfds

    from kinetics_tfds.config import KineticsConfig

    name, _, config = args.dataset.partition("/")
    config, _, version = config.partition(":")
    builder_cls: Any = tfds.builder_cls(get_version(name).name)
    if args.config is not None:
        if config:
            raise ConfigError(
                f"Two configs are given: {config!r} and --config.", f"Write {name} alone, or leave out --config."
            )
        config = read_config(args.config, tuple(builder_cls.builder_configs))
    if isinstance(config, Mapping):
        config = KineticsConfig(**config)
    elif config:
        _check_name(config, tuple(builder_cls.builder_configs))
    return builder_cls(
        data_dir=args.data_dir, config=config or None, version=version or None, file_format=args.file_format
    )


def read_config(text: str, names: tuple[str, ...] = ()) -> str | Mapping[str, Any]:
    """Returns the name or the settings that --config stands for.

    Args:
        text: a named config, settings as JSON, or the path of a file that holds such JSON.
        names: of the named configs.

    Raises:
        ConfigError: it is none of them.
    """
    if text in names:
        return text
    inline = text.lstrip().startswith("{")
    if not inline and not os.path.exists(text) and os.path.basename(text) == text and not text.endswith(".json"):
        _check_name(text, names)
    try:
        settings = json.loads(text if inline else pathlib.Path(text).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"Cannot read the settings in {'--config' if inline else text}: {error}",
            'Give a named config, JSON like {"name": "mini", "fps": 5}, or a file such as configs/build/mini.json.',
        ) from error
    if not isinstance(settings, dict):
        raise ConfigError(
            f"{'--config' if inline else text} is not a JSON object.", 'Write {"name": "mini", …}: see configs/build.'
        )
    return settings


def _check_name(name: str, names: tuple[str, ...]) -> None:
    if name not in names:
        raise ConfigError(
            f"There is no config named {name!r}.",
            f"Named configs: {', '.join(names)}; or pass settings as JSON, or a file of them, with --config.",
        )


def make_download_config(args: argparse.Namespace, **settings: Any) -> Any:
    """Returns TFDS's `DownloadConfig` for the arguments of `arguments.add_build_inputs`.

    Args:
        args: the arguments.
        **settings: further fields of the `DownloadConfig`.
    """
    import tensorflow_datasets as tfds

    if args.max_shard_size_mb is not None:
        settings["max_shard_size"] = args.max_shard_size_mb << 20
    return tfds.download.DownloadConfig(
        manual_dir=os.path.expanduser(args.manual_dir) if args.manual_dir else None,
        num_shards=args.num_shards,
        max_examples_per_split=args.max_examples_per_split,
        **settings,
    )
