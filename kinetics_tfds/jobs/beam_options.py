"""Beam's options from a YAML file and from the command line, with every name checked.

Beam itself passes over options that it does not know, so that a misspelt `max_num_worker` costs a cluster's bill.
"""

from __future__ import annotations

import contextlib
import difflib
import io
import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import yaml
from apache_beam.options.pipeline_options import PipelineOptions

from kinetics_tfds.errors import ConfigError, UsageError

# Importing it makes Beam know this project's own options.
from kinetics_tfds.shards.transform import BuildOptions

# Names of flags that set an option of another name.
_OTHER_FLAGS = {"no_use_public_ips": "use_public_ips", "no_auth": "no_auth"}


def beam_options(runners_file: str | os.PathLike[str] | None = None, flags: Sequence[str] = ()) -> PipelineOptions:
    """Returns pipeline options: those of the file, overridden by the flags.

    Args:
        runners_file: YAML, a mapping of Beam's option names to values; None for no file.
        flags: `--name=value` or `--name`, as on a command line.

    Raises:
        UsageError: a flag's name is unknown.
        ConfigError: the file cannot be read, a name in it is unknown, or a value is of the wrong type.
    """
    known = known_options()
    values = {} if runners_file is None else read_runners_file(runners_file)
    for name in values:
        _check_name(name, known, f"in {runners_file}", ConfigError)
    for flag in flags:
        if not flag.startswith("--"):
            raise UsageError(f"{flag!r} is not an option.", "Write options as --name=value.")
        _check_name(flag[2:].split("=", 1)[0], known, "on the command line", UsageError)
    options = PipelineOptions([*_to_flags(values), *flags])
    complaints = io.StringIO()
    try:
        with contextlib.redirect_stderr(complaints):
            options.get_all_options()
    except SystemExit:
        lines = complaints.getvalue().strip().splitlines()
        raise ConfigError(
            f"Beam's options cannot be read: {lines[-1] if lines else 'no reason given'}",
            f"Put the value right{f' in {runners_file}' if runners_file else ''} or on the command line.",
        ) from None
    return options


def known_options() -> frozenset[str]:
    """Returns the names of all options: Beam's and this project's."""
    return frozenset(PipelineOptions([]).view_as(BuildOptions).get_all_options()) | _OTHER_FLAGS.keys()


def read_runners_file(path: str | os.PathLike[str]) -> Mapping[str, Any]:
    """Returns the mapping that a YAML file holds.

    Raises:
        ConfigError: the file cannot be read, or holds something else.
    """
    try:
        values = yaml.safe_load(pathlib.Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(
            f"Cannot read {os.fspath(path)}: {' '.join(str(error).split())}",
            "Name a YAML file such as configs/runners/local.yaml.",
        ) from error
    values = {} if values is None else values
    if not isinstance(values, dict) or not all(isinstance(name, str) for name in values):
        raise ConfigError(
            f"{os.fspath(path)} does not hold a mapping of option names to values.",
            "Write one `name: value` a line, as in configs/runners/local.yaml.",
        )
    return values


def _check_name(name: str, known: frozenset[str], where: str, kind: type[ConfigError]) -> None:
    if name not in known:
        nearest = difflib.get_close_matches(name, known, n=1)
        raise kind(
            f"There is no Beam option {name!r} ({where}).",
            f"Did you mean {nearest[0]!r}?" if nearest else "Beam's documentation of PipelineOptions lists them.",
        )


def _to_flags(values: Mapping[str, Any]) -> list[str]:
    flags: list[str] = []
    for name, value in values.items():
        if value is None or value is False:
            continue  # as if it were not there: Beam's switches are off unless they are named
        if value is True:
            flags.append(f"--{name}")
        else:
            flags += [f"--{name}={each}" for each in (value if isinstance(value, list) else [value])]
    return flags
