"""`ClipsInOrder`: what one process of many reads, place by place; PyTorch and Grain load it in workers of their own."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from kinetics_tfds.annotations.clip import UNLABELLED
from kinetics_tfds.errors import ConfigError
from kinetics_tfds.loader.presets import Preset, get_preset
from kinetics_tfds.loader.random_access.order import EpochOrder
from kinetics_tfds.loader.random_access.source import ClipSource
from kinetics_tfds.loader.random_access.views import ViewReader
from kinetics_tfds.loader.randomness import batch_seed
from kinetics_tfds.loader.recipe import Mix, Recipe


class ClipsInOrder:
    """The clips of one rank, in the order in which it takes them.

    Item 0 is the first clip of the first epoch, and so on through all epochs: the order is shuffled here, anew in each
    epoch, and dealt to the ranks. So a place in the data is a number, and workers need no word of the epoch. In
    evaluation every clip of the split comes once on one rank; ranks with fewer clips end with items whose `mask` is
    False.

    Attributes:
        reader: reads the clips.
        training: shuffled, augmented and repeated; or each clip once.
        order: the clips of this rank.
        encoded: whether items hold encoded views.
    """

    def __init__(
        self,
        dataset: Any,
        split: str,
        *,
        preset: str | Preset | None = None,
        recipe: Recipe | None = None,
        training: bool | None = None,
        seed: int = 0,
        epochs: int = 1,
        shard: tuple[int, int] = (0, 1),
        classes: Iterable[str | int] | None = None,
        start: int = 0,
        encoded: bool = False,
    ) -> None:
        """Opens a split.

        Args:
            dataset: the folder of a prepared dataset, as a path or URL; or a TFDS builder of one.
            split: a split's name, or a part of it in TFDS's notation.
            preset: a preset's name, its YAML file or itself.
            recipe: instead of a preset's.
            training: None: whether the split is `train`.
            seed: 0 to 2**31 - 1.
            epochs: passes over the split in training.
            shard: (rank, world size).
            classes: names or indices of the classes to keep.
            start: in training, how many clips all ranks together have read already: goes on with another number of
                ranks, where a state of the data loader does not fit.
            encoded: items hold `views`, a list of `EncodedView`, in the place of `video`: for decoding on a device.

        Raises:
            LoaderError: the folder holds no dataset that this project built.
            ConfigError: a choice is out of range or contradicts another.
        """
        self.training = split.split("[")[0].strip() == "train" if training is None else training
        if (preset is None) == (recipe is None):
            raise ConfigError(
                "Clips are loaded by either a preset or a recipe.",
                "Pass preset='slowfast_8x8', or recipe=Recipe(sampling=RandomClip(32, 2), "
                "spatial=RandomResizedCrop(224)).",
            )
        if preset is not None:
            found = get_preset(preset)
            recipe = found.train if self.training else found.evaluate
        assert recipe is not None
        source = ClipSource(dataset, split, classes=classes)
        self.reader = ViewReader(source, recipe, seed=seed, training=self.training)
        self.encoded = encoded
        self.order = EpochOrder(len(source), seed, self.training, epochs if self.training else 1, shard, start)

    @property
    def recipe(self) -> Recipe:
        """What happens to the clips."""
        return self.reader.recipe

    def __len__(self) -> int:
        """Returns how many clips this rank reads: the same number on all ranks."""
        return len(self.order) if self.training else -(-self.order.clips // self.order.shard[1])

    def __getitem__(self, place: int) -> dict[str, Any]:
        """Returns the clip at a place of this rank's order.

        Returns:
            `video` uint8 [V * C, T, H, W, 3]: views times crops; `label` int, -1: unlabelled; `id` str; `mask` False
            for padding.

        Raises:
            LoaderError: the clip is damaged.
        """
        place = int(place)
        if not 0 <= place < len(self):
            raise IndexError(f"place {place} of {len(self)}")
        if place >= len(self.order):
            return self.padding()
        if self.encoded:
            clip, views = self.reader.encoded(*self.order[place])
            return {"views": views, "label": clip.label, "id": clip.id, "mask": True}
        return {**self.reader.read(*self.order[place]), "mask": True}

    def padding(self) -> dict[str, Any]:
        """Returns an item that stands for no clip."""
        recipe = self.recipe
        shape = (self.reader.views, recipe.sampling.num_frames, *recipe.spatial.output_size, 3)
        return {"video": np.zeros(shape, np.uint8), "label": UNLABELLED, "id": "", "mask": False}

    def items_per_batch(self, batch_size: int) -> int:
        """Returns how many clips fill a batch: in training each view is a row of its own.

        Raises:
            ConfigError: the rows of a clip do not divide the batch, or this rank's clips do not fill one.
        """
        rows = self.reader.views if self.training else 1
        if batch_size < 1 or batch_size % rows:
            raise ConfigError(
                f"batch_size is {batch_size}, but each video gives {rows} rows.", f"Choose a multiple of {rows}."
            )
        if self.training and len(self) < batch_size // rows:
            raise ConfigError(
                f"{len(self)} clips of this rank do not fill a batch of {batch_size} rows.",
                "Choose a smaller batch_size or more epochs.",
            )
        return batch_size // rows

    @property
    def mixing(self) -> dict[str, Any]:
        """What `rows_of` has to know to mix batches."""
        mix = self.recipe.mix if self.training and not self.encoded else None
        return {"mix": mix, "num_classes": len(self.reader.source.class_names)}

    @functools.cached_property
    def fingerprint(self) -> dict[str, str]:
        """What a saved state belongs to: it is no use to another pipeline."""
        index, order = self.reader.source.index, self.order
        return {
            "dataset": index.name,
            "clips": hashlib.sha256(index.id.tobytes()).hexdigest()[:16],
            "recipe": repr(self.recipe),
            "seed": str(order.seed),
            "shard": str(order.shard),
            "start": str(order.start),
        }


def rows_of(
    items: Sequence[dict[str, Any]],
    *,
    training: bool,
    size: int | None = None,
    mix: Mix | None = None,
    num_classes: int = 0,
    empty: Callable[[tuple[int, ...]], np.ndarray] | None = None,
) -> dict[str, Any]:
    """Returns the rows of a batch.

    Args:
        items: of `ClipsInOrder`.
        training: views become rows; otherwise a row is a video with its views.
        size: rows, to be filled up with padding; None: as many as there are.
        mix: mixes the batch, which makes labels soft.
        num_classes: their width.
        empty: makes the array that `video` is put together in, uint8 of a shape; None: NumPy.

    Returns:
        `video` uint8 [B, T, H, W, 3] or [B, V, T, H, W, 3], or `views`, lists of `EncodedView`; `label` int64 [B], or
        float32 [B, num_classes] after mixing; `id`, a list of B; `mask` bool [B].
    """
    missing = 0 if size is None else size - len(items)
    if "views" in items[0]:
        pixels: dict[str, Any] = {"views": [view for item in items for view in item["views"]]}
        repeats = len(pixels["views"]) // len(items)
    else:
        videos = [item["video"] for item in items]
        views, *shape = videos[0].shape
        whole = (size or len(items), views, *shape)
        video = np.empty(whole, np.uint8) if empty is None else empty(whole)
        for row, clip in enumerate(videos):
            video[row] = clip
        video[len(videos) :] = 0
        pixels = {"video": video.reshape(-1, *shape) if training else video}
        repeats = views if training else 1
    ids = [item["id"] for item in items] + [""] * missing
    rows = {
        **pixels,
        "label": np.repeat([item["label"] for item in items] + [UNLABELLED] * missing, repeats),
        "id": [key for key in ids for _ in range(repeats)],
        "mask": np.repeat([item["mask"] for item in items] + [False] * missing, repeats),
    }
    return rows if mix is None else mix(rows, batch_seed(np.stack([item["seed"] for item in items])), num_classes)
