"""When failing clips stop a build.

A build ends in an error when more than `max_failure_rate` of the clips on disk failed, and more than a handful: in a
folder of twenty clips, two that are damaged are no sign that something is wrong with all. Long before the end that may
be plain already: clips are planned in hash order, so those tried so far are a random sample of all. A build stops early
once at least `MIN_TRIED` clips were tried and the share that failed lies more than `MARGIN` standard errors above the
limit, which chance alone brings about less than once in a million builds; or once so many failed that the limit is
passed whatever the rest does.
"""

from __future__ import annotations

import math

MIN_TRIED = 100
MARGIN = 6.0
# This many may fail whatever the rate, unless it is 0: that stands for "none".
ALWAYS_ALLOWED = 9


def failures_allowed(total: int, max_rate: float) -> int:
    """Returns how many of `total` clips may fail.

    >>> failures_allowed(34, 0.05), failures_allowed(1000, 0.05), failures_allowed(1000, 0.0)
    (9, 50, 0)
    """
    return max(math.floor(max_rate * total + 1e-9), ALWAYS_ALLOWED if max_rate > 0 else 0)


def exceeds(failed: int, total: int, max_rate: float) -> bool:
    """Returns whether `failed` of `total` clips is more than the limit allows.

    >>> exceeds(50, 1000, 0.05), exceeds(51, 1000, 0.05)
    (False, True)
    """
    return failed > failures_allowed(total, max_rate)


def stops_early(failed: int, tried: int, total: int, max_rate: float) -> bool:
    """Returns whether it is plain already that the limit will be passed.

    Args:
        failed: clips that failed so far.
        tried: clips that were written or failed so far.
        total: clips on disk that are to be tried.
        max_rate: the limit.

    >>> stops_early(20, 20, 500_000, 0.05)  # the first few prove nothing
    False
    >>> stops_early(40, 100, 500_000, 0.05)
    True
    >>> stops_early(8, 100, 500_000, 0.05)  # could be chance
    False
    """
    if tried < MIN_TRIED:
        return False
    if exceeds(failed, total, max_rate):
        return True
    error = math.sqrt(max(max_rate * (1 - max_rate), 1 / tried) / tried)
    return failed / tried > max_rate + MARGIN * error
