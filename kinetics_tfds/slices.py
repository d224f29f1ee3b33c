"""The one rule by which clips go to shards, and records to exported shards."""

from __future__ import annotations


def even_slice(length: int, index: int, count: int) -> range:
    """Returns the positions of part `index` when `length` items are cut into `count` runs that differ by one at most.

    >>> [even_slice(10, index, 4) for index in range(4)]
    [range(0, 2), range(2, 5), range(5, 7), range(7, 10)]
    """
    return range(length * index // count, length * (index + 1) // count)
