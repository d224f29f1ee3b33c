"""Many hosts: each reads an even, contiguous part of an epoch's order. Parts differ by one record at most."""

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


def part(records: int, index: int, count: int) -> range:
    """Returns which places of an order of `records` host `index` of `count` reads.

    >>> [part(10, index, 4) for index in range(4)]
    [range(0, 2), range(2, 5), range(5, 7), range(7, 10)]
    """
    return range(records * index // count, records * (index + 1) // count)
