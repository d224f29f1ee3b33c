"""Keeps the libraries underneath quiet while a command runs, unless they are asked to speak."""

from __future__ import annotations

import contextlib
import importlib.abc
import importlib.machinery
import importlib.util
import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from types import ModuleType
from typing import Any

# These greet whoever loads them from C++, before any log level is looked at.
_LOUD = frozenset({"tensorflow", "tensorflow.python"})


def quieten() -> None:
    """Silences greetings, warnings and progress of TensorFlow, TFDS, Abseil and Beam in this process."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    logging.getLogger().setLevel(logging.ERROR)  # Beam warns through the root logger of what it does not need
    for name in ("absl", "apache_beam", "tensorflow", "tensorflow_datasets"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", category=FutureWarning)
    sys.meta_path.insert(0, _QuietFinder())


def speak() -> None:
    """Lets the libraries log to standard error."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")


class _QuietFinder(importlib.abc.MetaPathFinder):
    """Finds loud modules as ever, and holds back what they write while they load."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname not in _LOUD:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _QuietLoader(spec.loader)
        return spec


class _QuietLoader(importlib.abc.Loader):
    def __init__(self, loader: Any) -> None:
        self._loader = loader

    def __getattr__(self, name: str) -> Any:  # resources and sources of the module
        return getattr(self._loader, name)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        with standard_error_held_back():
            self._loader.exec_module(module)


@contextlib.contextmanager
def standard_error_held_back() -> Iterator[None]:
    """Holds back what is written to file descriptor 2 in the block, and shows it only if the block raises."""
    try:
        kept = os.dup(2)
    except OSError:  # no standard error to write to
        yield
        return
    with tempfile.TemporaryFile() as held:
        sys.stderr.flush()
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            held.seek(0)
            os.write(kept, held.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)
