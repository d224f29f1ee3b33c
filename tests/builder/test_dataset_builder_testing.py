"""TFDS's own test of a dataset, on clips made here."""

from __future__ import annotations

import pathlib
import tempfile

import tensorflow_datasets as tfds
from clip_folder import make_clip_folder

from kinetics_tfds.annotations.clip import Split
from kinetics_tfds.config import KineticsConfig
from kinetics_tfds.kinetics600 import kinetics600_dataset_builder


class Kinetics600Test(tfds.testing.DatasetBuilderTestCase):
    DATASET_CLASS = kinetics600_dataset_builder.Builder
    SPLITS = {"train": 5, "validation": 2, "test": 2, "holdout_test": 1}  # noqa: RUF012 - as TFDS wants it
    BUILDER_CONFIG_NAMES_TO_TEST = [  # noqa: RUF012
        KineticsConfig(name="tiny", short_side=32, fps=5.0),
        KineticsConfig(name="loud", short_side=32, fps=5.0, audio_rate=8000),
    ]

    @classmethod
    def setUpClass(cls):
        cls._folder = tempfile.TemporaryDirectory()
        cls.EXAMPLE_DIR = cls._folder.name
        make_clip_folder(pathlib.Path(cls.EXAMPLE_DIR), {Split(name): count for name, count in cls.SPLITS.items()})
        super().setUpClass()

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        cls._folder.cleanup()
