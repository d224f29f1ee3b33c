"""What can come of trying to get a clip: six classes, and a fixed list of reasons."""

from __future__ import annotations

import dataclasses
import email.utils
import enum
import math
import time


class OutcomeClass(enum.StrEnum):
    """What to do next about a clip, after an attempt at one source."""

    DONE = "done"  # in the store
    PERMANENT = "permanent"  # this source will never give it: not tried again
    NEEDS_ACCESS = "needs_access"  # credentials or another region would help: not tried again until asked to
    RUN_LEVEL = "run_level"  # about this machine or address, not about the clip: the whole run backs off
    TRANSIENT = "transient"  # tried again after a wait, up to a limit
    AMBIGUOUS = "ambiguous"  # may be gone, may be our fault: looked at again much later


class Reason(enum.StrEnum):
    """Why. The list is fixed: ledgers, reports and scripts rely on its words."""

    STORED = "stored"

    PRIVATE = "private"
    REMOVED_BY_UPLOADER = "removed_by_uploader"
    ACCOUNT_TERMINATED = "account_terminated"
    POLICY_VIOLATION = "policy_violation"
    COPYRIGHT = "copyright"
    DRM = "drm"
    GONE = "gone"  # HTTP 404 and 410
    NOT_IN_SOURCE = "not_in_source"  # the folder, mirror or archive never had it: says nothing about the video
    NO_VIDEO = "no_video"  # sound or pictures only
    OUT_OF_RANGE = "out_of_range"  # the video ends before the clip begins
    TOO_SHORT = "too_short"  # less of the clip is there than the settings accept
    WRONG_LENGTH = "wrong_length"  # a file that should be the clip is much longer than it
    TOO_LARGE = "too_large"  # over the size, pixel or frame limits
    DAMAGED = "damaged"  # the source's own copy does not decode

    AGE_RESTRICTED = "age_restricted"
    MEMBERS_ONLY = "members_only"
    PAYMENT_REQUIRED = "payment_required"
    GEO_BLOCKED = "geo_blocked"
    LOGIN_REQUIRED = "login_required"
    FORBIDDEN = "forbidden"  # HTTP 401 and 403 of a mirror or bucket

    BOT_CHECK = "bot_check"
    RATE_LIMITED = "rate_limited"  # HTTP 429 and its like
    CAPTCHA = "captcha"
    IP_BLOCKED = "ip_blocked"

    DATA_FORBIDDEN = "data_forbidden"  # HTTP 403 on media whose page was readable: an expired link
    SERVER_ERROR = "server_error"  # HTTP 5xx
    TIMEOUT = "timeout"
    CONNECTION = "connection"
    NO_FORMATS = "no_formats"
    FORMAT_UNAVAILABLE = "format_unavailable"
    INCOMPLETE = "incomplete"  # fewer or other bytes than promised
    NOT_MEDIA = "not_media"  # a page, a playlist or an archive under a media name
    NOT_YET = "not_yet"  # a premiere or a live event
    UNEXPECTED = "unexpected"  # an error of ours or of a library: the message tells

    UNAVAILABLE = "unavailable"  # a bare "Video unavailable"
    UNKNOWN = "unknown"  # the source explained itself in words that the table does not know


_CLASSES: dict[OutcomeClass, tuple[Reason, ...]] = {
    OutcomeClass.DONE: (Reason.STORED,),
    OutcomeClass.PERMANENT: (
        Reason.PRIVATE,
        Reason.REMOVED_BY_UPLOADER,
        Reason.ACCOUNT_TERMINATED,
        Reason.POLICY_VIOLATION,
        Reason.COPYRIGHT,
        Reason.DRM,
        Reason.GONE,
        Reason.NOT_IN_SOURCE,
        Reason.NO_VIDEO,
        Reason.OUT_OF_RANGE,
        Reason.TOO_SHORT,
        Reason.WRONG_LENGTH,
        Reason.TOO_LARGE,
        Reason.DAMAGED,
    ),
    OutcomeClass.NEEDS_ACCESS: (
        Reason.AGE_RESTRICTED,
        Reason.MEMBERS_ONLY,
        Reason.PAYMENT_REQUIRED,
        Reason.GEO_BLOCKED,
        Reason.LOGIN_REQUIRED,
        Reason.FORBIDDEN,
    ),
    OutcomeClass.RUN_LEVEL: (Reason.BOT_CHECK, Reason.RATE_LIMITED, Reason.CAPTCHA, Reason.IP_BLOCKED),
    OutcomeClass.TRANSIENT: (
        Reason.DATA_FORBIDDEN,
        Reason.SERVER_ERROR,
        Reason.TIMEOUT,
        Reason.CONNECTION,
        Reason.NO_FORMATS,
        Reason.FORMAT_UNAVAILABLE,
        Reason.INCOMPLETE,
        Reason.NOT_MEDIA,
        Reason.NOT_YET,
        Reason.UNEXPECTED,
    ),
    OutcomeClass.AMBIGUOUS: (Reason.UNAVAILABLE, Reason.UNKNOWN),
}
_CLASS_OF: dict[Reason, OutcomeClass] = {reason: cls for cls, reasons in _CLASSES.items() for reason in reasons}


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """The end of one attempt at one clip.

    Attributes:
        reason: one of the fixed list; its class follows from it.
        message: the source's own words, or what was seen. One line is best; anything is allowed.
        retry_after: seconds the other side asked to be left alone, if it did.

    >>> Outcome(Reason.COPYRIGHT, "This video is no longer available due to a copyright claim").outcome_class
    <OutcomeClass.PERMANENT: 'permanent'>
    """

    reason: Reason
    message: str = ""
    retry_after: float | None = None

    @property
    def outcome_class(self) -> OutcomeClass:
        """The class that the reason belongs to."""
        return class_of(self.reason)


def class_of(reason: Reason) -> OutcomeClass:
    """Returns the class of a reason."""
    return _CLASS_OF[reason]


def reasons_of(outcome_class: OutcomeClass) -> tuple[Reason, ...]:
    """Returns the reasons of a class."""
    return _CLASSES[outcome_class]


def of_status(status: int, message: str = "", retry_after: float | None = None) -> Outcome:
    """Returns the outcome of an HTTP status that a mirror, bucket or plain server answered.

    Args:
        status: an HTTP status that is not a success.
        message: kept as it is; the status alone where empty.
        retry_after: seconds from the `Retry-After` header.

    >>> of_status(410).reason, of_status(503).outcome_class.value
    (<Reason.GONE: 'gone'>, 'transient')
    """
    message = message or f"HTTP {status}"
    if status == 429:
        return Outcome(Reason.RATE_LIMITED, message, retry_after)
    if status in (404, 410):
        return Outcome(Reason.GONE, message)
    if status in (401, 402, 403, 407, 451):
        return Outcome(Reason.GEO_BLOCKED if status == 451 else Reason.FORBIDDEN, message)
    if status == 408:
        return Outcome(Reason.TIMEOUT, message)
    if status >= 500:
        return Outcome(Reason.SERVER_ERROR, message, retry_after)
    return Outcome(Reason.UNEXPECTED, message)


def retry_after_seconds(value: str | None, now: float | None = None) -> float | None:
    """Reads a `Retry-After` header: seconds, or a date.

    Args:
        value: the header's value, None where there was none.
        now: seconds since 1970; the clock's where None.

    Returns:
        Seconds from now, 0 or more; None for no header or one that makes no sense.

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
    return max(seconds, 0.0) if math.isfinite(seconds) else None
