"""The YouTube source and the table of outcomes, through yt-dlp's real extractor, downloader and error paths."""

from __future__ import annotations

import pathlib

import pytest
from acquire.loopback import Loopback
from media import make_video

from kinetics_tfds.acquire.outcome import OutcomeClass, Reason
from kinetics_tfds.acquire.source import FetchContext, Fetched, FetchFailure, PlanContext, StoppedError, Unit
from kinetics_tfds.acquire.sources.youtube import YouTube
from kinetics_tfds.annotations.clip import Clip, Split
from kinetics_tfds.errors import AcquireError, ConfigError

PLUGINS = str(pathlib.Path(__file__).parents[1] / "plugins")
VIDEO = "-abc_DEF123"
CLIPS = (Clip(Split.TRAIN, VIDEO, 2, 12, "archery"), Clip(Split.TRAIN, VIDEO, 20, 30, "archery"))


@pytest.fixture(scope="module")
def media(tmp_path_factory) -> bytes:
    return make_video(tmp_path_factory.mktemp("media") / "x.mp4", seconds=3, audio=True).read_bytes()


@pytest.fixture
def server():
    with Loopback() as running:
        yield running


def youtube(server: Loopback, **settings) -> YouTube:
    arguments = {"youtube": {"server": [server.url], "player_skip": ["webpage", "configs", "js", "initial_data"]}}
    defaults = {
        "extractor_args": arguments,
        "js_runtimes": {},
        "plugin_dirs": (PLUGINS,),
        "retries": 1,
        "extractor_retries": 1,
        "timeout": 20.0,
        "request_pause": 0.0,
        # Waits between tries are for real servers.
        "options": {"retry_sleep_functions": {}},
    }
    return YouTube(**(defaults | settings))


def fetch(source: YouTube, folder: pathlib.Path, **context) -> Fetched | FetchFailure:
    folder.mkdir(exist_ok=True)
    (result,) = source.fetch(Unit(VIDEO, CLIPS), FetchContext(scratch=folder, **context))
    assert result.clips == CLIPS
    return result


def error(status: str, reason: str, subreason: str = "", **screen) -> dict:
    renderer = {"reason": {"simpleText": reason}}
    if subreason:
        renderer["subreason"] = {"simpleText": subreason}
    return {
        "playabilityStatus": {
            "status": status,
            "reason": reason,
            "errorScreen": screen or {"playerErrorMessageRenderer": renderer},
        }
    }


def playable(server: Loopback, path: str = "/media/18") -> dict:
    formats = [
        {
            "itag": 18,
            "url": server.url + path,
            "mimeType": 'video/mp4; codecs="avc1.42001E, mp4a.40.2"',
            "width": 340,
            "height": 256,
            "fps": 30,
            "quality": "medium",
        }
    ]
    return {"playabilityStatus": {"status": "OK"}, "streamingData": {"formats": formats}}


UNAVAILABLE = "Video unavailable"
ANSWERS = [
    (error("LOGIN_REQUIRED", "Sign in to confirm you’re not a bot"), Reason.BOT_CHECK),
    (error("LOGIN_REQUIRED", "Sign in to confirm you're not a bot"), Reason.BOT_CHECK),
    (error("ERROR", "This content isn't available, try again later."), Reason.RATE_LIMITED),
    (error("UNPLAYABLE", "Please wait", playerCaptchaViewModel={"x": 1}), Reason.CAPTCHA),
    (
        error("LOGIN_REQUIRED", "Private video", "Sign in if you've been granted access to this video"),
        Reason.PRIVATE,
    ),
    (error("ERROR", UNAVAILABLE, "This video has been removed by the uploader"), Reason.REMOVED_BY_UPLOADER),
    (
        error(
            "ERROR",
            UNAVAILABLE,
            "This video is no longer available because the YouTube account associated with this video has been terminated.",
        ),
        Reason.ACCOUNT_TERMINATED,
    ),
    (
        error(
            "ERROR",
            UNAVAILABLE,
            "The YouTube account associated with this video has been terminated due to multiple third-party notifications of "
            "copyright infringement",
        ),
        Reason.ACCOUNT_TERMINATED,
    ),
    (
        error("ERROR", UNAVAILABLE, "This video has been removed for violating YouTube's policy on spam"),
        Reason.POLICY_VIOLATION,
    ),
    (
        error("ERROR", UNAVAILABLE, "This video is no longer available due to a copyright claim by Somebody"),
        Reason.COPYRIGHT,
    ),
    (error("LOGIN_REQUIRED", "Sign in to confirm your age", "This video may be inappropriate"), Reason.AGE_RESTRICTED),
    (
        error("UNPLAYABLE", "Join this channel to get access to members-only content like this video"),
        Reason.MEMBERS_ONLY,
    ),
    (
        error("UNPLAYABLE", UNAVAILABLE, "The uploader has not made this video available in your country"),
        Reason.GEO_BLOCKED,
    ),
    (
        error(
            "UNPLAYABLE",
            UNAVAILABLE,
            "This video contains content from Somebody, who has blocked it in your country on copyright grounds",
        ),
        Reason.GEO_BLOCKED,
    ),
    (error("UNPLAYABLE", "This video requires payment to watch"), Reason.PAYMENT_REQUIRED),
    (error("LOGIN_REQUIRED", "Please sign in", "Sign in to see this video"), Reason.LOGIN_REQUIRED),
    (error("LIVE_STREAM_OFFLINE", "Premieres in 5 days"), Reason.NOT_YET),
    (error("LIVE_STREAM_OFFLINE", "This live event will begin in 3 hours."), Reason.NOT_YET),
    (error("ERROR", UNAVAILABLE), Reason.UNAVAILABLE),
    (error("ERROR", "This video is not available"), Reason.UNAVAILABLE),
    (error("ERROR", "Der Zeppelin ist gelandet"), Reason.UNKNOWN),
    ({"playabilityStatus": {"status": "OK"}}, Reason.NO_FORMATS),
]


@pytest.mark.parametrize(("answer", "reason"), ANSWERS)
def test_player_answers(server, tmp_path, answer, reason):
    server.add_player(VIDEO, answer)
    result = fetch(youtube(server), tmp_path)
    assert isinstance(result, FetchFailure)
    assert (result.outcome.reason, result.outcome.message) == (reason, result.outcome.message)
    assert "\x1b" not in result.outcome.message


def test_an_answer_for_another_video_means_a_blocked_address(server, tmp_path):
    server.add_player(VIDEO, {"videoDetails": {"videoId": "aQvGIIdgFDM"}, **playable(server)})
    result = fetch(youtube(server), tmp_path)
    assert isinstance(result, FetchFailure)
    assert result.outcome.reason is Reason.IP_BLOCKED


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        ("429:7", Reason.RATE_LIMITED),
        ("503:7", Reason.RATE_LIMITED),
        ("429:Fri, 31 Dec 2999 23:59:59 GMT", Reason.RATE_LIMITED),
        ("503", Reason.SERVER_ERROR),
        ("reset", Reason.CONNECTION),
        ("stall:5", Reason.TIMEOUT),
    ],
)
def test_a_player_api_that_fails(server, tmp_path, behaviour, reason):
    server.add_player(VIDEO, {}, behaviour)
    result = fetch(youtube(server, timeout=0.5 if "stall" in behaviour else 20.0), tmp_path)
    assert isinstance(result, FetchFailure)
    assert result.outcome.reason is reason, result.outcome
    wait = {"7": 7, "Fri, 31 Dec 2999 23:59:59 GMT": 86400}  # a day at most
    assert result.outcome.retry_after == wait.get(behaviour.partition(":")[2] if "stall" not in behaviour else "")


def test_a_video_that_plays(server, tmp_path, media):
    server.add_player(VIDEO, playable(server))
    server.add("/media/18", media)
    result = fetch(youtube(server), tmp_path)
    assert isinstance(result, Fetched)
    assert result.video.read_bytes() == media
    assert result.video.parent == tmp_path
    assert "rm" not in result.video.name  # the title
    assert result.origin == f"https://www.youtube.com/watch?v={VIDEO}"
    assert result.audio is None
    assert len(server.seen("/media")) == 1


def test_picture_and_sound_apart_need_no_ffmpeg(server, tmp_path, media, monkeypatch):
    monkeypatch.setenv("PATH", "")
    answer = playable(server)
    plain = answer["streamingData"].pop("formats")[0]
    del plain["quality"]
    answer["streamingData"]["adaptiveFormats"] = [
        {**plain, "itag": 134, "mimeType": 'video/mp4; codecs="avc1.4d401e"', "height": 360, "width": 480},
        {**plain, "itag": 136, "mimeType": 'video/mp4; codecs="avc1.4d401f"', "height": 720, "width": 960},
        {
            "itag": 140,
            "url": server.url + "/media/140",
            "mimeType": 'audio/mp4; codecs="mp4a.40.2"',
            "audioSampleRate": "44100",
            "audioQuality": "AUDIO_QUALITY_MEDIUM",
        },
    ]
    answer["streamingData"]["adaptiveFormats"][0]["url"] = server.url + "/media/134"
    answer["streamingData"]["adaptiveFormats"][1]["url"] = server.url + "/media/136"
    for itag in (134, 136, 140):
        server.add(f"/media/{itag}", media)
    server.add_player(VIDEO, answer)
    result = fetch(youtube(server), tmp_path)
    assert isinstance(result, Fetched), result
    assert [request.path for request in server.seen("/media")] == ["/media/134", "/media/140"]
    assert result.audio is not None
    assert result.audio != result.video


def with_formats(server: Loopback, *formats: dict) -> dict:
    made = [
        {"itag": 18 + number, "url": f"{server.url}/media/18", "quality": "medium", **each}
        for number, each in enumerate(formats)
    ]
    return {"playabilityStatus": {"status": "OK"}, "streamingData": {"adaptiveFormats": made}}


PICTURE = {"mimeType": 'video/mp4; codecs="avc1.4d401e"', "width": 480, "height": 360}
SOUND = {"mimeType": 'audio/mp4; codecs="mp4a.40.2"', "audioSampleRate": "44100"}


@pytest.mark.parametrize(
    ("formats", "settings", "reason"),
    [
        ((PICTURE,), {"format": "b[height=99]"}, Reason.FORMAT_UNAVAILABLE),
        (({**PICTURE, "drmFamilies": ["WIDEVINE"]},), {}, Reason.DRM),
        ((SOUND,), {}, Reason.FORMAT_UNAVAILABLE),
        ((SOUND,), {"format": "ba"}, Reason.FORMAT_UNAVAILABLE),
    ],
    ids=["no such format", "DRM", "sound only", "sound asked for"],
)
def test_formats_that_do_not_serve(server, tmp_path, media, formats, settings, reason):
    server.add_player(VIDEO, with_formats(server, *formats))
    server.add("/media/18", media)
    result = fetch(youtube(server, **settings), tmp_path)
    assert isinstance(result, FetchFailure)
    assert result.outcome.reason is reason, result.outcome


def test_a_proxy_that_is_down(server, tmp_path):
    server.add_player(VIDEO, playable(server))
    result = fetch(youtube(server, proxy="http://127.0.0.1:9", retries=0, extractor_retries=0), tmp_path)
    assert isinstance(result, FetchFailure)
    assert result.outcome.reason is Reason.CONNECTION, result.outcome
    assert server.requests == []


@pytest.mark.parametrize(
    ("behaviours", "reason"),
    [
        (("403",), Reason.DATA_FORBIDDEN),
        (("404",), Reason.DATA_FORBIDDEN),
        (("410",), Reason.DATA_FORBIDDEN),
        (("429:30",), Reason.RATE_LIMITED),
        (("503",), Reason.SERVER_ERROR),
        (("stall:5",), Reason.TIMEOUT),
        (("503", "ok"), None),
        (("reset", "ok"), None),
        (("short", "ok"), None),
        (("redirect:/media/elsewhere",), None),
    ],
)
def test_media_that_fails(server, tmp_path, media, behaviours, reason):
    server.add_player(VIDEO, playable(server))
    server.add("/media/18", media, *behaviours)
    server.add("/media/elsewhere", media)
    result = fetch(youtube(server, timeout=0.7 if "stall:5" in behaviours else 20.0), tmp_path)
    if reason is None:
        assert isinstance(result, Fetched), result
        assert result.video.read_bytes() == media
    else:
        assert isinstance(result, FetchFailure)
        assert result.outcome.reason is reason, result.outcome
        assert result.outcome.retry_after == (30 if reason is Reason.RATE_LIMITED else None)


def test_a_body_that_is_always_cut_off(server, tmp_path, media):
    server.add_player(VIDEO, playable(server))
    server.add("/media/18", media, "short", ranges=False)
    result = fetch(youtube(server), tmp_path)
    assert isinstance(result, FetchFailure)
    assert result.outcome.reason.outcome_class is OutcomeClass.TRANSIENT, result.outcome


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        ("404", Reason.GONE),
        ("410", Reason.GONE),
        ("403", Reason.FORBIDDEN),
        ("429:9", Reason.RATE_LIMITED),
        ("ok", None),
    ],
)
def test_another_site_through_the_generic_extractor(server, tmp_path, media, behaviour, reason):
    server.add(f"/watch/{VIDEO}.mp4", media, behaviour)
    source = youtube(server, url=server.url + "/watch/{youtube_id}.mp4", extractor_args={}, plugin_dirs=())
    result = fetch(source, tmp_path)
    if reason is None:
        assert isinstance(result, Fetched), result
        assert result.video.read_bytes() == media
    else:
        assert isinstance(result, FetchFailure)
        assert result.outcome.reason is reason, result.outcome
        assert result.outcome.retry_after == (9 if reason is Reason.RATE_LIMITED else None)


def test_too_large(server, tmp_path, media):
    server.add_player(VIDEO, playable(server))
    server.add("/media/18", media)
    result = fetch(youtube(server, max_gb=len(media) / 2e9), tmp_path)
    assert isinstance(result, FetchFailure)
    assert result.outcome.reason is Reason.TOO_LARGE


def test_a_stopping_run_ends_the_download(server, tmp_path, media):
    server.add_player(VIDEO, playable(server))
    server.add("/media/18", media)
    calls = []

    def check() -> None:
        calls.append(1)
        if len(calls) > 1:
            raise StoppedError("stopping", "run again")

    with pytest.raises(StoppedError):
        fetch(youtube(server), tmp_path, check=check)


COOKIES = "# Netscape HTTP Cookie File\n127.0.0.1\tFALSE\t/\tFALSE\t0\tcolour\tblue\n"


def test_cookies_are_used_from_a_copy(server, tmp_path, media):
    cookies = tmp_path / "cookies.txt"
    cookies.write_text(COOKIES)
    server.add_player(VIDEO, playable(server))
    server.add("/media/18", media)
    assert isinstance(fetch(youtube(server, cookies=cookies), tmp_path / "scratch"), Fetched)
    assert cookies.read_text() == COOKIES
    assert any(headers.get("Cookie") == "colour=blue" for headers in server.headers)
    with pytest.raises(AcquireError, match="cookies file"):
        fetch(youtube(server, cookies=tmp_path / "absent"), tmp_path / "scratch")


@pytest.mark.parametrize("behaviour", ["ok", "403"])
def test_cookies_that_the_site_renews_are_written_back(server, tmp_path, media, behaviour):
    cookies = tmp_path / "cookies.txt"
    cookies.write_text(COOKIES + "127.0.0.1\tFALSE\t/\tFALSE\t0\tsize\tsmall\n")
    cookies.chmod(0o640)
    answer = playable(server)
    server.add_player(VIDEO, answer, headers={"Set-Cookie": "colour=red; Path=/; Max-Age=9000"})
    server.add("/media/18", media, behaviour)

    def meanwhile(path):
        """Another worker renews another cookie."""
        if path == "/media/18":
            cookies.write_text(cookies.read_text().replace("small", "large"))

    server.override = meanwhile
    fetch(youtube(server, cookies=cookies), tmp_path / "scratch", cache=tmp_path)
    assert [line.split("\t")[5:] for line in cookies.read_text().splitlines() if "127" in line] == [
        ["colour", "red"],
        ["size", "large"],
    ]
    assert cookies.stat().st_mode & 0o777 == 0o640


def test_no_plugin_and_no_configuration_of_the_user(server, tmp_path, media, monkeypatch):
    """Without being named, the canned plugin is not loaded although it lies where yt-dlp looks."""
    monkeypatch.syspath_prepend(str(pathlib.Path(PLUGINS, "canned")))
    server.add_player(VIDEO, playable(server))
    source = youtube(server, plugin_dirs=(), proxy="http://127.0.0.1:9", retries=0, extractor_retries=0)
    result = fetch(source, tmp_path)
    assert isinstance(result, FetchFailure)
    assert server.seen("/player") == []


CONTEXT = PlanContext("kinetics600", pathlib.Path())


def test_plan_groups_by_video():
    clips = [Clip(Split.TRAIN, "b" * 11, 1, 11), *CLIPS, Clip(Split.TRAIN, "b" * 11, 30, 40)]
    units = [unit for unit in YouTube().plan(clips, CONTEXT) if isinstance(unit, Unit)]
    assert [(unit.key, len(unit.clips)) for unit in units] == [("b" * 11, 2), (VIDEO, 2)]
    with pytest.raises(AcquireError, match="no video id"):
        list(YouTube().plan([Clip(Split.TRAIN, "$(reboot)", 0, 10)], CONTEXT))


@pytest.mark.parametrize(
    ("settings", "words"),
    [({"url": "https://example.org"}, "youtube_id"), ({"options": {"download_ranges": 1}}, "fetched once")],
)
def test_settings_that_cannot_work(settings, words):
    with pytest.raises(ConfigError, match=words):
        YouTube(**settings)
