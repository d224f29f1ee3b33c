"""The YouTube source: yt-dlp as a library, one download a video, by its native downloader.

The whole video is fetched at low resolution, picture and sound in files of their own where YouTube keeps them apart (no
ffmpeg program is needed: cut.py brings them together). yt-dlp's own ranges are not used: they hand over to the ffmpeg
program, which turns every HTTP error into the same exit code.
"""

from __future__ import annotations

import dataclasses
import pathlib
import random
import threading
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from kinetics_tfds.acquire.outcome import Outcome, Reason
from kinetics_tfds.acquire.source import FetchContext, Fetched, FetchFailure, PlanContext, RateLimit, Unit, group_units
from kinetics_tfds.acquire.sources.classify import classify
from kinetics_tfds.acquire.sources.cookies import renewed_cookies
from kinetics_tfds.acquire.sources.download import disk_full
from kinetics_tfds.annotations.clip import VIDEO_ID, Clip
from kinetics_tfds.clips.media import Span
from kinetics_tfds.errors import AcquireError, ConfigError

# A guest session may open about 300 videos an hour, and 5 to 10 seconds between them are advised.
GUEST_RATE_LIMIT = RateLimit(
    units_per_hour=250, pause=(8.0, 18.0), concurrency=2, first_wait=300.0, longest_wait=7200.0
)

_WATCH = "https://www.youtube.com/watch?v={youtube_id}"
_plugins_lock = threading.Lock()


@dataclasses.dataclass(frozen=True, kw_only=True)
class YouTube:
    """Videos from YouTube.

    Attributes:
        name: of the source in the ledger.
        rate_limit: how hard it may be pressed; the defaults suit a guest.
        url: the page of a video; another site with the same ids goes through yt-dlp's generic extractor.
        format: yt-dlp's format selection. The default takes the picture that suits `format_sort` best and the sound
            beside it, or else one file with both. A `+` makes yt-dlp merge them, which needs an ffmpeg program.
        format_sort: yt-dlp's sorting; `res` is the smaller side.
        cookies: a Netscape cookies file. Downloads use copies of it; cookies that the site renews are written back.
        proxy: URL of a proxy.
        max_bytes_per_second: bandwidth of one download.
        extractor_args: as yt-dlp's library takes them: `{youtube: {player_client: [tv]}}`; a text is split at its
            commas, as on yt-dlp's command line.
        js_runtimes: as yt-dlp's library takes them: `{deno: {}, node: {path: /usr/bin/node}}`. Without a runtime,
            videos may seem unavailable that are not.
        plugin_dirs: folders of yt-dlp plugins; `default` means those that yt-dlp finds by itself. None are loaded
            unless named.
        retries: of one HTTP request or fragment.
        extractor_retries: of a page.
        timeout: seconds without a byte.
        request_pause: seconds between the requests for one video's pages.
        max_gb: give up videos larger than this.
        options: further options of `yt_dlp.YoutubeDL`, which win over all others.
    """

    name: str = "youtube"
    rate_limit: RateLimit = GUEST_RATE_LIMIT
    url: str = _WATCH
    format: str = "(bv[protocol!*=m3u8],ba[protocol!*=m3u8])/b[protocol!*=m3u8]"
    format_sort: tuple[str, ...] = ("res:360", "vcodec:h264", "acodec:aac", "proto")
    cookies: pathlib.Path | None = None
    proxy: str | None = None
    max_bytes_per_second: int | None = None
    extractor_args: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    js_runtimes: Mapping[str, Any] = dataclasses.field(default_factory=lambda: {"deno": {}})
    plugin_dirs: tuple[str, ...] = ()
    retries: int = 10
    extractor_retries: int = 3
    timeout: float = 30.0
    request_pause: float = 0.75
    max_gb: float = 4.0
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        if "{youtube_id}" not in self.url:
            raise ConfigError(f"Config: url is {self.url!r}.", "Put {youtube_id} where the video's id goes.")
        if "download_ranges" in self.options:
            raise ConfigError(
                "Config: options.download_ranges hides why a download failed.",
                "Leave it out: the whole video is fetched once and cut exactly.",
            )

    @property
    def fetcher(self) -> str:
        """yt-dlp's version and the JavaScript runtimes it may use."""
        import yt_dlp.version

        return f"yt-dlp {yt_dlp.version.__version__}, js: {'+'.join(sorted(self.js_runtimes)) or 'none'}"

    def plan(self, clips: Iterable[Clip], context: PlanContext) -> Iterator[Unit | FetchFailure]:
        """Yields one unit a video."""
        for unit in group_units(((clip.youtube_id, clip) for clip in clips), context):
            if not VIDEO_ID.fullmatch(unit.key):
                raise AcquireError(
                    f"{unit.key!r} is no video id.",
                    "Put the annotation file right: an id is 11 of A-Z, a-z, 0-9, - and _.",
                )
            yield unit

    def fetch(self, unit: Unit, context: FetchContext) -> Iterator[Fetched | FetchFailure]:
        """Downloads one video."""
        load_plugins(self.plugin_dirs)
        log = _Log()
        url = self.url.format(youtube_id=unit.key)
        context.check()
        try:
            with renewed_cookies(self.cookies, context) as cookiefile:
                options = self._options(context, log) | {"cookiefile": cookiefile} | dict(self.options)
                with _downloader(options, log) as downloader:
                    downloader.add_info_extractor(self._extractor())
                    info = downloader.extract_info(url)
        except AcquireError:
            raise
        except Exception as error:  # whatever an extractor meets in a page, the video is not the run
            if "[Errno 28]" in str(error):
                raise disk_full(context.scratch) from error
            plain_site = self.url != _WATCH
            yield FetchFailure(unit.clips, classify(error, log.warnings, log.answers, plain_site=plain_site))
            return
        yield _result(unit, info or {}, log, url)

    def _extractor(self) -> Any:
        """Returns the one extractor that is wanted; loading all 1,800 takes a second and 100 MB."""
        if "youtube.com/" in self.url:
            from yt_dlp.extractor.youtube import YoutubeIE

            return YoutubeIE()
        from yt_dlp.extractor.generic import GenericIE

        return GenericIE()

    def _options(self, context: FetchContext, log: _Log) -> dict[str, Any]:
        limit = int(self.max_gb * 1e9)

        def progress(status: Mapping[str, Any]) -> None:
            context.check()
            if (status.get("downloaded_bytes") or 0) > limit:
                raise _TooLargeError(f"the video is larger than {self.max_gb} GB")

        def pause(n: int) -> float:
            context.check()
            return random.uniform(0.5, 1.0) * min(2.0**n, 30.0)

        return {
            "format": self.format,
            "format_sort": list(self.format_sort),
            "merge_output_format": "mp4",
            # No title and no other remote text: the name is ours.
            "outtmpl": {"default": str(context.scratch / "media-%(autonumber)d")},
            "paths": {},
            "retries": self.retries,
            "fragment_retries": self.retries,
            "extractor_retries": self.extractor_retries,
            "retry_sleep_functions": {"http": pause, "fragment": pause, "extractor": pause},
            "skip_unavailable_fragments": False,
            "socket_timeout": self.timeout,
            "sleep_interval_requests": self.request_pause,
            "ratelimit": self.max_bytes_per_second,
            "max_filesize": limit,
            "noplaylist": True,
            "match_filter": _refuse_live,
            "fixup": "never",  # needs the ffmpeg program; PyAV reads what it would repair
            "updatetime": False,
            "quiet": True,
            "noprogress": True,
            "color": "never",
            "logger": log,
            "progress_hooks": [progress],
            "extractor_args": {
                name: {key: value.split(",") if isinstance(value, str) else value for key, value in arguments.items()}
                for name, arguments in self.extractor_args.items()
            },
            "proxy": self.proxy,
            "js_runtimes": {key: dict(value or {}) for key, value in self.js_runtimes.items()},
        }


class _TooLargeError(Exception):
    """The download passed the size limit."""


class _Log:
    """yt-dlp's logger: keeps warnings for judging an error, and lets nothing reach the terminal."""

    def __init__(self) -> None:
        self.warnings: list[str] = []
        self.lines: list[str] = []
        self.answers: list[BaseException] = []  # HTTP errors

    def debug(self, message: str) -> None:
        # yt-dlp's plain lines come this way as well.
        self.lines.append(message)
        del self.lines[:-20]

    def info(self, message: str) -> None:
        self.debug(message)

    def warning(self, message: str, *unused: Any, **also_unused: Any) -> None:
        self.warnings.append(str(message))

    def error(self, message: str) -> None:
        self.debug(message)


def _refuse_live(info: Mapping[str, Any], *unused: Any, **also_unused: Any) -> str | None:
    # A live stream would be recorded for as long as it lasts.
    return "live" if info.get("is_live") or info.get("live_status") in ("is_live", "is_upcoming") else None


def _downloader(options: Any, log: _Log) -> Any:
    import yt_dlp

    class Downloader(yt_dlp.YoutubeDL):
        """Notes the HTTP errors that extractors make warnings of."""

        def urlopen(self, req: Any) -> Any:
            try:
                return super().urlopen(req)
            except yt_dlp.networking.exceptions.HTTPError as error:
                log.answers.append(error)
                raise

    return Downloader(options, auto_init=False)


def _result(unit: Unit, info: Mapping[str, Any], log: _Log, url: str) -> Fetched | FetchFailure:
    files = [item for item in info.get("requested_downloads") or () if pathlib.Path(item.get("filepath", "")).is_file()]
    pictures = [item for item in files if item.get("vcodec") != "none"]
    sounds = [item for item in files if item.get("vcodec") == "none" and item.get("acodec") != "none"]
    if pictures:
        picture = pathlib.Path(pictures[0]["filepath"])
        sound = pathlib.Path(sounds[0]["filepath"]) if sounds and pictures[0].get("acodec") in ("none", None) else None
        # YouTube's links expire and its servers err: bytes that do not decode are worth another try.
        return Fetched(unit.clips, picture, Span.WHOLE, url, audio=sound, complete=False)
    if info.get("is_live") or info.get("live_status") in ("is_live", "is_upcoming"):
        return FetchFailure(unit.clips, Outcome(Reason.NOT_YET, "a live stream or a premiere"))
    said = "; ".join((*log.warnings[-2:], *log.lines[-2:]))
    if any("larger than max-filesize" in line for line in log.lines):
        return FetchFailure(unit.clips, Outcome(Reason.TOO_LARGE, said))
    if sounds:
        # YouTube keeps pictures back from clients that it doubts: no verdict on the video.
        return FetchFailure(unit.clips, Outcome(Reason.FORMAT_UNAVAILABLE, "only sound was offered"))
    return FetchFailure(unit.clips, Outcome(Reason.UNEXPECTED, f"yt-dlp gave no file and no error: {said}"))


def load_plugins(folders: tuple[str, ...]) -> None:
    """Loads the plugins of the named folders, and no others, for this process.

    Args:
        folders: as in `YouTube.plugin_dirs`.

    Raises:
        ConfigError: a folder is not there.
    """
    from yt_dlp import globals as settings
    from yt_dlp import plugins

    with _plugins_lock:
        if settings.all_plugins_loaded.value and settings.plugin_dirs.value == list(folders):
            return
        for folder in folders:
            if folder != "default" and not pathlib.Path(folder).is_dir():
                raise ConfigError(
                    f"Config: plugin_dirs names {folder!r}, which is no folder.",
                    "Name a folder that holds packages with a yt_dlp_plugins folder, or `default`.",
                )
        settings.plugin_dirs.value = list(folders)
        plugins.load_all_plugins()
