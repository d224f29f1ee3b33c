"""Coverage as one PNG picture: every class as a column, the reasons, and how links rot."""

from __future__ import annotations

import collections
from collections.abc import Sequence

import cv2
import numpy as np

from kinetics_tfds.acquire.reports.clip_status import ClipStatus
from kinetics_tfds.acquire.reports.coverage import Coverage, Tally
from kinetics_tfds.errors import AcquireError

# Blue first, as OpenCV wants them; told apart by lightness too.
COLOURS = {
    ClipStatus.THERE: (120, 160, 30),
    ClipStatus.NEEDS_ACCESS: (40, 170, 240),
    ClipStatus.GONE: (50, 50, 190),
    ClipStatus.PENDING: (205, 205, 205),
}
_WORDS = {
    ClipStatus.THERE: "there",
    ClipStatus.NEEDS_ACCESS: "needs access",
    ClipStatus.GONE: "gone",
    ClipStatus.PENDING: "pending",
}
_WIDTH = 1280
_MARGIN = 50
_INK = (40, 40, 40)
_PAPER = 255


def draw(coverage: Coverage) -> np.ndarray:
    """Returns the picture: uint8 [height, 1280, 3], blue first."""
    parts = [_heading(coverage), _classes(coverage), _reasons(coverage), _months(coverage)]
    return np.concatenate([part for part in parts if part is not None])


def write_png(coverage: Coverage, path: str) -> None:
    """Writes the picture.

    Raises:
        AcquireError: the file cannot be written.
    """
    _, data = cv2.imencode(".png", draw(coverage))
    try:
        with open(path, "wb") as file:
            file.write(data.tobytes())
    except OSError as error:
        raise AcquireError(f"The picture {path!r} cannot be written: {error}", "Choose another place.") from error


def _panel(height: int) -> np.ndarray:
    return np.full((height, _WIDTH, 3), _PAPER, np.uint8)


def _text(image: np.ndarray, text: str, x: int, y: int, scale: float = 0.5, bold: bool = False) -> None:
    # OpenCV's fonts have ASCII only.
    plain = text.encode("ascii", "replace").decode()
    cv2.putText(image, plain, (x, y), cv2.FONT_HERSHEY_SIMPLEX, scale, _INK, 1 + bold, cv2.LINE_AA)


def _heading(coverage: Coverage) -> np.ndarray:
    image = _panel(100)
    total = sum(coverage.splits.values(), collections.Counter())
    share = total[ClipStatus.THERE] / max(total.total(), 1)
    title = f"{coverage.version}: {total[ClipStatus.THERE]:,} of {total.total():,} clips ({share:.1%})"
    _text(image, title, _MARGIN, 45, 0.9, bold=True)
    x = _MARGIN
    for standing, colour in COLOURS.items():
        cv2.rectangle(image, (x, 68), (x + 16, 84), colour, -1)
        _text(image, f"{_WORDS[standing]} {total[standing]:,}", x + 24, 82)
        x += 230
    return image


def _classes(coverage: Coverage) -> np.ndarray:
    """All classes from the least to the best covered, each a column."""
    tallies: dict[str, Tally] = collections.defaultdict(collections.Counter)
    for classes in coverage.classes.values():
        for label, tally in classes.items():
            tallies[label] += tally
    ordered = sorted(tallies.values(), key=lambda tally: tally[ClipStatus.THERE] / tally.total())
    image = _panel(320)
    _text(image, f"{len(ordered)} classes, from the least to the best covered", _MARGIN, 24, bold=True)
    top, height, width = 40, 240, _WIDTH - 2 * _MARGIN
    for number, tally in enumerate(ordered):
        left = _MARGIN + number * width // len(ordered)
        right = max(_MARGIN + (number + 1) * width // len(ordered), left + 1)
        _stack(image, tally, left, right, top, height)
    for percent in (0, 50, 100):
        y = top + height - height * percent // 100
        _text(image, f"{percent}%", 8, y + 5, 0.4)
    return image


def _stack(image: np.ndarray, tally: Tally, left: int, right: int, top: int, height: int) -> None:
    done, total = 0, tally.total()
    for standing, colour in COLOURS.items():
        low = top + height - height * done // total
        done += tally[standing]
        high = top + height - height * done // total
        image[high:low, left:right] = colour


def _reasons(coverage: Coverage) -> np.ndarray | None:
    rows = coverage.reasons.most_common(12)
    if not rows:
        return None
    image = _panel(60 + 24 * len(rows))
    _text(image, "rows without a clip, by reason", _MARGIN, 24, bold=True)
    most = rows[0][1]
    for place, ((standing, reason), count) in enumerate(rows):
        y = 40 + 24 * place
        _text(image, reason, _MARGIN, y + 14)
        width = max(1, (_WIDTH - 480) * count // most)
        cv2.rectangle(image, (260, y), (260 + width, y + 16), COLOURS[standing], -1)
        _text(image, f"{count:,}", 270 + width, y + 14)
    return image


def _months(coverage: Coverage) -> np.ndarray | None:
    """The share that was gone of what was tried, month by month."""
    rows: Sequence[tuple[str, Tally]] = [(month, tally) for month, tally in coverage.months.items() if tally.total()]
    if not rows:
        return None
    image = _panel(260)
    _text(image, "link rot: of the rows settled in a month, those gone", _MARGIN, 24, bold=True)
    rows = rows[-36:]
    width = min(80, (_WIDTH - 2 * _MARGIN) // len(rows))
    shares = [tally[ClipStatus.GONE] / tally.total() for _, tally in rows]
    for place, ((month, _), share) in enumerate(zip(rows, shares, strict=True)):
        left = _MARGIN + place * width
        bar = round(150 * share / max(*shares, 0.1))
        cv2.rectangle(image, (left, 210 - bar), (left + width - 6, 210), COLOURS[ClipStatus.GONE], -1)
        cv2.line(image, (left, 210), (left + width - 6, 210), _INK, 1)
        _text(image, f"{share:.0%}", left, 204 - bar, 0.4)
        _text(image, month[2:], left, 228, 0.4)
    return image
