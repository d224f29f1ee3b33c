"""Which clip comes when: the orders of TensorFlow's pipeline, by place."""

from __future__ import annotations

import dataclasses

import numpy as np

from kinetics_tfds.errors import ConfigError
from kinetics_tfds.loader.randomness import shuffled


@dataclasses.dataclass(frozen=True)
class EpochOrder:
    """The clips that one host reads, in order: a sequence of (position, epoch).

    Each epoch's order is a permutation of the whole split. Host h of n takes the places h, h + n, h + 2n, … of the
    epochs' orders laid end to end; rounds that are not whole are left out where clips are shuffled.

    Attributes:
        clips: how many the split has.
        seed: 0 to 2**31 - 1.
        shuffle: a new permutation in each epoch; otherwise the split's own order, once.
        epochs: passes over the split.
        shard: index of this host and number of hosts.
        start: the place to begin at, counted over all hosts: to go on with another number of hosts.
    """

    clips: int
    seed: int = 0
    shuffle: bool = True
    epochs: int = 1
    shard: tuple[int, int] = (0, 1)
    start: int = 0

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
        if not 0 <= self.start <= self.clips * self.epochs:
            raise ConfigError(
                f"start is {self.start}, but {self.epochs} epochs of {self.clips} clips end before.",
                "Give the clips read so far by all hosts: steps times the clips in a batch of all of them.",
            )

    def __len__(self) -> int:
        index, count = self.shard
        left = self.clips * self.epochs - self.start
        return left // count if self.shuffle else len(range(index, left, count))

    def __getitem__(self, place: int) -> tuple[int, int]:
        """Returns (position of the clip in its source, epoch)."""
        if not 0 <= place < len(self):
            raise IndexError(f"place {place} of {len(self)}")
        index, count = self.shard
        epoch, inside = divmod(self.start + place * count + index, self.clips)
        if not self.shuffle:
            return inside, epoch
        return int(shuffled(np.int64(inside), self.clips, self.seed, np.int64(epoch))), epoch
