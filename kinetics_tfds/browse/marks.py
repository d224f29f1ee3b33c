"""The videos that a user has marked, in a text file that the setting `exclude` of a config takes."""

from __future__ import annotations

import os
import pathlib
import re
import threading

from kinetics_tfds.annotations.clip import VIDEO_ID
from kinetics_tfds.annotations.exclude import read_id_list
from kinetics_tfds.errors import BrowseError

HEAD = """\
# Videos marked in `kinetics browse`, one YouTube id per line.
# To build without them, name this file in a config: {"exclude": ["FILE"]}
"""


def default_name(title: str) -> str:
    """Returns the name of the file of marks of a collection.

    >>> default_name("kinetics600/jpeg256:1.0.0")
    'kinetics600-jpeg256-1.0.0-marks.txt'
    """
    return re.sub(r"[^\w.]+", "-", title).strip("-") + "-marks.txt"


class Marks:
    """The marked videos; each change is in the file when the call returns.

    Lines that others wrote into the file stay as they are.

    Attributes:
        path: the file; it is made by the first mark.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Reads the file, if it exists.

        Raises:
            AnnotationError: it holds something else than ids.
        """
        self.path = pathlib.Path(path).expanduser().absolute()
        self._lock = threading.Lock()
        self.videos()

    def videos(self) -> frozenset[str]:
        """Returns the ids of the marked videos.

        Raises:
            AnnotationError: the file holds something else than ids.
        """
        return read_id_list(self.path) if self.path.exists() else frozenset()

    def set(self, youtube_id: str, marked: bool) -> frozenset[str]:
        """Marks a video, or takes the mark away, and returns all that are marked then.

        Raises:
            BrowseError: it is no YouTube id, or the file cannot be written.
        """
        if not VIDEO_ID.fullmatch(youtube_id):
            raise BrowseError(f"{youtube_id[:80]!r} is no YouTube id.", "Mark a clip of the page.")
        with self._lock:
            lines = self.path.read_text(encoding="utf-8").splitlines() if self.path.exists() else HEAD.splitlines()
            kept = [line for line in lines if line.strip() != youtube_id]
            self._write("\n".join([*kept, *([youtube_id] if marked else [])]) + "\n")
            return self.videos()

    def _write(self, text: str) -> None:
        """Replaces the file at once, so that nobody reads half of it."""
        new = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        try:
            new.write_text(text, encoding="utf-8")
            new.replace(self.path)
        except OSError as error:
            new.unlink(missing_ok=True)
            raise BrowseError(
                f"The marks cannot be written to {self.path}: {error.strerror or error}.",
                "Name another file with --marks.",
            ) from error
