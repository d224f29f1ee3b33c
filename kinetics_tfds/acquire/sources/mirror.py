"""The mirror source: CVDF's archives of Kinetics-400, -600 and -700-2020, or a copy of them elsewhere.

An index file a split lists the archives' URLs. Those of Kinetics-600's train and validation splits are named for the
class they hold; of the others only reading tells, and what was read is remembered.
"""

from __future__ import annotations

import dataclasses
import hashlib
import pathlib
import urllib.parse
from collections.abc import Iterable, Iterator, Mapping
from typing import ClassVar

from kinetics_tfds.acquire.outcome import Outcome, Reason
from kinetics_tfds.acquire.source import (
    FetchContext,
    Fetched,
    FetchFailure,
    PlanContext,
    RateLimit,
    StoppedError,
    Unit,
    fail_all,
)
from kinetics_tfds.acquire.sources.archive_set import Reading, fetch_unit, plan_units
from kinetics_tfds.acquire.sources.archives import unread
from kinetics_tfds.acquire.sources.catalogue import Archive, Catalogue
from kinetics_tfds.acquire.sources.http import open_url
from kinetics_tfds.acquire.sources.urls import is_http, public_url
from kinetics_tfds.acquire.sources.web import outcome_of
from kinetics_tfds.annotations.clip import Clip, Split
from kinetics_tfds.annotations.versions import get_version
from kinetics_tfds.errors import AcquireError, ConfigError

CVDF = "https://s3.amazonaws.com/kinetics"
_FOLDERS = {"kinetics400": "400", "kinetics600": "600", "kinetics700_2020": "700_2020"}
_SPLITS = {Split.TRAIN: "train", Split.VALIDATION: "val", Split.TEST: "test"}
# Holds about 1,400 clips that are damaged in the archives proper.
_REPLACEMENTS = {"kinetics400": ("400/replacement_for_corrupted_k400.tgz",)}
_MAX_INDEX = 1 << 24  # bytes


@dataclasses.dataclass(frozen=True, kw_only=True)
class Mirror:
    """Archives that index files list.

    Attributes:
        base: the URL that CVDF's own tree lies under.
        indexes: split to the URL of an index file, instead of those under `base`: `{train: …, validation: …, test: …}`.
        replacements: URLs of archives whose clips are taken rather than those of the archives proper; null for CVDF's
            own, an empty list for none.
        name: of the source in the ledger.
        rate_limit: how hard it may be pressed; a unit is one archive, or a whole split where it is unknown which
            archive holds what.
        reading: how archives are read.
    """

    kind: ClassVar[str] = "mirror"

    base: str = CVDF
    indexes: Mapping[str, str] = dataclasses.field(default_factory=dict)
    replacements: tuple[str, ...] | None = None
    name: str = "mirror"
    rate_limit: RateLimit = dataclasses.field(default_factory=lambda: RateLimit(concurrency=2))
    reading: Reading = dataclasses.field(default_factory=lambda: Reading(streams=4))

    def __post_init__(self) -> None:
        for split in self.indexes:
            if split not in list(Split):
                raise ConfigError(f"Config: indexes names the split {split!r}.", f"Splits: {', '.join(Split)}.")

    @property
    def fetcher(self) -> str:
        """What reads the URLs, with its version."""
        import requests

        return f"requests {requests.__version__}, tarfile"

    def plan(self, clips: Iterable[Clip], context: PlanContext) -> Iterator[Unit | FetchFailure]:
        """Yields one unit an archive, as far as it is known what it holds, and one for the rest of each split."""
        version = get_version(context.version)
        groups: dict[Split, list[Clip]] = {}
        for clip in clips:
            groups.setdefault(clip.split, []).append(clip)
        if groups and not any(self._index_url(version.name, split) for split in Split):
            raise AcquireError(
                f"The mirror {public_url(self.base)} has no index of {version.title}.",
                "Take the source `mirror` out of the config, or name index files under `indexes`.",
            )
        catalogue = Catalogue(context.cache)
        for split, group in groups.items():
            if self._index_url(version.name, split) is None:
                yield from fail_all(group, Outcome(Reason.NOT_IN_SOURCE, f"the mirror has no archives of {split}"))
                continue
            archives = self._archives(version.name, split, context, fresh=True)
            context.log(f"{self.name}: {len(archives)} archives of {split}")
            whole = f"{version.name}/{split}"
            yield from plan_units(archives, group, whole, catalogue, version.class_names, context.siblings)

    def fetch(self, unit: Unit, context: FetchContext) -> Iterator[Fetched | FetchFailure]:
        """Reads an archive, or all of a split whose contents are not known."""
        if "://" in unit.key:
            archives = [Archive(unit.key)]
        else:
            version, _, split = unit.key.partition("/")
            try:
                archives = self._archives(version, Split(split), context, fresh=False)
            except StoppedError:
                raise
            except AcquireError as error:
                yield from fail_all(unit.clips, Outcome(Reason.CONNECTION, error.problem))
                return
            archives = unread(archives, unit, version, context)
        yield from fetch_unit(archives, unit, self.reading, context)

    def _index_url(self, version: str, split: Split) -> str | None:
        if self.indexes:
            return self.indexes.get(split)
        if version not in _FOLDERS or split not in _SPLITS:
            return None
        folder, name = _FOLDERS[version], _SPLITS[split]
        return f"{self.base.rstrip('/')}/{folder}/{name}/k{folder}_{name}_path.txt"

    def _archives(
        self, version: str, split: Split, context: PlanContext | FetchContext, *, fresh: bool
    ) -> list[Archive]:
        replacements = self.replacements
        if replacements is None:
            own = () if self.indexes else _REPLACEMENTS.get(version, ())
            replacements = tuple(f"{self.base.rstrip('/')}/{path}" for path in own)
        url = self._index_url(version, split) or ""
        listed = parse_index(self._read_index(url, context, fresh), url)
        return [*(Archive(place, first=True) for place in replacements), *map(Archive, listed)]

    def _read_index(self, url: str, context: PlanContext | FetchContext, fresh: bool) -> str:
        kept = None if context.cache is None else _kept_index(context.cache, url)
        if not fresh and kept is not None and kept.is_file():
            return kept.read_text(encoding="utf-8")
        try:
            with open_url(url, self.reading.web, context) as file:
                text = file.read(_MAX_INDEX).decode("utf-8-sig")
            if text.lstrip()[:1] == "<":
                raise ValueError("it is a web page")
        except AcquireError:
            raise
        except Exception as error:  # buckets' drivers bring their own classes
            raise AcquireError(
                f"The index {public_url(url)} of the source {self.name!r} cannot be read: {outcome_of(error).message}",
                "Try again later, or correct `base` or `indexes`, or take the source out of the config.",
            ) from error
        if kept is not None:
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.write_text(text, encoding="utf-8")
        return text


def _kept_index(cache: pathlib.Path, url: str) -> pathlib.Path:
    return cache / f"index-{hashlib.sha256(url.encode()).hexdigest()[:24]}.txt"


def parse_index(text: str, url: str) -> list[str]:
    r"""Returns the URLs that an index file lists, each once.

    Args:
        text: one a line, with raw spaces and parentheses, or relative to the index; empty lines and `#` comments do not
            count.
        url: of the index.

    >>> parse_index("https://host/600/val/tying knot (not on a tie).tar.gz\n\nb.tar\n", "https://host/600/val/i.txt")
    ['https://host/600/val/tying knot (not on a tie).tar.gz', 'https://host/600/val/b.tar']
    """
    folder = url.rpartition("/")[0]
    places = []
    for line in text.splitlines():
        line = line.strip()
        if line and not line.startswith("#"):
            places.append(line if "://" in line else _join(folder, line))
    return list(dict.fromkeys(places))


def _join(folder: str, line: str) -> str:
    if line.startswith("/") and is_http(folder):
        parts = urllib.parse.urlsplit(folder)
        return f"{parts.scheme}://{parts.netloc}{line}"
    return f"{folder}/{line.removeprefix('./')}"
