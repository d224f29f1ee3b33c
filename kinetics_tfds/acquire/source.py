"""What a source of clips is. A new one is one frozen dataclass with the two methods of `Source`.

A source is made from its part of the config file: its fields are its options, all of plain values, so that it can
travel to any worker. It fetches; it neither cuts, checks nor stores, and it keeps no account of what was tried.
"""

from __future__ import annotations

import dataclasses
import itertools
import pathlib
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Annotated, Protocol, runtime_checkable

from annotated_types import Ge

from kinetics_tfds.acquire.outcome import Outcome
from kinetics_tfds.acquire.siblings import Siblings, others_of
from kinetics_tfds.annotations.clip import Clip
from kinetics_tfds.clips.media import Span
from kinetics_tfds.errors import AcquireError, ConfigError


@dataclasses.dataclass(frozen=True, slots=True)
class RateLimit:
    """How many requests one machine may make to a source, over all its workers together.

    Attributes:
        units_per_hour: units begun in any 60 minutes (videos, for YouTube; archives, for a mirror); None for no limit.
        pause: shortest and longest seconds between the beginnings of two units; each pause is drawn between them.
        concurrency: units in flight at once.
        max_refusals: after this many bot checks or 429 answers in a row, with growing waits between, the run stops.
        max_failures: after this many units in a row that failed in a way that says nothing of the clip (no connection,
            HTTP 5xx, no formats, …), the run stops; none of these tries counts.
        first_wait: seconds to stay away after the first refusal; doubled for each further one. The server's
            `Retry-After` counts if it is longer.
        longest_wait: the longest of those waits, seconds.
    """

    units_per_hour: Annotated[int, Ge(1)] | None = None
    pause: tuple[float, float] = (0.0, 0.0)
    concurrency: Annotated[int, Ge(1)] = 4
    max_refusals: Annotated[int, Ge(1)] = 5
    max_failures: Annotated[int, Ge(1)] = 20
    first_wait: Annotated[float, Ge(0)] = 60.0
    longest_wait: Annotated[float, Ge(0)] = 3600.0

    def __post_init__(self) -> None:
        low, high = self.pause
        if not 0 <= low <= high:
            raise ConfigError(f"Config: rate_limit.pause is {self.pause}.", "Give the shortest pause first.")
        if self.first_wait > self.longest_wait:
            raise ConfigError(
                f"Config: rate_limit.first_wait is {self.first_wait:g}, and longest_wait {self.longest_wait:g}.",
                "Let longest_wait be the longer one.",
            )


@dataclasses.dataclass(frozen=True, slots=True)
class Unit:
    """What one fetch serves: one video, file or archive, and all clips wanted from it.

    Attributes:
        key: names it within its source and never changes from run to run (a video id, a URL, a path).
        clips: the clips wanted from it, at least one.
        others: rows that are not wanted, but that it may hold as well: a file named by a video's id alone may be one of
            them.
    """

    key: str
    clips: tuple[Clip, ...]
    others: tuple[Clip, ...] = ()

    def span(self, names_times: bool) -> Span:
        """Returns what a file for the clips covers, as far as its name tells, which bears times or the id alone."""
        if names_times:
            return Span.TRIMMED
        times = {(clip.time_start, clip.time_end) for clip in (*self.clips, *self.others)}
        return Span.WHOLE if len(times) > 1 else Span.UNKNOWN  # one file for several clips is a whole video


@dataclasses.dataclass(frozen=True, slots=True)
class Fetched:
    """A file that a source gives for some clips of its unit.

    Attributes:
        clips: the clips that lie in it.
        video: a local file. Below the unit's scratch folder it is taken over (moved or deleted); anywhere else it is
            only read.
        span: `TRIMMED` if the file is just the (one) clip, `WHOLE` if it is the whole video, `UNKNOWN` where it may be
            either: its duration tells.
        origin: where it came from, for the ledger: a URL or path without secrets.
        audio: a second file with the sound, where the source keeps it apart.
        complete: whether the source is sure that these are all the bytes it has. If they do not decode then, the
            source's own copy is damaged and fetching again is of no use.
    """

    clips: tuple[Clip, ...]
    video: pathlib.Path
    span: Span
    origin: str
    audio: pathlib.Path | None = None
    complete: bool = True


@dataclasses.dataclass(frozen=True, slots=True)
class FetchFailure:
    """Clips that this fetch does not give, and why."""

    clips: tuple[Clip, ...]
    outcome: Outcome


def group_units(keyed: Iterable[tuple[str, Clip]], context: PlanContext) -> Iterator[Unit]:
    """Yields one unit for each key, with all clips of that key and the other rows of their videos."""
    groups: dict[str, list[Clip]] = {}
    for key, clip in keyed:
        groups.setdefault(key, []).append(clip)
    for key, group in groups.items():
        yield Unit(key, tuple(group), others_of(group, context.siblings))


def fail_all(clips: Iterable[Clip], outcome: Outcome) -> Iterator[FetchFailure]:
    """Yields one outcome for many clips, a few thousand at a time: each part is written down at once."""
    iterator = iter(clips)
    while part := tuple(itertools.islice(iterator, 5000)):
        yield FetchFailure(part, outcome)


class StoppedError(AcquireError):
    """The run is ending (a signal, a full disk, a tripped breaker): nothing is recorded about units in flight."""


@dataclasses.dataclass(frozen=True)
class FetchContext:
    """What the runner gives a source for one fetch.

    Attributes:
        scratch: an empty local folder for this unit alone, on the store's file system where that is local. The runner
            deletes it after the unit.
        version: the annotation version's name.
        cache: `PlanContext.cache`, where this machine has it: what a source learnt in one run helps the next.
        rejected: waits until the files that this fetch has given so far were cut and checked, and returns the clips
            whose file was of no use: another one may be given for them.
        check: to be called often (every block that is read). Raises `StoppedError` when the run is ending and
            `AcquireError` when the disk is nearly full; let both pass.
        log: takes one line for people.
    """

    scratch: pathlib.Path
    rejected: Callable[[], Collection[Clip]] = tuple
    check: Callable[[], None] = lambda: None
    log: Callable[[str], None] = lambda line: None
    cache: pathlib.Path | None = None
    version: str | None = None


@runtime_checkable
class Source(Protocol):
    """One place that clips can come from."""

    @property
    def name(self) -> str:
        """Names the source in the ledger; unique within a config."""
        ...

    @property
    def rate_limit(self) -> RateLimit:
        """How hard it may be pressed."""
        ...

    @property
    def fetcher(self) -> str:
        """What does the fetching, with its version, for the ledger: `yt-dlp 2026.08.19, deno`."""
        ...

    def plan(self, clips: Iterable[Clip], context: PlanContext) -> Iterator[Unit | FetchFailure]:
        """Groups the wanted clips into units; clips that this source surely does not have come back as `FetchFailure`.

        Called once a pass, on the machine that starts the run. May read indexes and list folders.

        Raises:
            AcquireError: the source cannot be used at all (no such folder, index not readable).
        """
        ...

    def fetch(self, unit: Unit, context: FetchContext) -> Iterator[Fetched | FetchFailure]:
        """Fetches one unit. Called on any worker, in any of its threads; costs one turn of the source's rate_limit.

        Gives every clip of the unit once, and once more only where its first file was rejected; those never given are
        recorded as `unexpected`. Each `Fetched` is cut, checked and stored while the source goes on, so a unit is never
        whole on disk unless it must be. What goes wrong for a clip or for the rest of the unit comes as
        `FetchFailure`; an exception means a bug, or a `StoppedError`.
        """
        ...


@dataclasses.dataclass(frozen=True)
class PlanContext:
    """What the runner gives a source for planning.

    Attributes:
        version: the annotation version's name, such as `kinetics600`.
        cache: a local folder that this source may keep indexes in, from run to run.
        check: as in `FetchContext`.
        log: takes one line for people.
        siblings: the videos that several rows of the version are about, with all their rows, wanted or not.
    """

    version: str
    cache: pathlib.Path
    check: Callable[[], None] = lambda: None
    log: Callable[[str], None] = lambda line: None
    siblings: Siblings = dataclasses.field(default_factory=dict)
