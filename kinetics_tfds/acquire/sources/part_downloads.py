"""Archives as open files: local ones where they lie, others downloaded ahead of being read, and deleted after it."""

from __future__ import annotations

import collections
import concurrent.futures
import contextlib
import dataclasses
import functools
import hashlib
import io
import os
import threading
from collections.abc import Generator, Iterable, Iterator
from typing import IO, Any

from kinetics_tfds.acquire.outcome import OutcomeClass
from kinetics_tfds.acquire.source import FetchContext, StoppedError
from kinetics_tfds.acquire.sources.archive_index import Archive
from kinetics_tfds.acquire.sources.download import TransferError, download
from kinetics_tfds.acquire.sources.web import Web
from kinetics_tfds.locks import try_lock

_BLOCK = 1 << 18
# How long downloads that are given up may take to notice; one that waits for a dead server is left behind then.
_WIND_UP_SECONDS = 3.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Reading:
    """How archives are read.

    Attributes:
        streams: archives, or parts of one, that are downloaded or read at the same time. Each takes its room on a disk.
        max_clip_gb: give up members larger than this.
        max_archive_gb: give up archives that unpack to more than this.
        keep_partial: download into the `state` folder, where a run that was killed goes on in the middle of an archive,
            rather than into the scratch folder of the store.
        web: how URLs are read: time-outs, retries, headers.
    """

    streams: int = 2
    max_clip_gb: float = 1.0
    max_archive_gb: float = 1000.0
    keep_partial: bool = True
    web: Web = dataclasses.field(default_factory=Web)


class PartDownloads:
    """Opens archives in their order. Use as a context manager: downloads that nobody reads end with it.

    Args:
        places: URLs and paths of all parts, in the order of reading.
        reading: how.
        context: of the fetch.
    """

    def __init__(self, places: Iterable[str], reading: Reading, context: FetchContext) -> None:
        self._reading, self._context = reading, context
        self._waiting = collections.deque(place for place in places if "://" in place)
        self._flights: collections.deque[_Flight] = collections.deque()  # the first is read, the others are ahead of it
        self._unsure: set[str] = set()
        self._ended = threading.Event()

    def __enter__(self) -> PartDownloads:
        return self

    def __exit__(self, *_: object) -> None:
        self._end(keep=True)  # the run was stopped, or the server refuses: the next one goes on there

    def discard(self) -> None:
        """Ends and deletes what was not read: nobody needs it."""
        self._end(keep=False)

    def _end(self, keep: bool) -> None:
        self._ended.set()
        concurrent.futures.wait([flight.future for flight in self._flights], _WIND_UP_SECONDS)
        while self._flights:
            self._flights.popleft().end(keep)

    def are_sure(self, archive: Archive) -> bool:
        """Returns whether the bytes of an archive, as far as it was read, are surely those that its source has."""
        return self._unsure.isdisjoint(archive.parts)

    @contextlib.contextmanager
    def open(self, archive: Archive) -> Iterator[IO[bytes]]:
        """Opens an archive, buffered; one of several parts as the one file that they are, which cannot be seeked.

        Raises:
            TransferError: a part cannot be had; also while reading.
        """
        with contextlib.closing(self._open_parts(archive)) as parts:
            yield next(parts) if len(archive.parts) == 1 else io.BufferedReader(_JoinedParts(parts), _BLOCK)

    def _open_parts(self, archive: Archive) -> Generator[Any, None, None]:
        for place in archive.parts:
            with open(self._get(place), "rb", buffering=_BLOCK) as file:
                yield file

    def _get(self, place: str) -> str:
        """Returns the local path of a part, once it is there; what came before it is deleted."""
        if "://" not in place:
            return place
        while self._flights and self._flights[0].place != place:
            self._flights.popleft().end(keep=False)
        while not self._flights and self._waiting[0] != place:
            self._waiting.popleft()
        while self._waiting and len(self._flights) < max(self._reading.streams, 1):
            self._flights.append(_Flight(self._waiting.popleft(), self._reading, self._context, self._check))
        future = self._flights[0].future
        while not future.done():
            self._context.check()
            concurrent.futures.wait([future], 0.2)
        if not future.result():
            self._unsure.add(place)
        return self._flights[0].path

    def _check(self) -> None:
        if self._ended.is_set():
            raise StoppedError("Nobody waits for this download.", "Run the same command again.")
        self._context.check()


class _Flight:
    """One part on its way, in a thread that Python does not wait for at its end.

    Attributes:
        place: its URL.
        path: the local file that it becomes.
        future: whether its bytes are surely right, as `download` returns it.
    """

    def __init__(self, place: str, reading: Reading, context: FetchContext, check: Any) -> None:
        name = hashlib.sha256(place.encode()).hexdigest()[:24]
        folder, self._lock = context.scratch, None
        if reading.keep_partial and context.cache is not None:
            with contextlib.suppress(OSError):  # no right to write there, or no locks
                context.cache.mkdir(parents=True, exist_ok=True)
                self._lock = try_lock(context.cache / f".lock-{name}")
                folder = context.scratch if self._lock is None else context.cache  # another process reads it too
        self.place, self._file = place, folder / f"partial-{name}"
        self.path = os.fspath(self._file)
        self.future: concurrent.futures.Future[bool] = concurrent.futures.Future()
        fetch = functools.partial(download, place, self._file, reading.web, check)
        threading.Thread(target=self._run, args=(fetch,), daemon=True, name="archive-part").start()

    def _run(self, fetch: Any) -> None:
        try:
            self.future.set_result(fetch())
        except BaseException as error:  # whoever waits raises it
            self.future.set_exception(error)

    def end(self, keep: bool) -> None:
        """Deletes what there is of the part, as soon as its thread has ended; what `keep` asks for stays."""
        self.future.add_done_callback(functools.partial(self._clean, keep))

    def _clean(self, keep: bool, future: concurrent.futures.Future[bool]) -> None:
        error = future.exception()
        resumable = OutcomeClass.TRANSIENT, OutcomeClass.RUN_LEVEL  # the next try goes on with it
        if not keep and not (isinstance(error, TransferError) and error.outcome.outcome_class in resumable):
            for path in self._file.parent.glob(f"{self._file.name}*"):
                path.unlink(missing_ok=True)
        if self._lock is not None:
            os.close(self._lock)


class _JoinedParts(io.RawIOBase):
    """Several files read as one; each is asked for when the one before it was read."""

    def __init__(self, files: Iterator[Any]) -> None:
        super().__init__()
        self._files = files
        self._file: Any = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while True:
            if self._file is None and (following := next(self._files, None)) is None:
                return 0
            self._file = self._file or following
            if count := self._file.readinto(buffer):
                return count
            self._file = None
