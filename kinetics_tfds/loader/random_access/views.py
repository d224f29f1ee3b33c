"""From a clip of a `ClipSource` to the pixels of its views: the same frames and windows as in TensorFlow's pipeline.

Every random choice is the same function of (seed, epoch, clip id); pixels differ by a level or two, since libjpeg-turbo
and OpenCV round otherwise than TensorFlow's operations.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import cv2
import numpy as np

from kinetics_tfds.errors import LoaderError
from kinetics_tfds.jpeg import jpeg_size
from kinetics_tfds.loader.random_access.pixels import decode_windows
from kinetics_tfds.loader.random_access.source import Clip, ClipSource
from kinetics_tfds.loader.randomness import example_seed, stage_seeds
from kinetics_tfds.loader.recipe import Recipe


@dataclasses.dataclass(frozen=True)
class EncodedView:
    """One view of a clip, chosen and still encoded: what a decoder on an accelerator is handed.

    Attributes:
        images: U distinct JPEG frames.
        index: int32 [T], which of them make up the view, in order.
        boxes: int32 [C, 4]: the windows: top, left, height, width in pixels.
        flip: mirror left and right.
        size: height and width of the frames in pixels.
    """

    images: list[bytes]
    index: np.ndarray
    boxes: np.ndarray
    flip: bool
    size: tuple[int, int]


class ViewReader:
    """Reads the views of clips, as a recipe says.

    Attributes:
        source: the clips.
        recipe: which frames, which windows, which changes; `mix` is for batches.
        training: whether clips are augmented.
    """

    def __init__(self, source: ClipSource, recipe: Recipe, *, seed: int, training: bool) -> None:
        self.source = source
        self.recipe = recipe
        self.training = training
        self._seed = seed

    @property
    def views(self) -> int:
        """Views times crops of one clip."""
        return self.recipe.sampling.views * self.recipe.spatial.crops

    def encoded(self, position: int, epoch: int = 0) -> tuple[Clip, list[EncodedView]]:
        """Returns a clip and its views, still encoded.

        Args:
            position: of the clip in the source.
            epoch: 0 to 2**31 - 1.

        Raises:
            LoaderError: the clip is damaged.
        """
        clip, sampling, spatial = self.source[position], self.recipe.sampling, self.recipe.spatial
        seeds = stage_seeds(self.example_seed(clip, epoch), 1 + sampling.views)
        index = sampling.indices(np.int32(clip.num_frames), clip.timestamps, seeds[0])
        used, place = np.unique(index, return_inverse=True)
        place = place.reshape(index.shape)
        images = clip.read(used.tolist())
        width, height = jpeg_size(images[0])
        views = []
        for view in range(sampling.views):
            # Views of an evaluation share their windows, and so the first seed.
            windows = spatial.windows(np.int32(height), np.int32(width), seeds[1 + view if spatial.random else 1])
            kept, own = np.unique(place[view], return_inverse=True)
            frames = [images[frame] for frame in kept]
            views.append(EncodedView(frames, own.astype(np.int32), windows.boxes, bool(windows.flip), (height, width)))
        return clip, views

    def read(self, position: int, epoch: int = 0) -> dict[str, Any]:
        """Returns a clip's pixels and what describes it.

        Args:
            position: of the clip in the source.
            epoch: 0 to 2**31 - 1.

        Returns:
            `video` uint8 [V * C, T, H, W, 3], the crops of one view side by side; `label` int; `id` str; `seed` int64
            [2], for what is drawn for a whole batch.

        Raises:
            LoaderError: the clip is damaged.
        """
        cv2.setNumThreads(0)  # clips are the unit of parallel work
        clip, encoded = self.encoded(position, epoch)
        crops = []
        for view in encoded:
            try:
                windows = decode_windows(view.images, view.boxes, view.flip, self.recipe.spatial.output_size, view.size)
            except ValueError as error:
                raise LoaderError(
                    f"Clip {clip.id} of {self.source.index.name} has a frame that cannot be decoded: {error}.",
                    "Check the dataset with `kinetics verify`.",
                ) from error
            same = len(view.index) == len(view.images) and (np.diff(view.index) > 0).all()
            crops.append(windows if same else windows[:, view.index])
        seed = self.example_seed(clip, epoch)
        video = self._augmented(np.concatenate(crops) if len(crops) > 1 else crops[0], seed)
        return {"video": video, "label": clip.label, "id": clip.id, "seed": seed}

    def example_seed(self, clip: Clip, epoch: int) -> np.ndarray:
        """Returns int64 [2]."""
        return example_seed(self._seed, np.int64(epoch), clip.id.encode())

    def _augmented(self, views: np.ndarray, seed: np.ndarray) -> np.ndarray:
        stages = self.recipe.augment if self.training else ()
        if not stages:
            return views
        first = 1 + self.recipe.sampling.views  # after the seeds of sampling and of the views' windows
        seeds = iter(stage_seeds(seed, first + len(views) * len(stages))[first:])
        clips = list(views)
        for stage in stages:
            clips = [np.asarray(stage(clip, next(seeds))) for clip in clips]
        return np.stack(clips)
