"""What yt-dlp's errors mean. The table is ours; the words in it are those that YouTube and yt-dlp use.

An error is judged by the types in its chain where they say enough (an HTTP status, a region lock), else by its text.
What concerns the whole run is looked for first, and also in the warnings that came before the error: a refused player
request is only a warning to yt-dlp, and the error that follows no longer says why.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from kinetics_tfds.acquire.outcome import Outcome, Reason, of_status, retry_after_seconds

# All in lower case with straight apostrophes, as `_match` makes the messages. Within a table, the first that fits
# decides.
_RUN_LEVEL = {
    Reason.BOT_CHECK: ("confirm you're not a bot",),
    Reason.CAPTCHA: ("captcha challenge",),
    Reason.IP_BLOCKED: ("your ip is likely being blocked",),
    Reason.RATE_LIMITED: ("rate-limited", "http error 429", "too many requests"),
}
_ABOUT_THE_VIDEO = {
    # "blocked it in your country on copyright grounds" is a matter of region, and "account … terminated due to …
    # copyright infringement" one of the account: so copyright comes late.
    Reason.GEO_BLOCKED: (
        *("not made this video available in your country", "blocked it in your country", "geo restricted"),
        *("not available in your country", "not available in your region", "geo-restricted"),
    ),
    Reason.PRIVATE: ("private video", "video is private"),
    Reason.MEMBERS_ONLY: ("members-only", "join this channel to get access", "this channel's members"),
    Reason.PAYMENT_REQUIRED: ("requires payment", "purchase this", "rent this", "youtube premium"),
    Reason.AGE_RESTRICTED: (
        *("confirm your age", "age-restricted", "inappropriate for some users", "inappropriate or offensive"),
    ),
    Reason.ACCOUNT_TERMINATED: (
        *("account associated with this video has been terminated", "account has been terminated"),
        "closed their youtube account",
    ),
    Reason.REMOVED_BY_UPLOADER: ("has been removed by the uploader", "removed by the user"),
    Reason.COPYRIGHT: ("copyright claim", "copyright grounds", "copyright infringement"),
    Reason.POLICY_VIOLATION: (
        *("removed for violating", "violates youtube's", "violated youtube's", "violation of youtube's"),
    ),
    Reason.DRM: ("drm protected",),
    Reason.NOT_YET: ("premieres in", "live event will begin", "check back later", "being processed"),
    Reason.LOGIN_REQUIRED: ("sign in", "log in", "login required", "registered users"),
    Reason.UNAVAILABLE: (
        *("video unavailable", "video is not available", "video is unavailable", "no longer available"),
        "isn't available",
    ),
}
_TRANSIENT = {
    Reason.DATA_FORBIDDEN: ("http error 403",),
    Reason.SERVER_ERROR: ("http error 5",),
    Reason.TIMEOUT: ("timed out", "timeout"),
    Reason.INCOMPLETE: ("bytes read", "content too short", "more expected", "did not get any data"),
    Reason.CONNECTION: (
        *("connection", "unable to connect", "failed to establish", "failed to resolve", "name or service not known"),
        *("temporary failure in name resolution", "network is unreachable", "remote end closed", "ssl", "proxy"),
    ),
    Reason.FORMAT_UNAVAILABLE: ("requested format is not available",),
    Reason.NO_FORMATS: ("no video formats found",),
    Reason.UNEXPECTED: ("giving up after", "failed to extract any player response"),
}
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def classify(
    error: BaseException,
    warnings: Sequence[str] = (),
    answers: Sequence[BaseException] = (),
    *,
    plain_site: bool = False,
) -> Outcome:
    """Returns what an error of yt-dlp means for a video.

    Args:
        error: what `YoutubeDL` raised.
        warnings: what it warned of during the same try.
        answers: the HTTP errors that it met: those of the player API are warnings to it, without their headers.
        plain_site: whether the page came from an ordinary server, where 404 and 410 mean gone. YouTube answers a
            watch page for every id, and a 404 on its media is an expired link.

    >>> classify(Exception("[youtube] x: Private video. Sign in if you've been granted access")).reason
    <Reason.PRIVATE: 'private'>
    >>> classify(Exception("Sign in to confirm you’re not a bot")).outcome_class.value
    'run_level'
    """
    message = _COLOURS.sub("", str(error)).removeprefix("ERROR: ").strip()
    chain = tuple(_chain(error))
    status, retry_after = _status(chain)
    refusals = [_status([answer]) for answer in (*answers, *chain)]
    refusals = [(code, wait) for code, wait in refusals if code == 429 or (code == 503 and wait is not None)]
    longest = max((wait for _, wait in refusals if wait is not None), default=None)
    for text in (message, *warnings):
        reason = _match(_RUN_LEVEL, text)
        if reason is not None:
            return Outcome(reason, message if text is message else f"{message} (after: {text})", longest)
    if refusals:
        return Outcome(Reason.RATE_LIMITED, message, longest)
    if any(type(link).__name__ == "GeoRestrictedError" for link in chain):
        return Outcome(Reason.GEO_BLOCKED, message)
    reason = _match(_ABOUT_THE_VIDEO, message)
    if reason is not None:
        return Outcome(reason, message)
    if status is not None and not plain_site and status in (403, 404, 410, 416):
        return Outcome(Reason.DATA_FORBIDDEN, message)
    if status is not None:
        return of_status(status, message, retry_after)
    return Outcome(_by_text(message, warnings, chain), message)


def _by_text(message: str, warnings: Sequence[str], chain: Sequence[BaseException]) -> Reason:
    for text in (message, *reversed(warnings)):
        reason = _match(_TRANSIENT, text)
        if reason not in (None, Reason.UNEXPECTED):
            return reason
        if reason is None and text is message and _expected(chain):
            # The source gave a reason in its own words, and they are new to the table: somebody should look.
            return Reason.UNKNOWN
    if any(isinstance(link, TimeoutError) for link in chain):
        return Reason.TIMEOUT
    if any(isinstance(link, ConnectionError) for link in chain):
        return Reason.CONNECTION
    return Reason.UNEXPECTED


def _match(table: Mapping[Reason, Sequence[str]], text: str) -> Reason | None:
    folded = text.lower().replace("’", "'").replace("‘", "'")
    return next((reason for reason, texts in table.items() if any(words in folded for words in texts)), None)


def _expected(chain: Sequence[BaseException]) -> bool:
    """Whether yt-dlp itself says that this is an answer and not a bug of its own."""
    return any(getattr(link, "expected", False) is True for link in chain)


def _status(chain: Sequence[BaseException]) -> tuple[int | None, float | None]:
    """Returns the HTTP status in the chain and what `Retry-After` said with it."""
    for link in chain:
        status = getattr(link, "status", None)
        if isinstance(status, int):
            headers = getattr(getattr(link, "response", None), "headers", None) or {}
            return status, retry_after_seconds(headers.get("Retry-After"))
    return None, None


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yields an error and all that caused it: yt-dlp keeps causes in `exc_info` and `cause` beside Python's own."""
    waiting: list[object] = [error]
    seen: set[int] = set()
    while waiting:
        link = waiting.pop(0)
        if not isinstance(link, BaseException) or id(link) in seen:
            continue
        seen.add(id(link))
        yield link
        info = getattr(link, "exc_info", None)
        waiting += [info[1] if isinstance(info, tuple) and len(info) == 3 else None]
        waiting += [getattr(link, "cause", None), link.__cause__, link.__context__]
