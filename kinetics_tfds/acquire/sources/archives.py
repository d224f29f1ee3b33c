"""The archives source: tar and zip files of clips, on a disk or at URLs, read without ever being unpacked."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import posixpath
from collections.abc import Iterable, Iterator

from kinetics_tfds.acquire.source import FetchContext, Fetched, FetchFailure, PlanContext, RateLimit, Unit
from kinetics_tfds.acquire.sources.archive_index import Archive, group_parts, is_archive_name
from kinetics_tfds.acquire.sources.archive_set import fetch_unit, plan_units
from kinetics_tfds.acquire.sources.part_downloads import Reading
from kinetics_tfds.annotations.clip import Clip
from kinetics_tfds.clips.listing import list_folder
from kinetics_tfds.errors import AcquireError, ClipsError, ConfigError


@dataclasses.dataclass(frozen=True, kw_only=True)
class Archives:
    """`.tar`, `.tar.gz`, `.tgz` and `.zip` files that hold clips under the usual names, in any folders.

    A tar that was split (`.tar.gz.0000`, `.tar.gz.0001`, …) is read as one.

    Attributes:
        paths: archives, or folders that hold them at any depth.
        urls: archives at `http(s)://` or in a bucket.
        name: of the source in the ledger.
        rate_limit: how hard it may be pressed; a unit is one archive, or all where it is not known what is in which.
        reading: how archives are read.
    """

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
        archives = self._archives()
        context.log(f"{self.name}: {len(archives)} archives")
        yield from plan_units(archives, clips, f"all archives of {context.version}", context)

    def fetch(self, unit: Unit, context: FetchContext) -> Iterator[Fetched | FetchFailure]:
        """Reads an archive, or all whose contents are not known."""
        yield from fetch_unit(self._archives(), unit, self.reading, context)

    def _archives(self) -> list[Archive]:
        return group_parts([*(place for path in self.paths for place in _expand(path)), *self.urls])


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
