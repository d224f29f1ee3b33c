"""`ClipDataset`: what one rank reads, in order, as a map-style dataset."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch.utils.data  # pyright: ignore[reportMissingImports]

from kinetics_tfds.annotations.clip import UNLABELLED
from kinetics_tfds.errors import ConfigError, LoaderError
from kinetics_tfds.loader.presets import Preset, get_preset
from kinetics_tfds.loader.random_access.order import EpochOrder
from kinetics_tfds.loader.random_access.source import ClipSource
from kinetics_tfds.loader.random_access.views import ViewReader
from kinetics_tfds.loader.recipe import Recipe


class ClipDataset(torch.utils.data.Dataset):
    """The clips of one rank, in the order in which it takes them.

    Item 0 is the first clip of the first epoch, and so on through all epochs: the order is shuffled here, anew in each
    epoch, and dealt to the ranks. A data loader must therefore read it in order (`shuffle=False`, no
    `DistributedSampler`); so it is resumed by a number, and workers need no word of the epoch. In evaluation every clip
    of the split comes once on one rank; ranks with fewer clips end with items whose `mask` is False.

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
            encoded: items hold `views`, a list of `EncodedView`, in the place of `video`: for decoding on a device.

        Raises:
            LoaderError: the folder holds no dataset that this project built.
            ConfigError: a choice is out of range or contradicts another.
        """
        self.training = split.split("[")[0].strip() == "train" if training is None else training
        if (preset is None) == (recipe is None):
            raise ConfigError(
                "A ClipDataset needs either a preset or a recipe.",
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
        self.order = EpochOrder(len(source), seed, self.training, epochs if self.training else 1, shard)

    @property
    def recipe(self) -> Recipe:
        """What happens to the clips."""
        return self.reader.recipe

    def __len__(self) -> int:
        """Returns how many clips this rank reads: the same number on all ranks."""
        clips, count = self.order.clips, self.order.shard[1]
        return clips // count * self.order.epochs if self.training else -(-clips // count)

    def __getitem__(self, place: int) -> dict[str, Any]:
        """Returns the clip at a place of this rank's order.

        Returns:
            `video` uint8 [V * C, T, H, W, 3] of NumPy: views times crops; `label` int, -1: unlabelled; `id` str;
            `mask` False for padding; `seed` int64 [2].

        Raises:
            LoaderError: the clip is damaged.
        """
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
        return {
            "video": np.zeros(shape, np.uint8),
            "label": UNLABELLED,
            "id": "",
            "seed": np.zeros(2, np.int64),
            "mask": False,
        }

    @property
    def fingerprint(self) -> dict[str, str]:
        """What a saved state belongs to: it is no use to another pipeline."""
        index, order = self.reader.source.index, self.order
        return {
            "dataset": index.name,
            "clips": hashlib.sha256(index.id.tobytes()).hexdigest()[:16],
            "recipe": repr(dataclasses.replace(self.recipe, mix=None)),
            "seed": str(order.seed),
            "shard": str(order.shard),
        }

    def state_dict(self) -> dict[str, Any]:
        """Returns what a state must be restored into; the place is the data loader's."""
        return dict(self.fingerprint)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Checks that a state is of this very pipeline.

        Raises:
            LoaderError: it is of another one; names what differs.
        """
        own = self.fingerprint
        different = [name for name in own if state.get(name) != own[name]]
        if different:
            name = different[0]
            raise LoaderError(
                f"The saved state is of another pipeline: its {name} is {state.get(name)!r}, here it is {own[name]!r}.",
                "Make the data loader with the arguments it was saved with, or start anew.",
            )
