"""Getting clips out of a set of archives: which to read for which clips, and reading several at once.

A set is read as one unit where nothing tells which archive holds which clip. That is also the only way to know that a
clip is in none of them.
"""

from __future__ import annotations

import collections
import dataclasses
import io
import pathlib
import queue
import threading
from collections.abc import Iterable, Iterator, Sequence
from typing import IO, Any

from kinetics_tfds.acquire.outcome import Outcome, OutcomeClass, Reason
from kinetics_tfds.acquire.siblings import Siblings, others_of
from kinetics_tfds.acquire.source import FetchContext, Fetched, FetchFailure, Unit, fail_all
from kinetics_tfds.acquire.sources.catalogue import Archive, ArchiveLocator, Catalogue
from kinetics_tfds.acquire.sources.http import open_url, raise_if_full
from kinetics_tfds.acquire.sources.members import (
    ArchiveError,
    Member,
    MemberError,
    NotAnArchiveError,
    copy_member,
    read_members,
)
from kinetics_tfds.acquire.sources.pending_clips import PendingClips
from kinetics_tfds.acquire.sources.resumable_download import ResumableDownload
from kinetics_tfds.acquire.sources.urls import is_http, public_url
from kinetics_tfds.acquire.sources.web import ChangedError, Web, outcome_of
from kinetics_tfds.annotations.clip import Clip
from kinetics_tfds.annotations.versions import get_version
from kinetics_tfds.clips.layouts import MediaName, read_name
from kinetics_tfds.errors import AcquireError

_BLOCK = 1 << 20

# Where several archives failed, the clips not found may lie in any of them: the most hopeful reason stands.
_ORDER = (OutcomeClass.RUN_LEVEL, OutcomeClass.TRANSIENT, OutcomeClass.NEEDS_ACCESS, OutcomeClass.PERMANENT)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Reading:
    """How archives are read.

    Attributes:
        streams: archives read at the same time.
        max_clip_gb: give up members larger than this.
        max_archive_gb: give up archives that unpack to more than this.
        keep_partial: keep what was read of an archive over HTTP until all of it was, so that a run that was killed
            goes on in its middle. Takes the room of `streams` archives in the `state` folder.
        web: how URLs are read: time-outs, retries, headers.
    """

    streams: int = 2
    max_clip_gb: float = 1.0
    max_archive_gb: float = 1000.0
    keep_partial: bool = True
    web: Web = dataclasses.field(default_factory=Web)


def plan_units(
    archives: Sequence[Archive],
    clips: Iterable[Clip],
    whole: str,
    catalogue: Catalogue,
    class_names: Iterable[str],
    siblings: Siblings,
) -> Iterator[Unit | FetchFailure]:
    """Groups clips by the archive that they are in.

    Args:
        archives: of the set, those to be preferred first.
        clips: the wanted ones.
        whole: the key of the unit that reads all archives whose contents are not known.
        catalogue: what earlier runs learnt.
        class_names: of the version; an archive named for one holds all of its clips.
        siblings: see `PlanContext`.
    """
    whereabouts = ArchiveLocator(archives, catalogue, class_names)
    units: dict[str, list[Clip]] = {}
    nowhere: list[Clip] = []
    for clip in clips:
        archive = whereabouts.of(clip)
        if archive is None and not whereabouts.unread:
            nowhere.append(clip)
        else:
            units.setdefault(whole if archive is None else archive.place, []).append(clip)
    yield from fail_all(nowhere, Outcome(Reason.NOT_IN_SOURCE, f"in none of {len(archives)} archives"))
    for key, group in units.items():
        yield Unit(key, tuple(group), others_of(group, siblings))


def fetch_unit(
    archives: Sequence[Archive], unit: Unit, reading: Reading, context: FetchContext
) -> Iterator[Fetched | FetchFailure]:
    """Reads archives until all clips of a unit are found, or all archives are read.

    Args:
        archives: those that the unit's clips may be in.
        unit: the clips.
        reading: how.
        context: of the fetch.
    """
    class_names = get_version(context.version).class_names if context.version is not None else ()
    wanted = PendingClips(unit.clips, unit.others, class_names)
    state = _State(wanted, Catalogue(context.cache), reading, context)
    for first in (True, False):
        part = [archive for archive in archives if archive.first is first]
        if part and wanted and not state.stopped:
            yield from _read_together(part, state)
    lost = wanted.clips()
    if not lost:
        return
    failed = sorted(state.failures, key=lambda outcome: _ORDER.index(outcome.outcome_class))
    outcome = failed[0] if failed else Outcome(Reason.NOT_IN_SOURCE, f"in none of {len(archives)} archives")
    yield from fail_all((clip for clip in lost if clip not in state.broken), outcome)
    for clip in lost:
        if clip in state.broken:
            yield FetchFailure((clip,), state.broken[clip])


class _Ended(Exception):  # noqa: N818 - not an error
    """Tells a reading thread that nobody waits for it any more."""


class _State:
    """What the threads of one fetch share."""

    def __init__(self, wanted: PendingClips, catalogue: Catalogue, reading: Reading, context: FetchContext) -> None:
        self.wanted, self.catalogue, self.reading, self.context = wanted, catalogue, reading, context
        self.failures: list[Outcome] = []
        self.broken: dict[Clip, Outcome] = {}  # clips whose member was of no use
        self.ended = threading.Event()
        self.waiting: collections.deque[Archive] = collections.deque()
        self.found: queue.Queue[Any] = queue.Queue(maxsize=2 * reading.streams)
        self.stopped = False  # by something that concerns the whole run
        self._numbers = 0
        self._lock = threading.Lock()

    def check(self) -> None:
        if self.ended.is_set():
            raise _Ended
        self.context.check()

    def new_file(self) -> pathlib.Path:
        with self._lock:
            self._numbers += 1
            return self.context.scratch / f"clip-{self._numbers:06d}"

    def put(self, item: object) -> None:
        while True:
            if self.ended.is_set():
                raise _Ended
            try:
                self.found.put(item, timeout=0.2)
                return
            except queue.Full:
                continue


def _read_together(archives: Sequence[Archive], state: _State) -> Iterator[Fetched]:
    state.waiting.extend(archives)
    threads = [
        threading.Thread(target=_work, args=(state,), daemon=True, name=f"archive-{number}")
        for number in range(min(state.reading.streams, len(archives)))
    ]
    for thread in threads:
        thread.start()
    running = len(threads)
    try:
        while running:
            item = state.found.get()
            if item is None:
                running -= 1
            elif isinstance(item, BaseException):
                raise item
            else:
                yield item
    except BaseException:
        state.ended.set()
        raise
    finally:
        for thread in threads:
            thread.join(timeout=5)  # one that waits for a dead server must not hold up the end of a run


def _work(state: _State) -> None:
    try:
        try:
            while state.wanted and state.waiting:
                try:
                    archive = state.waiting.popleft()
                except IndexError:
                    break
                _read(archive, state)
            state.put(None)
        except _Ended:
            raise
        except BaseException as error:  # the thread that waits raises it
            state.put(error)
    except _Ended:
        pass


def _read(archive: Archive, state: _State) -> None:
    """Reads one archive and passes on the wanted clips in it; failures are noted, not raised."""
    names: list[str] = []
    place = public_url(archive.place)
    kept: ResumableDownload | None = None
    try:
        file, kept = _open(archive.place, state)
        with file:
            for member in read_members(file, int(state.reading.max_archive_gb * 1e9), state.check):
                _take(member, place, names, state)
                if not state.wanted:
                    break
            else:
                state.catalogue.write(archive, names)
                state.context.log(f"{place}: read, {len(names)} clips in it")
    except (_Ended, AcquireError):
        raise  # and what was kept stays for the next run
    except Exception as error:  # buckets' drivers bring their own classes
        raise_if_full(error, state.context.scratch / "any")
        outcome = _outcome(error, place, kept is not None and kept.from_before)
        _fail(outcome, state)
        final = isinstance(error, ArchiveError | ChangedError) or outcome.outcome_class is OutcomeClass.PERMANENT
        if not final:
            return
    if kept is not None:
        kept.discard()


def _outcome(error: Exception, place: str, from_before: bool) -> Outcome:
    if isinstance(error, NotAnArchiveError):
        return Outcome(Reason.NOT_MEDIA, f"{place}: {error}")
    if isinstance(error, ArchiveError):
        # What an earlier process left may have been spoilt by a power cut: the next try starts afresh.
        return Outcome(Reason.INCOMPLETE if from_before else Reason.DAMAGED, f"{place}: {error}")
    return outcome_of(error)


def _fail(outcome: Outcome, state: _State) -> None:
    state.failures.append(outcome)
    state.context.log(f"an archive failed: {outcome.reason}: {outcome.message}")
    if outcome.outcome_class is OutcomeClass.RUN_LEVEL:
        state.stopped = True
        state.waiting.clear()  # the others are on the same server


def _take(member: Member, place: str, names: list[str], state: _State) -> None:
    name = _member_name(member.name)
    if name is None:
        return
    names.append(_canonical(name))
    clips, span = state.wanted.claim(name, member.name)
    if not clips:
        return
    try:
        path = copy_member(member, state.new_file(), int(state.reading.max_clip_gb * 1e9), state.check)
    except MemberError as error:
        state.wanted.give_back(clips)
        state.broken.update(dict.fromkeys(clips, error.outcome))
        return
    except BaseException:
        state.wanted.give_back(clips)
        raise
    state.put(Fetched(clips, path, span, f"{place}!{member.name}"))


def _member_name(name: str) -> MediaName | None:
    """Reads a member's name; its suffix may be missing, or be one that no media has."""
    return read_name(name) or read_name(name[: name.rfind(".")] if "." in name.rpartition("/")[2] else name)


def _canonical(name: MediaName) -> str:
    if name.time_start is None or name.time_end is None:
        return name.youtube_id
    return f"{name.youtube_id}_{name.time_start}_{name.time_end}"


def _open(place: str, state: _State) -> tuple[IO[bytes], ResumableDownload | None]:
    """Opens an archive by its URL or local path, and says what is kept of it."""
    cache = state.context.cache
    if "://" not in place:
        return io.BufferedReader(io.FileIO(place), _BLOCK), None
    if cache is None or not state.reading.keep_partial or not is_http(place) or place.lower().endswith(".zip"):
        return open_url(place, state.reading.web, dataclasses.replace(state.context, check=state.check)), None
    kept = ResumableDownload(place, state.reading.web, state.check, cache)
    return io.BufferedReader(kept, _BLOCK), kept
