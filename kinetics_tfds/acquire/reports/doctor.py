"""Checks before a run of weeks: what would make it fail, or fail quietly, and how long it will take.

Each check looks at one thing and returns what it found.
"""

from __future__ import annotations

import dataclasses
import datetime
import enum
import pathlib
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence

from kinetics_tfds.acquire.config import AcquireConfig
from kinetics_tfds.acquire.outcome import OutcomeClass
from kinetics_tfds.acquire.rate_limit import least_seconds
from kinetics_tfds.acquire.reports.dry_run import TYPICAL_CLIP_BYTES
from kinetics_tfds.acquire.run.unit_worker import rate_limiter_of
from kinetics_tfds.acquire.source import FetchContext, Fetched, Source, Unit
from kinetics_tfds.acquire.sources.youtube import YouTube, load_plugins
from kinetics_tfds.acquire.store.clip_store import ClipStore
from kinetics_tfds.annotations.clip import Clip, Split
from kinetics_tfds.durations import format_duration
from kinetics_tfds.errors import KineticsError

# YouTube changes every few weeks; releases of yt-dlp follow within days.
_OLD_DAYS = 45
_PO_TOKEN = re.compile(r"[a-z_]+\.(gvs|player|subs)\+[\w=%-]+", re.IGNORECASE)
# The first video of all: 19 seconds, public, and in no Kinetics.
KNOWN_VIDEO = "jNQXAC9IVRw"


class Level(enum.StrEnum):
    """How bad a finding is."""

    OK = "ok"
    WARNING = "warning"  # the run works, but worse than it could
    FAILURE = "failure"  # the run will not work


@dataclasses.dataclass(frozen=True, slots=True)
class Finding:
    """What one check found.

    Attributes:
        check: what was looked at.
        level: how bad it is.
        what: what was seen.
        next_step: what to do; empty where all is well.
    """

    check: str
    level: Level
    what: str
    next_step: str = ""


def _finding_of(level: Level) -> Callable[..., Finding]:
    return lambda check, what, next_step="": Finding(check, level, what, next_step)


_ok, _warning, _failure = map(_finding_of, Level)


def examine(
    store: ClipStore, config: AcquireConfig, clips: Sequence[Clip], video: str | None = None
) -> Iterator[Finding]:
    """Yields the findings of all checks.

    Args:
        store: where clips would go.
        config: of the run.
        clips: the rows that are wanted and not there yet.
        video: the id of a video that is known to play: it is fetched from YouTube, to see whether this address is
            refused. None fetches nothing.
    """
    yield check_write_access(store)
    yield check_state(config)
    yield check_space(store, config, len(clips))
    for source in config.sources:
        if isinstance(source, YouTube):
            yield check_ytdlp()
            yield check_js_runtime(source)
            yield check_merging(source)
            if source.cookies is not None:
                yield check_cookies(source.cookies)
            yield check_plugins(source)
            yield check_po_tokens(source)
        yield check_breaker(source, config)
        if isinstance(source, YouTube) and video is not None:
            yield try_video(source, config, video)
        yield estimate(source, clips)


def check_write_access(store: ClipStore) -> Finding:
    try:
        store.write_hidden("doctor/probe", b"may I write here?")
        store.remove_hidden("doctor")
    except Exception as error:  # buckets' drivers bring their own classes
        return _failure("store", f"{store.root} cannot be written: {error}", "Check rights and credentials.")
    return _ok("store", f"{store.root} can be written")


def check_state(config: AcquireConfig) -> Finding:
    folder = config.state_folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".probe"
        probe.touch()
        probe.unlink()
    except OSError as error:
        return _failure("state folder", f"{folder} cannot be written: {error.strerror}", "Set `state` in the config.")
    return _ok("state folder", f"{folder} keeps this machine's rate limiters")


def check_space(store: ClipStore, config: AcquireConfig, rows: int) -> Finding:
    if not store.is_local:
        return _ok("disk", "the store is a bucket; clips in flight lie in the temporary folder")
    free = shutil.disk_usage(store.root).free / 1e9
    need = rows * TYPICAL_CLIP_BYTES / 1e9
    seen = (
        f"{free:,.1f} GB free; {rows:,} clips may need about {need:,.0f} GB; the run stops at {config.min_free_gb:g} GB"
    )
    if free < config.min_free_gb:
        return _failure("disk", seen, "Make room, or lower `min_free_gb`.")
    if free < config.min_free_gb + need:
        return _warning("disk", seen, "The run will stop when the disk is nearly full, and can go on later.")
    return _ok("disk", seen)


def check_ytdlp(today: datetime.date | None = None) -> Finding:
    """Looks at yt-dlp's age: its version is the day of its release."""
    import yt_dlp.version

    version = yt_dlp.version.__version__
    try:
        released = datetime.date(*(int(part) for part in version.split(".")[:3]))
    except (ValueError, TypeError):
        return _warning("yt-dlp", f"version {version} tells no date", "Install a release of yt-dlp.")
    age = ((today or datetime.date.today()) - released).days
    if age > _OLD_DAYS:
        return _warning("yt-dlp", f"version {version} is {age} days old", "pip install --upgrade 'yt-dlp[default]'")
    return _ok("yt-dlp", f"version {version}, {max(age, 0)} days old")


def check_js_runtime(source: YouTube) -> Finding:
    """Asks yt-dlp which of the config's JavaScript runtimes it can use."""
    import yt_dlp  # noqa: F401 (importing it makes its runtimes known)
    from yt_dlp.globals import supported_js_runtimes

    seen = []
    for name, settings in source.js_runtimes.items():
        runtime = supported_js_runtimes.value.get(name)
        info = runtime(path=(settings or {}).get("path")).info if runtime is not None else None
        if info is not None and info.supported:
            return _ok("JavaScript runtime", f"{info.name} {info.version} at {info.path}")
        seen.append(f"{name} {info.version}, too old" if info is not None else f"{name}: not found")
    return _warning(
        "JavaScript runtime",
        "; ".join(seen) or "none in the config",
        "Without one YouTube hides playable videos behind a plain 'Video unavailable'. pip install 'yt-dlp[deno]', or "
        "name node 22 or later under `js_runtimes`.",
    )


def check_merging(source: YouTube) -> Finding:
    if "+" not in source.format:
        return _ok("merging", "picture and sound are brought together here: no ffmpeg program is needed")
    place = source.options.get("ffmpeg_location") or shutil.which("ffmpeg")
    if place:
        return _ok("merging", f"yt-dlp merges with {place}")
    return _failure(
        "merging",
        f"the format {source.format!r} asks yt-dlp to merge, and there is no ffmpeg program",
        "Install ffmpeg, or leave `format` at its default.",
    )


def check_cookies(path: pathlib.Path) -> Finding:
    """Reads the cookies file as yt-dlp will."""
    from yt_dlp.cookies import YoutubeDLCookieJar

    jar = YoutubeDLCookieJar(str(path))
    try:
        jar.load()
    except Exception as error:  # its own errors, and those of the standard library's jar
        return _failure("cookies", f"{path} cannot be used: {error}", "Export it in Netscape format.")
    wanted = [cookie for cookie in jar if "youtube" in cookie.domain or "google" in cookie.domain]
    fresh = [cookie for cookie in wanted if not cookie.is_expired(int(time.time()))]
    if not fresh:
        seen = f"{path} holds {len(jar)} cookies, none of YouTube that is still good"
        return _warning("cookies", seen, "Export them again from a browser that is signed in.")
    return _ok("cookies", f"{path} holds {len(fresh)} cookies of YouTube")


def check_plugins(source: YouTube) -> Finding:
    missing = [folder for folder in source.plugin_dirs if folder != "default" and not pathlib.Path(folder).is_dir()]
    if missing:
        seen = f"no such folders: {', '.join(missing)}"
        return _failure("yt-dlp plugins", seen, "Correct `plugin_dirs`.")
    return _ok("yt-dlp plugins", ", ".join(source.plugin_dirs) or "none are loaded")


def check_po_tokens(source: YouTube) -> Finding:
    """Looks for proof-of-origin tokens, by the config or a plugin: some clients get no formats without one."""
    given = source.extractor_args.get("youtube", {}).get("po_token", [])
    given = given.split(",") if isinstance(given, str) else given
    if odd := [token for token in given if not _PO_TOKEN.fullmatch(token)]:
        seen = f"{len(odd)} of {len(given)} tokens of the config are not CLIENT.CONTEXT+TOKEN"
        return _warning("PO tokens", seen, "Write them as docs/acquiring.md shows.")
    if given:
        clients = ", ".join(token.partition("+")[0] for token in given)
        return _ok("PO tokens", f"the config gives some for {clients}; they last for hours to days")
    try:
        from yt_dlp.extractor.youtube.pot._registry import _pot_providers  # not public

        load_plugins(source.plugin_dirs)
        providers = [
            name for name in _pot_providers.value if not _pot_providers.value[name].__module__.startswith("yt_dlp.")
        ]
    except (ImportError, AttributeError, KineticsError):
        providers = []
    seen = f"a plugin makes them: {', '.join(providers)}" if providers else "none: clients that need one are left out"
    return _ok("PO tokens", seen)


def try_video(source: YouTube, config: AcquireConfig, video: str) -> Finding:
    """Fetches one video within the rate limit, which counts it, and says whether this address is refused."""
    limiter = rate_limiter_of(source, config, f"doctor-{time.time_ns()}")
    check = f"{source.name}: try"
    if limiter.waiting_until() > time.time():
        return _warning(check, "nothing was fetched, as the address was asked to stay away")
    unit = Unit(video, (Clip(Split.TRAIN, video, 0.0, 10.0),))
    with tempfile.TemporaryDirectory() as folder, limiter.permit() as began:
        (ended,) = source.fetch(unit, FetchContext(pathlib.Path(folder)))
        if isinstance(ended, Fetched):
            limiter.answered(began)
            size = ended.video.stat().st_size / 1e6
            return _ok(check, f"{video} was fetched, {size:.1f} MB: this address is not refused")
        seen = f"{video} was not fetched: {ended.outcome.reason}: {ended.outcome.message}"
        if ended.outcome.outcome_class is OutcomeClass.RUN_LEVEL:
            limiter.refused(ended.outcome, began)
            next_step = "This address is refused. Wait some hours, or use another address, cookies or PO tokens."
        else:
            next_step = "Try a video that plays in a browser: --try=ID; then a newer yt-dlp, a JavaScript runtime."
    return _failure(check, seen, next_step)


def check_breaker(source: Source, config: AcquireConfig) -> Finding:
    """Looks whether an earlier run was asked to stay away."""
    try:
        until = rate_limiter_of(source, config, "doctor").waiting_until()
    except (OSError, KineticsError) as error:
        return _failure(source.name, f"its rate limiter cannot be read: {error}", "Set `state` in the config.")
    if until > time.time():
        seen = f"asked to be left alone for {format_duration(until - time.time())} more"
        return _warning(source.name, seen, "A run will wait that long by itself.")
    return _ok(source.name, "no refusal is pending")


def estimate(source: Source, clips: Sequence[Clip]) -> Finding:
    if isinstance(source, YouTube):
        units, word = len({clip.youtube_id for clip in clips}), "videos"
    else:
        units, word = len(clips), "clips, if each were a unit"
    seconds = least_seconds(units, source.rate_limit)
    limits = source.rate_limit.units_per_hour
    rate = f"{limits:,} an hour" if limits else "no hourly limit"
    return _ok(source.name, f"{units:,} {word}; {rate}: at least {format_duration(seconds)} from this address")
