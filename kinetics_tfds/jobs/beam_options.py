"""Beam's options from a YAML file and from the command line, with every name checked.

Beam itself passes over options that it does not know, so that a misspelt `max_num_worker` costs a cluster's bill.
"""

from __future__ import annotations

import argparse
import contextlib
import difflib
import io
import json
import os
import pathlib
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml
from apache_beam.options.pipeline_options import GoogleCloudOptions, PipelineOptions, StandardOptions

from kinetics_tfds.beam.stalls import StallOptions
from kinetics_tfds.errors import ConfigError, UsageError
from kinetics_tfds.shards.transform import BuildOptions

# Beam knows the options of the classes that are imported.
OUR_OPTIONS = (BuildOptions, StallOptions)


def beam_options(
    runners_file: str | os.PathLike[str] | None = None, flags: Sequence[str] = (), job: str = "job"
) -> PipelineOptions:
    """Returns pipeline options: those of the file, overridden by the flags.

    Args:
        runners_file: YAML, a mapping of Beam's flags (without dashes) to values; None for no file.
        flags: as on a command line.
        job: what the options are for, `build` for example. A file serves several jobs, which may run at once, so its
            `job_name` has this behind it.

    Raises:
        UsageError: a flag's name, or the runner that it names, is unknown.
        ConfigError: the file cannot be read, a name in it is unknown, or a value is of the wrong type.
    """
    parser = _parser()
    values = dict({} if runners_file is None else read_runners_file(runners_file))
    if values.get("job_name"):
        values["job_name"] = f"{values['job_name']}-{job}"
    from_file = _to_flags(values, parser)
    _check(parser, from_file, f"in {runners_file}", ConfigError)
    _check(parser, flags, "on the command line", UsageError)
    options = PipelineOptions([*from_file, *flags])
    cloud = options.view_as(GoogleCloudOptions)
    if cloud.job_name is None:
        cloud.job_name = f"kinetics-{job}-{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{secrets.token_hex(2)}"
    return options


def known_options() -> frozenset[str]:
    """Returns the names of all flags, in every spelling: of each options class that Beam registers, ours included."""
    return frozenset(_actions(_parser()))


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


def _parser() -> argparse.ArgumentParser:
    """Returns a parser with the flags of all options classes; Beam hands it out while it reads no flags at all."""
    parsers: list[argparse.ArgumentParser] = []
    PipelineOptions([]).get_all_options(add_extra_args_fn=parsers.append)
    return parsers[0]


def _actions(parser: argparse.ArgumentParser) -> dict[str, argparse.Action]:
    return {
        name.lstrip("-"): action
        for action in parser._actions
        for name in action.option_strings
        if not isinstance(action, argparse._HelpAction)
    }


def _check(parser: argparse.ArgumentParser, flags: Sequence[str], where: str, kind: type[ConfigError]) -> None:
    """Raises an error of the kind for the first flag that the parser does not know, and for an unknown runner."""
    with _complaints(where):
        known, unknown = parser.parse_known_args(list(flags))
    for flag in unknown:
        if not flag.startswith("-"):
            raise kind(f"{flag!r} is not an option ({where}).", "Write options as --name=value.")
        name = flag.lstrip("-").split("=", 1)[0]
        nearest = difflib.get_close_matches(name, _actions(parser), n=1)
        raise kind(
            f"There is no Beam option {name!r} ({where}).",
            f"Did you mean {nearest[0]!r}?" if nearest else "Beam's documentation of PipelineOptions lists them.",
        )
    runners = StandardOptions.KNOWN_RUNNER_NAMES
    # As Beam reads it: in any case, with or without `Runner`, or the path of a class.
    if known.runner and "." not in known.runner:
        name = known.runner.lower().removesuffix("runner") + "runner"
        if name not in (runner.lower() for runner in runners):
            raise kind(f"There is no Beam runner {known.runner!r} ({where}).", f"Name one of {', '.join(runners)}.")


@contextlib.contextmanager
def _complaints(where: str) -> Iterator[None]:
    """Turns argparse's way of ending the process into an error."""
    complaints = io.StringIO()
    try:
        with contextlib.redirect_stderr(complaints):
            yield
    except SystemExit:
        lines = complaints.getvalue().strip().splitlines()
        raise ConfigError(
            f"Beam's options cannot be read: {lines[-1] if lines else 'no reason given'}",
            f"Put the value right {where}.",
        ) from None


def _to_flags(values: Mapping[str, Any], parser: argparse.ArgumentParser) -> list[str]:
    actions, flags = _actions(parser), []
    for name, value in values.items():
        if value is None:
            continue  # as if it were not there
        if isinstance(value, bool) and name in actions and actions[name].nargs == 0:
            # A switch is off unless it is named, but for those whose opposite has a name: no_use_public_ips.
            flags += [f"--{name}"] if value else [f"--no_{name}"] * (f"no_{name}" in actions)
            continue
        for each in value if isinstance(value, list) else [value]:
            flags.append(f"--{name}={json.dumps(each) if isinstance(each, bool | dict) else each}")
    return flags
