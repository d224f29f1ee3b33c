"""Files that commands write beside what they print."""

from __future__ import annotations

from collections.abc import Callable

from kinetics_tfds.errors import OutputError


def write_output(path: str, write: Callable[[str], object]) -> None:
    """Calls `write(path)`.

    Raises:
        OutputError: the file cannot be written.
    """
    try:
        write(path)
    except OSError as error:
        raise OutputError(f"{path!r} cannot be written: {error.strerror or error}.", "Choose another place.") from error
