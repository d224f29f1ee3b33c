"""Which clip comes when: the orders of TensorFlow's pipeline, by place."""

from __future__ import annotations

import dataclasses

import numpy as np

from kinetics_tfds.errors import ConfigError
from kinetics_tfds.loader.randomness import shuffled
from kinetics_tfds.slices import even_slice


@dataclasses.dataclass(frozen=True)
class EpochOrder:
    """The clips that one host reads, in order: a sequence of (position, epoch).

    Each epoch's order is a permutation of the whole split, of which every host takes an even, contiguous part.

    Attributes:
        clips: how many the split has.
        seed: 0 to 2**31 - 1.
        shuffle: a new permutation in each epoch; otherwise the split's own order.
        epochs: passes over the split.
        shard: index of this host and number of hosts.
    """

    clips: int
    seed: int = 0
    shuffle: bool = True
    epochs: int = 1
    shard: tuple[int, int] = (0, 1)

    def __post_init__(self) -> None:
        index, count = self.shard
        if not 0 <= index < count:
            raise ConfigError(
                f"shard is {self.shard!r}.", "Give (rank, world size), such as those of torch.distributed."
            )
        if not 0 <= self.seed < 2**31:
            raise ConfigError(f"seed is {self.seed}.", "Choose 0 to 2**31 - 1.")
        if self.epochs < 1:
            raise ConfigError(f"epochs is {self.epochs}.", "Choose 1 or more.")

    @property
    def _mine(self) -> range:
        return even_slice(self.clips, *self.shard)

    def __len__(self) -> int:
        return len(self._mine) * self.epochs

    def __getitem__(self, place: int) -> tuple[int, int]:
        """Returns (position of the clip in its source, epoch)."""
        if not 0 <= place < len(self):
            raise IndexError(f"place {place} of {len(self)}")
        epoch, inside = divmod(place, len(self._mine))
        if not self.shuffle:
            return self._mine[inside], epoch
        return int(shuffled(np.int64(self._mine[inside]), self.clips, self.seed, np.int64(epoch))), epoch
