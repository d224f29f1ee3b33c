"""How an attempt to get a clip may end: six classes, and a fixed list of reasons."""

from __future__ import annotations

import dataclasses
import email.utils
import enum
import math
import re
import time

_LONGEST_RETRY_AFTER = 86400.0


class OutcomeClass(enum.StrEnum):
    """What to do next about a clip, after an attempt at one source."""

    DONE = "done"  # in the store
    PERMANENT = "permanent"  # this source will never give it: not tried again
    NEEDS_ACCESS = "needs_access"  # credentials or another region would help: not tried again until asked to
    RUN_LEVEL = "run_level"  # about this machine, address or server, not about the clip: the whole run backs off
    TRANSIENT = "transient"  # tried again after a wait, up to a limit
    AMBIGUOUS = "ambiguous"  # may be gone, may be our fault: looked at again much later


_PERMANENT, _ACCESS, _RUN = OutcomeClass.PERMANENT, OutcomeClass.NEEDS_ACCESS, OutcomeClass.RUN_LEVEL
_TRANSIENT, _AMBIGUOUS = OutcomeClass.TRANSIENT, OutcomeClass.AMBIGUOUS


class Reason(enum.StrEnum):
    """Why. The list is fixed: ledgers, reports and scripts rely on its words.

    Attributes:
        outcome_class: what the reason means for the clip.
    """

    outcome_class: OutcomeClass

    def __new__(cls, word: str, outcome_class: OutcomeClass) -> Reason:
        reason = str.__new__(cls, word)
        reason._value_ = word
        reason.outcome_class = outcome_class
        return reason

    STORED = "stored", OutcomeClass.DONE

    PRIVATE = "private", _PERMANENT
    REMOVED_BY_UPLOADER = "removed_by_uploader", _PERMANENT
    ACCOUNT_TERMINATED = "account_terminated", _PERMANENT
    POLICY_VIOLATION = "policy_violation", _PERMANENT
    COPYRIGHT = "copyright", _PERMANENT
    DRM = "drm", _PERMANENT
    GONE = "gone", _PERMANENT  # HTTP 404 and 410
    NOT_IN_SOURCE = "not_in_source", _PERMANENT  # this folder, mirror or archive never had it
    NO_VIDEO = "no_video", _PERMANENT  # sound or pictures only
    OUT_OF_RANGE = "out_of_range", _PERMANENT  # the video ends before the clip begins
    TOO_SHORT = "too_short", _PERMANENT  # less of the clip is playable than the settings accept
    WRONG_LENGTH = "wrong_length", _PERMANENT  # a file that should be the clip is much longer than it
    TOO_LARGE = "too_large", _PERMANENT  # over the size, pixel or frame limits
    DAMAGED = "damaged", _PERMANENT  # the source's own copy does not decode

    AGE_RESTRICTED = "age_restricted", _ACCESS
    MEMBERS_ONLY = "members_only", _ACCESS
    PAYMENT_REQUIRED = "payment_required", _ACCESS
    GEO_BLOCKED = "geo_blocked", _ACCESS
    LOGIN_REQUIRED = "login_required", _ACCESS
    FORBIDDEN = "forbidden", _ACCESS  # HTTP 401 and 403 of a mirror or bucket

    BOT_CHECK = "bot_check", _RUN
    RATE_LIMITED = "rate_limited", _RUN  # HTTP 429, and 503 that says when to come back
    CAPTCHA = "captcha", _RUN
    IP_BLOCKED = "ip_blocked", _RUN
    SOURCE_FAILED = "source_failed", _RUN  # one of many failures in a row that ended the run

    DATA_FORBIDDEN = "data_forbidden", _TRANSIENT  # HTTP 403 on media whose page was readable: an expired link
    SERVER_ERROR = "server_error", _TRANSIENT  # HTTP 5xx
    TIMEOUT = "timeout", _TRANSIENT
    CONNECTION = "connection", _TRANSIENT
    NO_FORMATS = "no_formats", _TRANSIENT
    FORMAT_UNAVAILABLE = "format_unavailable", _TRANSIENT
    INCOMPLETE = "incomplete", _TRANSIENT  # fewer or other bytes than promised
    NOT_MEDIA = "not_media", _TRANSIENT  # a page, a playlist or an archive under a media name
    NOT_YET = "not_yet", _TRANSIENT  # a premiere or a live event
    UNEXPECTED = "unexpected", _TRANSIENT  # an error of ours or of a library: the message tells

    UNAVAILABLE = "unavailable", _AMBIGUOUS  # a bare "Video unavailable"
    UNKNOWN = "unknown", _AMBIGUOUS  # the source explained itself in words that the table does not know


_USER = re.compile(r"(?<=://)[^\s/@'\"<>]+@")
# A watch page's `?v=` is the video's id.
_QUERY = re.compile(r"\?(?!v=[\w-]{11}(?![\w&]))[\w.~%\[\]-]+=[^\s'\"<>)]*(?<![:,;.])")


def redact(text: str) -> str:
    """Returns a text without what may be secret in its URLs, user, password and query, and without lone surrogates.

    >>> redact("GET https://me:pass@host/a.mp4?token=1: timed out")
    'GET https://host/a.mp4?…: timed out'
    """
    if not text.isascii():
        text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return _QUERY.sub("?…", _USER.sub("", text))


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """The end of one attempt at one clip.

    Attributes:
        reason: one of the fixed list; its class follows from it.
        message: the source's own words, or what was seen, without secrets: see `redact`.
        retry_after: seconds the server asked to be left alone, if it did; a day at most.

    >>> Outcome(Reason.COPYRIGHT, "This video is no longer available due to a copyright claim").outcome_class
    <OutcomeClass.PERMANENT: 'permanent'>
    """

    reason: Reason
    message: str = ""
    retry_after: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "message", redact(self.message))

    @property
    def outcome_class(self) -> OutcomeClass:
        """The class that the reason belongs to."""
        return self.reason.outcome_class


def of_status(status: int, message: str = "", retry_after: float | None = None) -> Outcome:
    """Returns the outcome of an HTTP status that a mirror, bucket or plain server answered.

    Args:
        status: an HTTP status that is not a success.
        message: kept as it is; the status alone where empty.
        retry_after: seconds from the `Retry-After` header.

    >>> of_status(410).reason, of_status(503).reason, of_status(503, retry_after=60).reason
    (<Reason.GONE: 'gone'>, <Reason.SERVER_ERROR: 'server_error'>, <Reason.RATE_LIMITED: 'rate_limited'>)
    """
    message = message or f"HTTP {status}"
    if status == 429 or (status == 503 and retry_after is not None):
        return Outcome(Reason.RATE_LIMITED, message, retry_after)
    if status in (404, 410):
        return Outcome(Reason.GONE, message)
    if status in (401, 402, 403, 407, 451):
        return Outcome(Reason.GEO_BLOCKED if status == 451 else Reason.FORBIDDEN, message)
    if status == 408:
        return Outcome(Reason.TIMEOUT, message)
    return Outcome(Reason.SERVER_ERROR if status >= 500 else Reason.UNEXPECTED, message)


def retry_after_seconds(value: str | None, now: float | None = None) -> float | None:
    """Reads a `Retry-After` header: seconds, or a date.

    Args:
        value: the header's value, None where there was none.
        now: seconds since 1970; the clock's where None.

    Returns:
        Seconds from now, 0 to a day; None for no header or one that makes no sense.

    >>> retry_after_seconds("120"), retry_after_seconds("Thu, 01 Jan 1970 00:02:00 GMT", now=60.0)
    (120.0, 60.0)
    >>> retry_after_seconds("soon") is None
    True
    """
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(value).timestamp() - (time.time() if now is None else now)
        except (ValueError, TypeError):
            return None
    return min(max(seconds, 0.0), _LONGEST_RETRY_AFTER) if math.isfinite(seconds) else None
