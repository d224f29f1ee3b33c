"""The URL source: a server or bucket that holds each clip, or each video, under a URL that a template gives."""

from __future__ import annotations

import dataclasses
import string
import urllib.parse
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from kinetics_tfds.acquire.outcome import Outcome, Reason
from kinetics_tfds.acquire.source import (
    FetchContext,
    Fetched,
    FetchFailure,
    PlanContext,
    RateLimit,
    Unit,
    fail_all,
    group_units,
)
from kinetics_tfds.acquire.sources.download import TransferError, download
from kinetics_tfds.acquire.sources.web import Web, is_http, public_url
from kinetics_tfds.annotations.clip import Clip, Split
from kinetics_tfds.clips.containers import HEAD_BYTES, sniff_container
from kinetics_tfds.errors import ConfigError

_FIELDS = frozenset({"youtube_id", "time_start", "time_end", "id", "split", "label"})


@dataclasses.dataclass(frozen=True, kw_only=True)
class Http:
    """Files at `http://`, `https://`, or in a bucket (`gs://`, `s3://`, …) that fsspec has a driver for.

    Attributes:
        url: a template. `{youtube_id}`, `{time_start}`, `{time_end}` (whole seconds; `{time_start:06d}` pads them),
            `{id}` (the usual `{youtube_id}_{start:06d}_{end:06d}`), `{split}` and `{label}`; values are quoted.
        name: of the source in the ledger.
        rate_limit: how hard it may be pressed.
        split_names: what the server calls a split, where that differs: `{validation: val}`.
        label_spaces: what the server writes for spaces in classes.
        max_gb: give up files larger than this.
        web: how URLs are read: time-outs, retries, headers.
    """

    url: str
    name: str = "http"
    rate_limit: RateLimit = dataclasses.field(default_factory=RateLimit)
    split_names: Mapping[str, str] = dataclasses.field(default_factory=dict)
    label_spaces: str = " "
    max_gb: float = 4.0
    web: Web = dataclasses.field(default_factory=Web)

    def __post_init__(self) -> None:
        try:
            used = {field for _, field, _, _ in string.Formatter().parse(self.url) if field is not None}
            self._url_of(Clip(Split.TRAIN, "abc_DEF-123", 0, 10, "archery"))
        except (ValueError, KeyError, IndexError, AttributeError) as error:
            fields = ", ".join(f"{{{field}}}" for field in sorted(_FIELDS))
            raise ConfigError(f"Config: url is {self.url!r}: {error}.", f"Use only {fields}.") from error
        if not used & {"youtube_id", "id"} or "://" not in self.url:
            raise ConfigError(
                f"Config: url is {self.url!r}.", "Give a full URL with {youtube_id} or {id} where the video's id goes."
            )

    @property
    def fetcher(self) -> str:
        """What reads the URLs, requests or fsspec, with its version."""
        if is_http(self.url):
            import requests

            return f"requests {requests.__version__}"
        import fsspec

        return f"fsspec {fsspec.__version__}"

    def plan(self, clips: Iterable[Clip], context: PlanContext) -> Iterator[Unit | FetchFailure]:
        """Yields one unit a URL; without times in the template, a video's clips may share one."""
        urls = [(self._url_of(clip), clip) for clip in clips]
        nameless = (clip for url, clip in urls if url is None)
        yield from fail_all(nameless, Outcome(Reason.NOT_IN_SOURCE, "the URL needs a class, and the row has none"))
        for unit in group_units([(url, clip) for url, clip in urls if url is not None], context):
            others = tuple(clip for clip in unit.others if self._url_of(clip) == unit.key)
            yield dataclasses.replace(unit, others=others)

    def fetch(self, unit: Unit, context: FetchContext) -> Iterator[Fetched | FetchFailure]:
        """Downloads one file."""
        target = context.scratch / "media"
        try:
            sure = download(unit.key, target, self.web, context.check, self.max_gb * 1e9)
        except TransferError as error:
            yield FetchFailure(unit.clips, error.outcome)
            return
        with target.open("rb") as file:
            head = file.read(HEAD_BYTES)
        if sniff_container(head) is None:
            said = f"{public_url(unit.key)} is no media file, but begins with {head[:16]!r}"
            yield FetchFailure(unit.clips, Outcome(Reason.NOT_MEDIA, said))
            return
        names_times = any(field in ("id", "time_start") for _, field, _, _ in string.Formatter().parse(self.url))
        yield Fetched(unit.clips, target, unit.span(names_times), public_url(unit.key), complete=sure)

    def _url_of(self, clip: Clip) -> str | None:
        if clip.label is None and "{label" in self.url:
            return None
        label = (clip.label or "").replace(" ", self.label_spaces)
        values: dict[str, Any] = {
            "youtube_id": clip.youtube_id,
            "time_start": round(clip.time_start),
            "time_end": round(clip.time_end),
            "id": clip.id,
            "split": urllib.parse.quote(str(self.split_names.get(clip.split, clip.split)), safe=""),
            "label": urllib.parse.quote(label, safe=""),
        }
        return self.url.format(**values)
