"""Clips that a killed process had finished and written down, but not made visible yet.

The ledger's record comes first, so that no clip is without its origin. A process that is killed between the two leaves
the finished clip in its scratch folder; it is told from half-done files by the size and hash in its record.
"""

from __future__ import annotations

from kinetics_tfds.acquire.ledger.records import read_ledger
from kinetics_tfds.acquire.store.clip_store import Store, file_digest


def recover(store: Store) -> int:
    """Makes such clips visible, before scratch folders of dead processes are removed; returns how many there were."""
    if next(store.left_behind(), None) is None:
        return 0
    recorded = _recorded(store, {path.stat().st_size for path in store.left_behind()})
    there = set(store.listing().media)
    recovered = 0
    for path in store.left_behind():
        relative = recorded.get(file_digest(path)) if recorded else None
        if relative is not None and relative not in there:
            store.publish(path, relative)
            there.add(relative)
            recovered += 1
    return recovered


def _recorded(store: Store, sizes: set[int]) -> dict[tuple[str, int], str]:
    """Returns the paths of stored clips of these sizes, by hash and size."""
    return {
        (record.sha256, record.bytes): record.path
        for record in read_ledger(store)
        if record.path is not None and record.sha256 is not None and record.bytes in sizes
    }
