"""A page to browse rows by class: one HTML file that needs no server and loads nothing from elsewhere."""

from __future__ import annotations

import html
import json
import pathlib
from collections.abc import Iterable

from kinetics_tfds.acquire.reports.clip_status import RowStatus
from kinetics_tfds.acquire.reports.coverage import UNLABELLED
from kinetics_tfds.annotations.versions import KineticsVersion


def make_page(version: KineticsVersion, rows: Iterable[RowStatus]) -> str:
    """Returns the page: classes on the left, a class's clips with their YouTube links on the right."""
    classes: dict[str, list[list[str]]] = {}
    for row in rows:
        clip = row.clip
        times = (f"{seconds:g}" for seconds in (clip.time_start, clip.time_end))
        entry = [str(clip.split), clip.youtube_id, *times, str(row.status), str(row.reason)]
        classes.setdefault(clip.label or UNLABELLED, []).append(entry)
    data = json.dumps(sorted(classes.items()), separators=(",", ":"), ensure_ascii=False)
    page = pathlib.Path(__file__).with_name("clips.html").read_text(encoding="utf-8")
    # Within a script element only "</" and "<!--" could end or change it.
    return page.replace("TITLE", html.escape(version.title)).replace("DATA", data.replace("<", "\\u003c"))
