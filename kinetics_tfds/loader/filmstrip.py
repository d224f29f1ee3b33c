"""`show(batch)`: a batch drawn as filmstrips, to look at what a model is about to see."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np

from kinetics_tfds.errors import LoaderError

# Sizes in pixels, colours as red, green, blue.
_THUMB = 112
_GAP = 4
_BAND = 16  # the strip above and below the frames, where the holes are
_MARGIN = 24
_CAPTION = 240
_ROW_GAP = 18
_PAPER = (250, 249, 246)
_FILM = (33, 35, 40)
_INK = (30, 32, 36)
_FAINT = (128, 130, 136)
_TICK = (150, 152, 158)
# One of the fonts inside OpenCV 5; its type stubs do not know that fonts are made by name.
_FONT: Any = vars(cv2)["FontFace"]("uni")


class Filmstrip:
    """A picture of a batch; notebooks draw it inline.

    Attributes:
        image: uint8 [H, W, 3], red, green, blue.
    """

    def __init__(self, image: np.ndarray) -> None:
        self.image = image

    @property
    def png(self) -> bytes:
        """The picture as a PNG file."""
        return cv2.imencode(".png", cv2.cvtColor(self.image, cv2.COLOR_RGB2BGR))[1].tobytes()

    def save(self, path: str | os.PathLike[str]) -> pathlib.Path:
        """Writes the PNG file and returns its path."""
        target = pathlib.Path(path)
        target.write_bytes(self.png)
        return target

    def _repr_png_(self) -> bytes:
        return self.png


def show(
    batch: Mapping[str, Any],
    class_names: Sequence[str] | None = None,
    *,
    rows: int = 8,
    frames: int = 8,
    mean: Any = None,
    std: Any = None,
) -> Filmstrip:
    """Draws clips of a batch, one filmstrip a clip, or a view.

    Args:
        batch: what the loader yields, as tensors or arrays of TensorFlow, NumPy or JAX: `video`
            [B, T, H, W, 3] or [B, V, T, H, W, 3], and whichever of `label`, `id` and `mask` there are. Labels may be
            indices or soft labels [B, C].
        class_names: names of the classes in index order; without them indices are written.
        rows: strips at most.
        frames: frames of a clip at most; they are spread evenly over it, the first and the last included.
        mean: of the normalisation, on the scale of [0, 1], if `video` is normalised; with `std`. Without them a float
            video is stretched to its own range.
        std: likewise.

    Returns:
        A Filmstrip: `show(batch).save("batch.png")`, or the last line of a notebook's cell.

    Raises:
        LoaderError: the batch holds no video of either shape.
    """
    video = np.asarray(batch["video"]) if "video" in batch else np.zeros([0])
    if video.ndim not in (5, 6) or video.shape[-1] != 3:
        raise LoaderError(
            f"A batch with `video` of shape {video.shape} cannot be shown.",
            "Pass a batch of the loader: video [B, T, H, W, 3] or [B, V, T, H, W, 3].",
        )
    views = video.shape[1] if video.ndim == 6 else 1
    strips = video.reshape(-1, *video.shape[-4:])[:rows]
    steps = np.unique(np.linspace(0, strips.shape[1] - 1, min(frames, strips.shape[1])).round().astype(int))
    pixels = _pixels(strips[:, steps], mean, std)
    captions = [_caption(batch, row // views, row % views, views, class_names) for row in range(len(strips))]
    return Filmstrip(_page(pixels, captions, steps))


def _pixels(video: np.ndarray, mean: Any, std: Any) -> np.ndarray:
    """Returns uint8 [R, T, H, W, 3]."""
    if video.dtype == np.uint8:
        return video
    video = video.astype(np.float32)
    if mean is not None and std is not None:
        video = video * np.float32(std) + np.float32(mean)
    else:
        low, high = float(video.min(initial=0)), float(video.max(initial=0))
        video = (video - low) / max(high - low, 1e-6)
    return np.clip(video * 255 + 0.5, 0, 255).astype(np.uint8)


def _caption(batch: Mapping[str, Any], item: int, view: int, views: int, names: Sequence[str] | None) -> list[str]:
    """Returns the lines beside one strip; the first is the headline."""
    lines = []
    if "label" in batch:
        lines += _label(np.asarray(batch["label"])[item], names)
    padded = "mask" in batch and not bool(np.asarray(batch["mask"])[item])
    if padded:
        lines = ["padding"]
    if "id" in batch and not padded:
        name = np.asarray(batch["id"])[item]
        lines.append(name.decode() if isinstance(name, bytes) else str(name))
    if views > 1:
        lines.append(f"view {view + 1} of {views}")
    return lines or [f"clip {item}"]


def _label(label: np.ndarray, names: Sequence[str] | None) -> list[str]:
    def name(index: int) -> str:
        return "unlabelled" if index < 0 else names[index] if names else f"class {index}"

    if label.ndim == 0:
        return [name(int(label))]
    heaviest = np.argsort(label)[::-1][:2]
    # What smoothing spreads over all classes is not worth a line.
    return [f"{label[i]:.0%} {name(int(i))}" for i in heaviest if label[i] >= 0.05] or ["unlabelled"]


def _page(video: np.ndarray, captions: list[list[str]], steps: np.ndarray) -> np.ndarray:
    rows, count, height, width = video.shape[:4]
    thumb = (max(1, round(_THUMB * width / height)), _THUMB)
    strip_wide = count * (thumb[0] + _GAP) + _GAP
    strip_high = _THUMB + 2 * _BAND
    page = np.empty(
        [2 * _MARGIN + 14 + rows * (strip_high + _ROW_GAP) - _ROW_GAP, 2 * _MARGIN + _CAPTION + strip_wide, 3], np.uint8
    )
    page[:] = _PAPER
    left = _MARGIN + _CAPTION
    for column, step in enumerate(steps):
        centre = left + _GAP + column * (thumb[0] + _GAP) + thumb[0] // 2
        _text(page, str(step), (centre, _MARGIN), 13, _TICK, centred=True)
    for row in range(rows):
        top = _MARGIN + 14 + row * (strip_high + _ROW_GAP)
        strip = _strip(video[row], thumb)
        page[top : top + strip_high, left : left + strip_wide] = strip
        _write(page, captions[row], top + strip_high // 2)
    return page


def _strip(frames: np.ndarray, thumb: tuple[int, int]) -> np.ndarray:
    """Returns one strip of film with holes along both edges."""
    wide, high = len(frames) * (thumb[0] + _GAP) + _GAP, thumb[1] + 2 * _BAND
    strip = np.empty([high, wide, 3], np.uint8)
    strip[:] = _FILM
    for column, frame in enumerate(frames):
        small = cv2.resize(frame, thumb, interpolation=cv2.INTER_AREA if frame.shape[0] > _THUMB else cv2.INTER_LINEAR)
        start = _GAP + column * (thumb[0] + _GAP)
        strip[_BAND : _BAND + thumb[1], start : start + thumb[0]] = small
    pitch = 18
    offset = (wide % pitch + pitch) // 2
    for x in range(offset, wide - 4, pitch):
        for y in (_BAND // 2, high - _BAND // 2):
            _hole(strip, x, y)
    return _rounded(strip, 6)


def _hole(strip: np.ndarray, x: int, y: int) -> None:
    patch = strip[y - 4 : y + 4, max(x - 4, 0) : x + 4]
    patch[:] = _blend(patch, _rounded_mask(patch, 2), _PAPER)


def _rounded(image: np.ndarray, radius: int) -> np.ndarray:
    return _blend(image, 1 - _rounded_mask(image, radius), _PAPER)


def _blend(image: np.ndarray, weight: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    return (image + (np.array(colour) - image.astype(float)) * weight[..., None] + 0.5).astype(np.uint8)


def _rounded_mask(image: np.ndarray, radius: int) -> np.ndarray:
    """Returns float [H, W], the size of `image`: 1 inside a rectangle with round corners, soft at its edge."""
    height, width = image.shape[:2]
    y = np.abs(np.arange(height) + 0.5 - height / 2)[:, None] - (height / 2 - radius)
    x = np.abs(np.arange(width) + 0.5 - width / 2)[None] - (width / 2 - radius)
    distance = np.hypot(np.maximum(x, 0), np.maximum(y, 0))
    return np.clip(radius - distance + 0.5, 0, 1)


def _write(page: np.ndarray, lines: list[str], middle: int) -> None:
    """Writes the caption: the headline in ink, the rest small and faint below it."""
    room = _CAPTION - 20
    styles = [(19, _INK, 600), *[(14, _FAINT, 400)] * (len(lines) - 1)]
    heights = [size + 7 for size, *_ in styles]
    y = middle - sum(heights) // 2
    for line, (size, colour, weight), height in zip(lines, styles, heights, strict=True):
        y += height
        _text(page, _shortened(page, line, size, weight, room), (_MARGIN, y - 7), size, colour, weight)


def _shortened(page: np.ndarray, text: str, size: int, weight: int, room: int) -> str:
    short = text
    while _width(page, short, size, weight) > room and len(text) > 1:
        text = text[:-1]
        short = text.rstrip() + "…"
    return short


def _width(page: np.ndarray, text: str, size: int, weight: int) -> int:
    return cv2.getTextSize(page.shape[1::-1], text, (0, 0), _FONT, size, weight)[2]


def _text(
    page: np.ndarray,
    text: str,
    place: tuple[int, int],
    size: int,
    colour: tuple[int, int, int],
    weight: int = 400,
    *,
    centred: bool = False,
) -> None:
    x, y = place
    if centred:
        x -= _width(page, text, size, weight) // 2
    cv2.putText(page, text, (x, y), colour, _FONT, size, weight)
