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

from kinetics_tfds.acquire.outcome import Outcome, OutcomeClass, Reason
from kinetics_tfds.acquire.source import FetchContext, Fetched, FetchFailure, PlanContext, RateLimit, Unit, fail_all
from kinetics_tfds.acquire.sources.archive_index import Archive, group_parts
from kinetics_tfds.acquire.sources.archive_set import fetch_unit, plan_units
from kinetics_tfds.acquire.sources.download import TransferError, download, outcome_of
from kinetics_tfds.acquire.sources.part_downloads import Reading
from kinetics_tfds.acquire.sources.web import is_http, public_url
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
        for split, group in groups.items():
            if self._index_url(version.name, split) is None:
                yield from fail_all(group, Outcome(Reason.NOT_IN_SOURCE, f"the mirror has no archives of {split}"))
                continue
            whole = f"{version.name}/{split}"
            try:
                archives = self._archives(version.name, split, context, context.cache, fresh=True)
            except TransferError as error:
                # What a unit meets costs its own rows, at this source only, and counts as other failures do.
                context.log(f"{self.name}: {error}")
                yield Unit(whole, tuple(group))
                continue
            context.log(f"{self.name}: {len(archives)} archives of {split}")
            yield from plan_units(archives, group, whole, context)

    def fetch(self, unit: Unit, context: FetchContext) -> Iterator[Fetched | FetchFailure]:
        """Reads an archive, or all of a split whose contents are not known."""
        try:
            folder = context.cache or context.scratch
            archives = self._archives(context.version or "", unit.clips[0].split, context, folder, fresh=False)
        except TransferError as error:
            yield from fail_all(unit.clips, error.outcome)
            return
        yield from fetch_unit(archives, unit, self.reading, context)

    def _index_url(self, version: str, split: Split) -> str | None:
        if self.indexes:
            return self.indexes.get(split)
        if version not in _FOLDERS or split not in _SPLITS:
            return None
        folder, name = _FOLDERS[version], _SPLITS[split]
        return f"{self.base.rstrip('/')}/{folder}/{name}/k{folder}_{name}_path.txt"

    def _archives(
        self, version: str, split: Split, context: PlanContext | FetchContext, folder: pathlib.Path, *, fresh: bool
    ) -> list[Archive]:
        replacements = self.replacements
        if replacements is None:
            own = () if self.indexes else _REPLACEMENTS.get(version, ())
            replacements = tuple(f"{self.base.rstrip('/')}/{path}" for path in own)
        url = self._index_url(version, split) or ""
        return group_parts([*replacements, *parse_index(self._read_index(url, context, folder, fresh), url)])

    def _read_index(self, url: str, context: PlanContext | FetchContext, folder: pathlib.Path, fresh: bool) -> str:
        """Returns an index file, as the server has it now if it must be fresh.

        Raises:
            TransferError: it cannot be had. The reason is never a final one: a mistyped URL is no verdict on clips.
        """
        kept = folder / f"index-{hashlib.sha256(url.encode()).hexdigest()[:24]}.txt"
        if fresh:
            kept.unlink(missing_ok=True)
        try:
            download(url, kept, self.reading.web, context.check, _MAX_INDEX)
            text = kept.read_text(encoding="utf-8-sig")
            if text.lstrip()[:1] == "<":
                kept.unlink()
                raise ValueError("it is a web page")
        except (TransferError, ValueError) as error:
            outcome = outcome_of(error)
            final = outcome.outcome_class not in (OutcomeClass.TRANSIENT, OutcomeClass.RUN_LEVEL)
            message = f"the index {public_url(url)} cannot be read: {outcome.message}"
            raise TransferError(Reason.UNEXPECTED if final else outcome.reason, message, outcome.retry_after) from error
        return text


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
