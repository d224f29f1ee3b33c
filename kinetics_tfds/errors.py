"""The errors this project raises on purpose.

Each one carries two sentences: what was wrong (naming the file, row or setting) and what to do next. A command
prints both and exits with code 1; nothing that was already written is removed on the way out.
"""

from __future__ import annotations

import sys
from types import TracebackType

from kinetics_tfds.printable import printable


class KineticsError(Exception):
    """Something a user can put right.

    Attributes:
        problem: what was wrong, naming the file, row or value.
        next_step: what the user can do about it.
    """

    def __init__(self, problem: str, next_step: str) -> None:
        # One argument, and no __str__ of our own: TFDS puts words before the message of such errors, and makes
        # RuntimeErrors of all others.
        super().__init__(printable(f"{problem}\n  Next: {next_step}", keep_newlines=True))
        self.problem = problem
        self.next_step = next_step

    def __reduce__(self) -> tuple[type[KineticsError], tuple[str, str]]:
        # What pickling between processes calls again.
        return type(self), (self.problem, self.next_step)


class AnnotationError(KineticsError):
    """An annotation file or row cannot be used."""


class ConfigError(KineticsError):
    """A setting is unknown, malformed or contradicts another."""


class UsageError(ConfigError):
    """A command was called with words that it does not know: exit code 2."""


class ClipsError(KineticsError):
    """The folder of clips cannot be read, or holds nothing that matches."""


class PlanMismatchError(KineticsError):
    """Staged or prepared data was made from another plan or other settings."""


class TooManyFailuresError(KineticsError):
    """More clips failed than the config's `max_failure_rate` allows."""


class VerifyError(KineticsError):
    """A prepared dataset cannot be verified at all (it is not there, or holds no manifest)."""


class WorkerError(KineticsError):
    """A worker cannot do its part: wrong versions, no access to the store."""


class StorageError(KineticsError):
    """A file system or bucket refuses to read or write, or keeps failing."""


class LoaderError(KineticsError):
    """A record cannot be read or decoded while loading."""


class AcquireError(KineticsError):
    """A run of acquiring has to stop: limits, credentials, disk."""


class OutputError(KineticsError):
    """A file that a command was asked to write cannot be written."""


class ClipSetError(KineticsError):
    """What should be a set of clips is none, or does not tell which version it is of."""


class BrowseError(KineticsError):
    """The page cannot be served or exported, or does not know what was asked for."""


def show_errors_plainly() -> None:
    """Makes this process end with the message alone, no traceback, when nobody catches a KineticsError."""
    before = sys.excepthook

    def show(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if isinstance(error, KineticsError):
            print(f"{kind.__name__}: {error}", file=sys.stderr)
        else:
            before(kind, error, trace)

    sys.excepthook = show
