"""Getting clips out of a set of archives: which to read for which clips, and reading them one after the other.

A set is read as one unit where nothing tells which archive holds which clip. That is also the only way to know that a
clip is in none of them. Archives at URLs are downloaded part by part, some ahead of the one that is read, and deleted.
"""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterable, Iterator, Sequence

from kinetics_tfds.acquire.outcome import Outcome, OutcomeClass, Reason
from kinetics_tfds.acquire.source import FetchContext, Fetched, FetchFailure, PlanContext, Unit, fail_all, group_units
from kinetics_tfds.acquire.sources.archive_index import Archive, ArchiveIndex, ArchiveLocator
from kinetics_tfds.acquire.sources.archive_reader import DAMAGE, ArchiveError, Member, NotAnArchiveError, read_members
from kinetics_tfds.acquire.sources.download import outcome_of, raise_if_full
from kinetics_tfds.acquire.sources.part_downloads import PartDownloads, Reading
from kinetics_tfds.acquire.sources.pending_clips import PendingClips
from kinetics_tfds.acquire.sources.web import public_url
from kinetics_tfds.annotations.clip import Clip
from kinetics_tfds.annotations.versions import get_version
from kinetics_tfds.clips.layouts import MediaName, read_name
from kinetics_tfds.errors import KineticsError

_BLOCK = 1 << 20
# Where several archives failed, the clips not found may lie in any of them: the most hopeful reason stands.
_ORDER = (OutcomeClass.RUN_LEVEL, OutcomeClass.TRANSIENT, OutcomeClass.NEEDS_ACCESS, OutcomeClass.PERMANENT)


def plan_units(
    archives: Sequence[Archive], clips: Iterable[Clip], whole: str, context: PlanContext
) -> Iterator[Unit | FetchFailure]:
    """Groups clips by the archive that they are in.

    Args:
        archives: of the set, those to be preferred first.
        clips: the wanted ones.
        whole: the key of the unit that reads all archives whose contents are not known.
        context: of the plan.
    """
    locator = ArchiveLocator(archives, ArchiveIndex(context.cache), get_version(context.version).class_names)
    keyed: list[tuple[str, Clip]] = []
    nowhere: list[Clip] = []
    for clip in clips:
        archive = locator.find(clip)
        if archive is None and not locator.unread:
            nowhere.append(clip)
        else:
            keyed.append((whole if archive is None else archive.key, clip))
    yield from fail_all(nowhere, Outcome(Reason.NOT_IN_SOURCE, f"in none of {len(archives)} archives"))
    yield from group_units(keyed, context)


def fetch_unit(
    archives: Sequence[Archive], unit: Unit, reading: Reading, context: FetchContext
) -> Iterator[Fetched | FetchFailure]:
    """Reads a unit's archive, or all that its clips may be in, until all clips are found or all archives are read.

    Args:
        archives: of the set, those to be preferred first.
        unit: the clips.
        reading: how.
        context: of the fetch.
    """
    # Looked up again: another unit may have read an archive since the plan was made.
    class_names = get_version(context.version or "").class_names
    locator = ArchiveLocator(archives, ArchiveIndex(context.cache), class_names)
    own = [archive for archive in archives if archive.key == unit.key] or locator.unread
    reader = _Reader(PendingClips(unit, class_names, context.rejected), reading, context)
    yield from reader.read_archives(own)
    # A clip that was damaged there may lie in another archive as well, and one that was not there in one read by now.
    wanted = (*reader.wanted.left, *context.rejected())
    others = dict.fromkeys(archive for clip in wanted for archive in locator.holders(clip) if archive not in own)
    reader.wanted.give_back(wanted)
    yield from reader.read_archives(list(others))
    yield from reader.report_missing(len(archives))


class _Reader:
    """Reads the archives of one unit, and keeps what went wrong."""

    def __init__(self, wanted: PendingClips, reading: Reading, context: FetchContext) -> None:
        self.wanted, self._reading, self._context = wanted, reading, context
        self._index = ArchiveIndex(context.cache)
        self._failures: list[Outcome] = []  # of archives
        self._broken: dict[Clip, Outcome] = {}  # clips whose member was of no use
        self._numbers = itertools.count()

    def read_archives(self, archives: Sequence[Archive]) -> Iterator[Fetched]:
        """Gives the clips in archives, in their order, until all are found or the server refuses."""
        with PartDownloads([part for each in archives for part in each.parts], self._reading, self._context) as parts:
            for archive in archives:
                if self.wanted.all_found():
                    break
                try:
                    yield from self._read(archive, parts)
                except KineticsError:
                    raise
                except Exception as error:  # whatever a hostile archive does to a library, the others are read
                    raise_if_full(error, self._context.scratch)
                    self._failures.append(_outcome(error, archive, parts.are_sure(archive)))
                    self._context.log(f"an archive failed: {self._failures[-1].reason}: {self._failures[-1].message}")
                    if self._failures[-1].outcome_class is OutcomeClass.RUN_LEVEL:
                        return  # the others are on the same server
            parts.discard()

    def report_missing(self, archives: int) -> Iterator[FetchFailure]:
        """Says why the clips that were not found were not."""
        failed = sorted(self._failures, key=lambda outcome: _ORDER.index(outcome.outcome_class))
        outcome = failed[0] if failed else Outcome(Reason.NOT_IN_SOURCE, f"in none of {archives} archives")
        known = set(self._context.rejected())  # what they failed of was recorded
        missing = [clip for clip in self.wanted.left if clip not in known]
        yield from fail_all((clip for clip in missing if clip not in self._broken), outcome)
        for clip in missing:
            if clip in self._broken:
                yield FetchFailure((clip,), self._broken[clip])

    def _read(self, archive: Archive, parts: PartDownloads) -> Iterator[Fetched]:
        names = []
        with parts.open(archive) as file:
            for member in read_members(file, self._reading.max_archive_gb * 1e9):
                self._context.check()
                # Its suffix may be missing, or be one that no media has.
                name = read_name(member.name) or read_name(member.name.rpartition(".")[0])
                if name is None:
                    continue
                times = "" if name.time_start is None else f"_{name.time_start}_{name.time_end}"
                names.append(f"{name.youtube_id}{times}")
                yield from self._take(member, name, archive, parts)
        self._index.write(archive, names)
        self._context.log(f"{public_url(archive.key)}: read, {len(names)} clips in it")

    def _take(self, member: Member, name: MediaName, archive: Archive, parts: PartDownloads) -> Iterator[Fetched]:
        clips, span = self.wanted.claim(name, member.name)
        if not clips:
            return
        path = self._context.scratch / f"clip-{next(self._numbers):06d}"
        try:
            if member.size > self._reading.max_clip_gb * 1e9:
                self._reject(clips, Reason.TOO_LARGE, f"a member of {member.size / 1e9:,.2f} GB")
                return
            with member.open() as source, path.open("wb") as target:
                shutil.copyfileobj(source, target, _BLOCK)
            if path.stat().st_size != member.size:
                raise EOFError(f"{path.stat().st_size:,} of a member's {member.size:,} bytes")
        except BaseException as error:
            path.unlink(missing_ok=True)
            if not (member.is_apart and isinstance(error, DAMAGE)):
                self.wanted.give_back(clips)
                raise
            self._reject(clips, Reason.DAMAGED, f"a member is damaged: {error}")
            return
        yield Fetched(clips, path, span, f"{public_url(archive.key)}!{member.name}", complete=parts.are_sure(archive))

    def _reject(self, clips: tuple[Clip, ...], reason: Reason, message: str) -> None:
        self.wanted.give_back(clips)
        self._broken.update(dict.fromkeys(clips, Outcome(reason, message)))


def _outcome(error: Exception, archive: Archive, sure: bool) -> Outcome:
    if not isinstance(error, DAMAGE):
        return outcome_of(error)
    if isinstance(error, NotAnArchiveError):
        return Outcome(Reason.NOT_MEDIA, f"{public_url(archive.key)}: {error}")
    # What an earlier process left may have been spoilt by a power cut, and of a split archive a part may be missing:
    # neither is a verdict.
    reason = Reason.DAMAGED if sure and not archive.is_split else Reason.INCOMPLETE
    said = error if isinstance(error, ArchiveError) else f"it is damaged: {type(error).__name__}: {error}"
    return Outcome(reason, f"{public_url(archive.key)}: {said}")
