"""The archives source: tar and zip files of clips, on a disk or at URLs, read without ever being unpacked."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import posixpath
from collections.abc import Iterable, Iterator
from typing import ClassVar

from kinetics_tfds.acquire.source import FetchContext, Fetched, FetchFailure, PlanContext, RateLimit, Unit
from kinetics_tfds.acquire.sources.archive_set import Reading, fetch_unit, plan_units
from kinetics_tfds.acquire.sources.catalogue import Archive, ArchiveLocator, Catalogue, is_archive_name
from kinetics_tfds.annotations.clip import Clip
from kinetics_tfds.annotations.versions import get_version
from kinetics_tfds.clips.listing import list_folder
from kinetics_tfds.errors import AcquireError, ClipsError, ConfigError

_WHOLE = "all archives of "


@dataclasses.dataclass(frozen=True, kw_only=True)
class Archives:
    """`.tar`, `.tar.gz`, `.tgz` and `.zip` files that hold clips under the usual names, in any folders.

    Attributes:
        paths: archives, or folders that hold them at any depth.
        urls: archives at `http(s)://` or in a bucket.
        name: of the source in the ledger.
        rate_limit: how hard it may be pressed; a unit is one archive, or all where it is not known what is in which.
        reading: how archives are read.
    """

    kind: ClassVar[str] = "archives"

    paths: tuple[pathlib.Path, ...] = ()
    urls: tuple[str, ...] = ()
    name: str = "archives"
    rate_limit: RateLimit = dataclasses.field(default_factory=RateLimit)
    reading: Reading = dataclasses.field(default_factory=Reading)

    def __post_init__(self) -> None:
        if not self.paths and not self.urls:
            raise ConfigError("Config: the source `archives` names none.", "List them under `paths` or `urls`.")
        for url in self.urls:
            if "://" not in url:
                raise ConfigError(f"Config: urls names {url!r}, which is none.", "Put local files under `paths`.")

    @property
    def fetcher(self) -> str:
        """Python's own readers."""
        return "tarfile and zipfile"

    def plan(self, clips: Iterable[Clip], context: PlanContext) -> Iterator[Unit | FetchFailure]:
        """Yields one unit an archive, as far as it is known or named what it holds, and one for all others together."""
        version = get_version(context.version)
        archives = self._archives()
        context.log(f"{self.name}: {len(archives)} archives")
        catalogue, whole = Catalogue(context.cache), f"{_WHOLE}{version.name}"
        yield from plan_units(archives, clips, whole, catalogue, version.class_names, context.siblings)

    def fetch(self, unit: Unit, context: FetchContext) -> Iterator[Fetched | FetchFailure]:
        """Reads an archive, or all whose contents are not known."""
        if unit.key.startswith(_WHOLE):
            archives = unread(self._archives(), unit, unit.key.removeprefix(_WHOLE), context)
        else:
            archives = [Archive(unit.key)]
        yield from fetch_unit(archives, unit, self.reading, context)

    def _archives(self) -> list[Archive]:
        found = [place for path in self.paths for place in _expand(path)]
        return [Archive(place) for place in (*found, *self.urls)]


def unread(archives: list[Archive], unit: Unit, version: str, context: FetchContext) -> list[Archive]:
    """Returns the archives of a set that must be read for clips that may be in any of them."""
    catalogue, class_names = Catalogue(context.cache), get_version(version).class_names
    whereabouts = ArchiveLocator(archives, catalogue, class_names)
    # What another unit learnt since the plan was made: an archive that is known to hold one of these clips.
    known = {archive for clip in unit.clips if (archive := whereabouts.holder(clip)) is not None}
    return [archive for archive in archives if archive in whereabouts.unread or archive in known]


def _expand(path: pathlib.Path) -> list[str]:
    if path.is_file():
        return [os.fspath(path)]
    try:
        listing = list_folder(path)
    except ClipsError as error:
        raise AcquireError(error.problem, "Correct `paths` of the source `archives`.") from error
    found = [posixpath.join(os.fspath(path), name) for name in listing.others if is_archive_name(name)]
    if not found:
        raise AcquireError(
            f"There is no archive in {os.fspath(path)!r}.", "Archives end with .tar, .tar.gz, .tgz or .zip."
        )
    return found
