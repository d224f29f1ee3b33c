"""Running Beam inside notebooks."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from unittest import mock


@contextlib.contextmanager
def no_cell_labels() -> Iterator[None]:
    """Builds and runs Beam pipelines in the block without Beam's labels of notebook cells.

    In IPython, Beam 2.77 imports its interactive package for each step of any pipeline, and that package fails on
    pandas 3 ("type object 'DataFrame' has no attribute 'first'"). The labels are for pipelines that users write in
    cells, never for ours.
    """
    from apache_beam.utils import interactive_utils

    with mock.patch.object(interactive_utils, "is_in_ipython", return_value=False):
        yield
