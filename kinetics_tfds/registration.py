"""Makes the datasets known to TFDS as soon as TFDS is there, and not before.

Decode workers and most commands import this package without TFDS, which would cost them half a second and 70 MB each.
"""

from __future__ import annotations

import importlib
from typing import Any

import wrapt

from kinetics_tfds.annotations.versions import VERSIONS


class KineticsProvider:
    """Tells TFDS which class builds which dataset; a builder's module is imported when it is first asked for.

    It could not be imported earlier: modules of this package import TFDS themselves, and the builders stand on them.
    """

    def has_dataset(self, name: str) -> bool:
        """Returns whether this package builds the dataset `name`."""
        return name in VERSIONS

    def get_builder_cls(self, name: str) -> Any:
        """Returns the class that builds the dataset `name`."""
        return importlib.import_module(f"kinetics_tfds.{name}.{name}_dataset_builder").Builder


def _add_provider(tensorflow_datasets: Any) -> None:
    from tensorflow_datasets.core import registered

    # First, because TFDS's own provider imports all of its older datasets before it says that it has no such name.
    registered.add_dataset_builder_provider(KineticsProvider(), index=0)


def register_with_tfds() -> None:
    """Registers the four datasets: now if TFDS is imported already, else right after it will have been."""
    wrapt.when_imported("tensorflow_datasets")(_add_provider)
