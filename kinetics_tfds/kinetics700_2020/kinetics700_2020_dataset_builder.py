"""Kinetics-700-2020: see README.md beside this file."""

from __future__ import annotations

import tensorflow_datasets as tfds

from kinetics_tfds import config
from kinetics_tfds.builder import KineticsBuilder


class Builder(KineticsBuilder):
    """Builds Kinetics-700-2020 from annotation rows and a folder of clips."""

    KINETICS = "kinetics700_2020"
    VERSION = tfds.core.Version(config.VERSION)
    RELEASE_NOTES = {config.VERSION: "First release."}  # noqa: RUF012 - TFDS reads a plain dict
