"""Spans of time as people read them."""

from __future__ import annotations


def format_duration(seconds: float) -> str:
    """Returns a span of time in its one or two largest units.

    >>> format_duration(45), format_duration(2300), format_duration(3840), format_duration(62.5 * 86400)
    ('45 s', '38 min', '1 h 04 min', '62 d 12 h')
    """
    if round(seconds) < 60:
        return f"{round(seconds)} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours:02d} h"
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min"
