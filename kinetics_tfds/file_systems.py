"""Files wherever they lie: on this machine, or behind a URL that fsspec or epath can open."""

from __future__ import annotations

import os
from typing import IO


def is_local(path: str | os.PathLike[str]) -> bool:
    """Returns whether the path lies on this machine's own (or mounted) file systems."""
    return "://" not in os.fspath(path)


def open_file(path: str | os.PathLike[str]) -> IO[bytes]:
    """Opens a local file for reading, or a URL through fsspec or, without its driver for the scheme, through epath.

    Raises:
        OSError: it cannot be opened.
    """
    name = os.fspath(path)
    if is_local(name):
        return open(os.path.expanduser(name), "rb")
    import fsspec
    from etils import epath

    try:
        try:
            file_system, key = fsspec.core.url_to_fs(name)
        except (ImportError, ValueError):
            return epath.Path(name).open("rb")
        return file_system.open(key, "rb")
    except OSError:
        raise
    except Exception as error:  # each driver brings its own classes of errors
        raise OSError(f"{type(error).__name__}: {error}") from error
