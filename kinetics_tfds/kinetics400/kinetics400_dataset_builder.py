"""Kinetics-400: see README.md beside this file."""

from __future__ import annotations

import tensorflow_datasets as tfds

from kinetics_tfds import config
from kinetics_tfds.builder import KineticsBuilder


class Builder(KineticsBuilder):
    """Builds Kinetics-400 from annotation rows and a folder of clips."""

    KINETICS = "kinetics400"
    VERSION = tfds.core.Version(config.VERSION)
    RELEASE_NOTES = {config.VERSION: "First release."}  # noqa: RUF012 - TFDS reads a plain dict
