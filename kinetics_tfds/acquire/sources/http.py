"""The URL source: a server or bucket that holds each clip, or each video, under a URL that a template gives."""

from __future__ import annotations

import dataclasses
import errno
import io
import pathlib
import shutil
import string
import urllib.parse
from collections.abc import Iterable, Iterator, Mapping
from typing import IO, Any, ClassVar

from kinetics_tfds.acquire.outcome import Outcome, Reason
from kinetics_tfds.acquire.siblings import others_of
from kinetics_tfds.acquire.source import FetchContext, Fetched, FetchFailure, PlanContext, RateLimit, Unit, fail_all
from kinetics_tfds.acquire.sources.magic import HEAD_BYTES, describe
from kinetics_tfds.acquire.sources.urls import is_http, public_url
from kinetics_tfds.acquire.sources.web import TransferError, Web, WebFile, outcome_of
from kinetics_tfds.acquire.store.clip_store import disk_full
from kinetics_tfds.annotations.clip import Clip, Split
from kinetics_tfds.clips.containers import container_suffix
from kinetics_tfds.clips.media import Span
from kinetics_tfds.errors import AcquireError, ConfigError

_FIELDS = frozenset({"youtube_id", "time_start", "time_end", "id", "split", "label"})
_BLOCK = 1 << 18


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

    kind: ClassVar[str] = "http"

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
            raise ConfigError(f"Config: url is {self.url!r}: {error}.", f"Use only {_named(_FIELDS)}.") from error
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
        groups: dict[str, list[Clip]] = {}
        nameless: list[Clip] = []
        for clip in clips:
            url = self._url_of(clip)
            if url is None:
                nameless.append(clip)
            else:
                groups.setdefault(url, []).append(clip)
        yield from fail_all(nameless, Outcome(Reason.NOT_IN_SOURCE, "the URL needs a class, and the row has none"))
        for url, group in groups.items():
            others = others_of(group, context.siblings)
            yield Unit(url, tuple(group), tuple(clip for clip in others if self._url_of(clip) == url))

    def fetch(self, unit: Unit, context: FetchContext) -> Iterator[Fetched | FetchFailure]:
        """Downloads one file."""
        target = context.scratch / "media"
        try:
            target = self._download(unit.key, target, context)
        except AcquireError:
            raise
        except Exception as error:  # fsspec's drivers bring their own classes
            raise_if_full(error, target)
            yield FetchFailure(unit.clips, outcome_of(error))
            return
        span = Span.TRIMMED if self._names_times() else Span.WHOLE if unit.has_several else Span.UNKNOWN
        yield Fetched(unit.clips, target, span, public_url(unit.key))

    def _download(self, url: str, target: pathlib.Path, context: FetchContext) -> pathlib.Path:
        with open_url(url, self.web, context) as source:
            head = source.read(HEAD_BYTES)
            suffix = container_suffix(head)
            if suffix is None:
                raise TransferError(Outcome(Reason.NOT_MEDIA, f"{public_url(url)} is {describe(head)}"))
            target = target.with_suffix(suffix)
            try:
                self._write(source, head, target, context)
            except BaseException:
                target.unlink(missing_ok=True)
                raise
        return target

    def _write(self, source: IO[bytes], block: bytes, target: pathlib.Path, context: FetchContext) -> None:
        written = 0
        with target.open("wb") as file:
            while block:
                context.check()
                written += len(block)
                if written > self.max_gb * 1e9:
                    raise TransferError(Outcome(Reason.TOO_LARGE, f"more than {self.max_gb:g} GB"))
                file.write(block)
                block = source.read(_BLOCK)

    def _names_times(self) -> bool:
        return any(field in ("id", "time_start") for _, field, _, _ in string.Formatter().parse(self.url))

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


def open_url(url: str, web: Web, context: FetchContext | PlanContext) -> IO[bytes]:
    """Opens a URL for reading.

    Args:
        url: `http(s)://`, or anything that fsspec opens.
        web: how `http(s)` is read.
        context: its `check` is called often.

    Raises:
        TransferError: bytes cannot be had (`http(s)`).
        Exception: whatever a bucket's driver raises; `outcome_of` knows what it means.
    """
    if is_http(url):
        return io.BufferedReader(WebFile(url, web, context.check), _BLOCK)
    import fsspec

    # Drivers' files cannot be peeked into.
    return io.BufferedReader(fsspec.open(url, "rb").open(), _BLOCK)  # pyright: ignore[reportArgumentType]


def raise_if_full(error: BaseException, target: pathlib.Path) -> None:
    """Raises `AcquireError` where an error says that the disk is full: that ends the run, not the clip."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        raise disk_full(str(target.parent), shutil.disk_usage(target.parent).free, 0) from error


def _named(fields: Iterable[str]) -> str:
    return ", ".join(f"{{{field}}}" for field in sorted(fields))
