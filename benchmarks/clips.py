"""Clips for the benchmarks: as large, as rich and as hard to decode as real ones of Kinetics.

A real 340x256 clip takes 1.0 to 1.4 MB as H.264 and 20 KB a frame as JPEG of quality 90; so do these.
"""

from __future__ import annotations

import csv
import os
import pathlib
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor

import cv2
import numpy as np

from kinetics_tfds.sample.render import write_video

WIDTH, HEIGHT, FPS, SECONDS = 340, 256, 30, 10
LABELS = ("abseiling", "yawning", "zumba")
_DISTINCT = 8  # files drawn; the others are links to them


def draw_frames(seed: int) -> Iterator[np.ndarray]:
    """Yields the frames of one clip: a textured scene under a moving, zooming camera, with grain."""
    rng = np.random.default_rng(seed)
    scene = np.full((2 * HEIGHT, 2 * WIDTH, 3), 110.0)
    for cells, strength in ((4, 40), (16, 28), (64, 22), (200, 26)):
        coarse = rng.uniform(-strength, strength, (cells, cells, 3))
        scene += cv2.resize(coarse, (2 * WIDTH, 2 * HEIGHT), interpolation=cv2.INTER_CUBIC)
    scene = np.clip(scene, 0, 255).astype(np.uint8)
    grain = rng.integers(-3, 4, (8, HEIGHT, WIDTH, 1)).astype(np.int16)
    phases = rng.uniform(0, 6.3, 4)
    for index in range(FPS * SECONDS):
        time = index / FPS
        zoom = 1.15 + 0.12 * np.sin(0.9 * time + phases[0])
        turn = 0.12 * np.sin(0.7 * time + phases[1])
        camera = cv2.getRotationMatrix2D((WIDTH, HEIGHT), np.degrees(turn), zoom)
        camera[:, 2] += (
            50 * np.sin(1.1 * time + phases[2]) - WIDTH / 2,
            40 * np.sin(0.8 * time + phases[3]) - HEIGHT / 2,
        )
        image = cv2.warpAffine(scene, camera, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
        for who in range(3):
            place = (int(170 + 120 * np.sin(time * (who + 1) + who)), int(128 + 80 * np.cos(time * 1.3 + 2 * who)))
            cv2.ellipse(image, place, (26, 44), 60 * time * (who + 1), 0, 360, (200 - 60 * who, 90 + 50 * who, 60), -1)
        yield np.clip(image + grain[index % len(grain)], 0, 255).astype(np.uint8)


def make_clips(folder: pathlib.Path, count: int) -> list[pathlib.Path]:
    """Makes a folder of clips with its list, as a user would have it; what is there already is kept.

    Args:
        folder: where `train/` and the list go.
        count: clips of the train split.

    Returns:
        The clips' paths.
    """
    drawn = folder.parent / "drawn"
    drawn.mkdir(parents=True, exist_ok=True)
    wanted = [drawn / f"{seed}.mp4" for seed in range(_DISTINCT)]
    with ProcessPoolExecutor() as pool:
        list(pool.map(_draw, [path for path in wanted if not path.exists()]))
    (folder / "train").mkdir(parents=True, exist_ok=True)
    rows, paths = [], []
    for number in range(count):
        video = f"bench{number:06d}"
        path = folder / "train" / f"{video}_000000_{SECONDS:06d}.mp4"
        if not path.exists():
            os.link(wanted[number % _DISTINCT], path)
        paths.append(path)
        rows.append([LABELS[number % len(LABELS)], video, 0, SECONDS, "train"])
    with (folder / "kinetics-600_train.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["label", "youtube_id", "time_start", "time_end", "split"], *rows])
    return paths


def _draw(path: pathlib.Path) -> None:
    write_video(path, draw_frames(int(path.stem)), FPS, options={"preset": "veryfast", "crf": "16"})
