"""Draws the README's pictures from the made-up sample: `python docs/pictures/make.py` (needs `make test-browser` once).

way.png is a clip's way from annotation row to batch, page.png the page of `kinetics browse` on the sample.
"""

from __future__ import annotations

import pathlib
import shutil
import subprocess
import sys
import tempfile

import matplotlib.patches
import numpy as np
import tensorflow_datasets as tfds
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

import kinetics_tfds  # noqa: F401  registers the datasets
from kinetics_tfds import loader

HERE = pathlib.Path(__file__).parent
FRAMES = 8
STAGES = ("annotation row", "media file", "frames, JPEG", "record in a shard", "batch")


def build_sample(data_dir: str) -> tfds.core.DatasetBuilder:
    """Builds the sample, and returns its builder."""
    builder = tfds.builder("kinetics600/sample", data_dir=data_dir)
    builder.download_and_prepare()
    return builder


def draw_way(builder: tfds.core.DatasetBuilder, path: pathlib.Path) -> None:
    """Draws what one clip of the sample is at each stage."""
    record = next(iter(builder.as_dataset(split="train", shuffle_files=False).take(1)))
    frames = record["video"].numpy()[:: max(1, len(record["video"]) // FRAMES)][:FRAMES]
    batches = loader.make_dataset(
        builder,
        split="train",
        sampling=loader.RandomClip(num_frames=4, stride=4),
        spatial=loader.RandomResizedCrop(112),
        batch_size=4,
        seed=0,
    )
    batch = next(iter(batches.take(1)))["video"].numpy()
    label = builder.info.features["label"].int2str(int(record["label"]))
    figure = Figure(figsize=(12, 4.6), layout="constrained")
    top, bottom = figure.subfigures(2, 1, height_ratios=(1, 2.6))
    video, start, end = (record[name].numpy() for name in ("youtube_id", "time_start", "time_end"))
    _draw_stages(top.add_subplot(), f"{label},{video.decode()},{start:g},{end:g},train")
    left, right = bottom.subfigures(1, 2)
    stored = f"stored: {len(record['video'])} frames at {record['fps']:g} a second"
    _draw_images(left, list(frames), stored, columns=4)
    _draw_images(
        right,
        [image for clip in batch for image in clip][:16],
        "a batch: frames and windows chosen before decoding",
        columns=8,
    )
    figure.savefig(path, dpi=90)


def _draw_stages(axes: Axes, row: str) -> None:
    axes.set(xlim=(0, len(STAGES)), ylim=(-0.9, 0.8))
    axes.axis("off")
    for place, stage in enumerate(STAGES):
        style = {"boxstyle": "round,pad=0.04", "color": "#d7efe6"}
        axes.add_patch(matplotlib.patches.FancyBboxPatch((place + 0.12, -0.25), 0.72, 0.6, **style))
        axes.text(place + 0.48, 0.05, stage, ha="center", va="center", fontsize=12)
        if place:
            axes.annotate("", (place + 0.08, 0.05), (place - 0.1, 0.05), arrowprops={"arrowstyle": "-|>", "lw": 1.6})
    axes.text(0.1, -0.75, row, family="monospace", fontsize=9)


def _draw_images(figure: matplotlib.figure.SubFigure, images: list[np.ndarray], title: str, columns: int) -> None:
    figure.suptitle(title, fontsize=11)
    for axes, image in zip(figure.subplots(len(images) // columns, columns).flat, images, strict=True):
        axes.imshow(image)
        axes.axis("off")


def photograph_page(builder: tfds.core.DatasetBuilder, path: pathlib.Path) -> None:
    """Photographs the page of `kinetics browse` on a dataset."""
    from playwright.sync_api import sync_playwright

    program = [sys.executable, "-m", "kinetics_tfds.cli.main", "browse", str(builder.data_path), "--no_open"]
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen(program, cwd=folder, stdout=subprocess.PIPE, text=True) as server,
        sync_playwright() as driver,
    ):
        assert server.stdout is not None
        address = server.stdout.readline().split()[-1]
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1180, "height": 720})
        page.goto(f"{address}?state=written")
        page.wait_for_selector("html[data-ready=true]")
        page.wait_for_timeout(3000)  # previews are drawn as they come into view
        page.screenshot(path=path)
        browser.close()
        server.terminate()


def _shrink(path: pathlib.Path) -> None:
    """Stores a picture with 64 colours: a third of its size, and nobody sees it."""
    with Image.open(path) as image:
        image.convert("RGB").quantize(64, dither=Image.Dither.NONE).save(path, optimize=True)


def main() -> None:
    """Draws both pictures."""
    with tempfile.TemporaryDirectory() as data_dir:
        builder = build_sample(data_dir)
        draw_way(builder, HERE / "way.png")
        photograph_page(builder, HERE / "page.png")
    for name in ("way.png", "page.png"):
        _shrink(HERE / name)


if __name__ == "__main__":
    main()
