"""Draws a contact sheet: a row a clip, with its class and id, and a column a moment."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

_PAPER = (17, 20, 26)
_INK = (236, 239, 244)
_FAINT = (128, 138, 154)
_ACCENTS = (
    (136, 192, 208),
    (163, 190, 140),
    (235, 203, 139),
    (208, 135, 112),
    (191, 97, 106),
    (180, 142, 173),
    (129, 161, 193),
    (143, 188, 187),
)
_SCALE = 2  # drawn at twice the layout's size: text stays sharp on fine screens
_LABEL_WIDTH, _CELL_WIDTH, _CELL_HEIGHT = 230, 136, 96
_GAP, _MARGIN, _HEAD = 6, 28, 104


@dataclasses.dataclass(frozen=True)
class Row:
    """One clip on the sheet.

    Attributes:
        title: the class's name.
        subtitle: the clip's id and size.
        frames: uint8 [H, W, 3] images, one a column.
    """

    title: str
    subtitle: str
    frames: Sequence[np.ndarray]


def draw_sheet(path: pathlib.Path, title: str, subtitle: str, times: Sequence[float], rows: Sequence[Row]) -> None:
    """Writes the sheet as a PNG.

    Args:
        path: where to.
        title: the large line on top.
        subtitle: the small one beneath it.
        times: seconds of each column, from the clip's start.
        rows: each with as many frames as there are times.
    """
    width = 2 * _MARGIN + _LABEL_WIDTH + len(times) * (_CELL_WIDTH + _GAP) - _GAP
    height = _HEAD + len(rows) * (_CELL_HEIGHT + _GAP) - _GAP + _MARGIN
    sheet = Image.new("RGB", (width * _SCALE, height * _SCALE), _PAPER)
    draw = ImageDraw.Draw(sheet)
    _text(draw, (_MARGIN, 22), title, 24, _INK)
    _text(draw, (_MARGIN, 54), subtitle, 13, _FAINT)
    for column, time in enumerate(times):
        _text(draw, (_column(column) + _CELL_WIDTH // 2, _HEAD - 12), f"{time:.1f} s", 12, _FAINT, anchor="ms")
    for index, row in enumerate(rows):
        _draw_row(sheet, draw, _HEAD + index * (_CELL_HEIGHT + _GAP), row, _ACCENTS[index % len(_ACCENTS)])
    sheet.save(path, optimize=True)


def _draw_row(sheet: Image.Image, draw: ImageDraw.ImageDraw, top: int, row: Row, accent: tuple[int, int, int]) -> None:
    bar = (_MARGIN, top + 8, _MARGIN + 4, top + _CELL_HEIGHT - 8)
    draw.rounded_rectangle([_SCALE * side for side in bar], radius=2 * _SCALE, fill=accent)
    _text(draw, (_MARGIN + 18, top + _CELL_HEIGHT // 2 - 4), row.title, 16, _INK, anchor="ls")
    _text(draw, (_MARGIN + 18, top + _CELL_HEIGHT // 2 + 16), row.subtitle, 11, _FAINT, anchor="ls")
    for column, frame in enumerate(row.frames):
        picture = _fill(Image.fromarray(frame), (_CELL_WIDTH * _SCALE, _CELL_HEIGHT * _SCALE))
        mask = Image.new("L", picture.size, 0)
        ImageDraw.Draw(mask).rounded_rectangle(
            (0, 0, picture.width - 1, picture.height - 1), radius=6 * _SCALE, fill=255
        )
        sheet.paste(picture, (_column(column) * _SCALE, top * _SCALE), mask)


def _column(index: int) -> int:
    return _MARGIN + _LABEL_WIDTH + index * (_CELL_WIDTH + _GAP)


def _fill(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Scales an image to fill a cell and cuts what stands out evenly on both sides."""
    scale = max(size[0] / image.width, size[1] / image.height)
    scaled = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.LANCZOS)
    left, top = (scaled.width - size[0]) // 2, (scaled.height - size[1]) // 2
    return scaled.crop((left, top, left + size[0], top + size[1]))


def _text(
    draw: ImageDraw.ImageDraw, place: tuple[int, int], text: str, size: int, colour: tuple[int, int, int], **where
) -> None:
    font = ImageFont.load_default(size * _SCALE)
    draw.text((place[0] * _SCALE, place[1] * _SCALE), text, colour, font, **where)
