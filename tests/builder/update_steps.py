"""The steps of a dataset's life, for processes that are killed in the middle of them."""

from __future__ import annotations

import contextlib
import os
import pathlib

# What a fork server imports once: each step then starts in a moment.
PRELOAD = ["tensorflow", "tensorflow_datasets", "apache_beam", "kinetics_tfds.builder", "update_steps"]


def run_step(step: str, clips: pathlib.Path, data_dir: pathlib.Path, ids: pathlib.Path, log: pathlib.Path) -> None:
    """Runs one step, as its command does."""
    from kinetics_tfds.cli.main import main

    config = '{"name": "life", "short_side": 96, "fps": 20}'
    build = ["build", "kinetics600", f"--config={config}", f"--manual_dir={clips}", f"--data_dir={data_dir}"]
    commands = {
        "build": [*build, "--num_shards=4"],
        "update": [*build, "--num_shards=4", "--update", "--replace"],
        "prune": ["prune", "kinetics600/life", f"--ids={ids}", f"--data_dir={data_dir}", "--replace"],
    }
    with log.open("w") as file, contextlib.redirect_stdout(file), contextlib.redirect_stderr(file):
        code = main(commands[step])
    os._exit(code)  # as little as possible between the last write and the end
