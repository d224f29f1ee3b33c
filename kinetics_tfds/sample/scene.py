"""The pictures of a sample clip: shapes whose motion is the class, whatever their form, colour and place.

Every other choice (background, colours, forms, sizes, places, speed, phase) is drawn from the clip's seed alone, so a
single frame says nothing about the class: a model has to use several, in their order.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator

import cv2
import numpy as np


@dataclasses.dataclass(frozen=True, slots=True)
class Pose:
    """Where a shape is, relative to its home.

    Attributes:
        x: shift to the right, as a share of the frame's short side.
        y: shift downwards, likewise.
        scale: factor on its size.
        angle: turn in radians.
    """

    x: float = 0.0
    y: float = 0.0
    scale: float = 1.0
    angle: float = 0.0


# Each motion maps the number of periods passed to a pose. Mirroring a clip left to right leaves its class as it was, so
# that flips are a fair augmentation; `down` and `up`, `grow` and `shrink` differ only in the order of frames.
MOTIONS: dict[str, Callable[[float], Pose]] = {
    "down": lambda u: Pose(y=0.6 * u),
    "up": lambda u: Pose(y=-0.6 * u),
    "bounce": lambda u: Pose(y=-0.36 * abs(math.sin(math.pi * u))),
    "swing": lambda u: Pose(x=0.2 * math.sin(2 * math.pi * u)),
    "orbit": lambda u: Pose(x=0.16 * math.cos(2 * math.pi * u), y=0.16 * math.sin(2 * math.pi * u)),
    "spin": lambda u: Pose(angle=2 * math.pi * u),
    "grow": lambda u: Pose(scale=0.45 + 1.15 * (u % 1)),
    "shrink": lambda u: Pose(scale=1.6 - 1.15 * (u % 1)),
}

# The official classes that stand for the motions; all versions have them.
CLASS_MOTIONS: dict[str, str] = {
    "abseiling": "down",
    "climbing a rope": "up",
    "bouncing on trampoline": "bounce",
    "shaking head": "swing",
    "spinning poi": "orbit",
    "cartwheeling": "spin",
    "yawning": "grow",
    "blowing out candles": "shrink",
}


@dataclasses.dataclass(frozen=True, slots=True)
class _Shape:
    outline: np.ndarray  # float64 [P, 2], around (0, 0), radius about 1
    colour: tuple[int, int, int]
    mark: tuple[int, int, int]  # colour of the half that makes a turn visible
    home: tuple[float, float]  # in pixels
    radius: float  # in pixels
    angle: float
    phase: float
    mirror: int  # 1 or -1


def draw_frames(
    motion: str, rng: np.random.Generator, width: int, height: int, fps: float, count: int
) -> Iterator[np.ndarray]:
    """Yields the frames of one clip.

    Args:
        motion: a key of `MOTIONS`.
        rng: the only source of randomness; used up in a fixed order.
        width: in pixels.
        height: in pixels.
        fps: frames a second.
        count: number of frames.

    Yields:
        uint8 [height, width, 3] RGB images.
    """
    background = _texture(rng, width, height)
    homes = _spread(rng, width, height, count=2 + int(rng.integers(3, 6)))
    still = [_shape(rng, width, height, home) for home in homes[:2]]
    moving = [_shape(rng, width, height, home) for home in homes[2:]]
    period = rng.uniform(0.9, 1.3)
    for shape in still:
        _draw(background, shape, Pose(scale=rng.uniform(0.5, 1.4)))
    for index in range(count):
        image = background.copy()
        for shape in moving:
            _draw(image, shape, MOTIONS[motion](index / fps / period + shape.phase))
        yield image


def _texture(rng: np.random.Generator, width: int, height: int) -> np.ndarray:
    """Returns a smooth random pattern with fine grain on it, of middling brightness."""
    image = rng.uniform(70, 150, (1, 1, 3)).repeat(height, 0).repeat(width, 1)
    for cells, strength in ((3, 28), (9, 18), (40, 8)):
        coarse = rng.uniform(-strength, strength, (cells, cells + cells // 3, 3))
        image += cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(image, 30, 200).astype(np.uint8)


def _spread(rng: np.random.Generator, width: int, height: int, count: int) -> list[tuple[float, float]]:
    """Returns places in pixels that keep apart: each is the best of a few random ones."""
    homes: list[tuple[float, float]] = []
    for _ in range(count):
        candidates = [(rng.uniform(0.1, 0.9) * width, rng.uniform(0.1, 0.9) * height) for _ in range(8)]
        homes.append(max(candidates, key=lambda place: min((math.dist(place, home) for home in homes), default=0)))
    return homes


def _shape(rng: np.random.Generator, width: int, height: int, home: tuple[float, float]) -> _Shape:
    corners = int(rng.integers(3, 7))
    turns = np.arange(2 * corners) * math.pi / corners
    radii = np.where(np.arange(2 * corners) % 2, rng.uniform(0.45, 0.9), 1.0)
    stretch = rng.uniform(0.6, 1.0)
    outline = np.stack([radii * np.cos(turns), stretch * radii * np.sin(turns)], axis=1)
    bright, dark = rng.integers(215, 256, 3), rng.integers(0, 35, 3)
    bright[rng.integers(3)] = rng.integers(120, 256)
    dark[rng.integers(3)] = rng.integers(0, 130)
    if rng.random() < 0.5:
        bright, dark = dark, bright
    short = min(width, height)
    return _Shape(
        outline=outline,
        colour=(int(bright[0]), int(bright[1]), int(bright[2])),
        mark=(int(dark[0]), int(dark[1]), int(dark[2])),
        home=home,
        radius=rng.uniform(0.11, 0.17) * short,
        angle=rng.uniform(0, 2 * math.pi),
        phase=rng.uniform(0, 10),
        mirror=1 if rng.random() < 0.5 else -1,
    )


def _draw(image: np.ndarray, shape: _Shape, pose: Pose) -> None:
    """Draws one shape; those that leave the frame come in again on the other side."""
    height, width = image.shape[:2]
    short = min(width, height)
    radius = shape.radius * pose.scale
    angle = shape.angle + shape.mirror * pose.angle
    # A margin on all sides lets a shape leave wholly before it comes back.
    margin = 2 * shape.radius
    x = (shape.home[0] + shape.mirror * pose.x * short + margin) % (width + 2 * margin) - margin
    y = (shape.home[1] + pose.y * short + margin) % (height + 2 * margin) - margin
    turn = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    outline = shape.outline @ turn * radius + (x, y)
    half = outline[: len(outline) // 2 + 1]
    # Corners in sixteenths of a pixel: slow motion stays smooth.
    cv2.fillPoly(image, [np.round(outline * 16).astype(np.int32)], shape.colour, cv2.LINE_AA, 4)
    cv2.fillPoly(image, [np.round(half * 16).astype(np.int32)], shape.mark, cv2.LINE_AA, 4)
