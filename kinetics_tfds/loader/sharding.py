"""Many hosts: each reads an even, contiguous part of an epoch's order (`slices.even_slice`)."""

from __future__ import annotations

from kinetics_tfds.errors import ConfigError


def check_shard(shard: tuple[int, int]) -> tuple[int, int]:
    """Returns (index, count).

    Raises:
        ConfigError: not a host's index and the number of hosts.
    """
    index, count = shard
    if not 0 <= index < count:
        raise ConfigError(
            f"shard is {shard!r}.",
            "Give (index of this host, number of hosts), such as (jax.process_index(), jax.process_count()).",
        )
    return index, count
