"""Clips that a killed process had finished and recorded, but not made visible yet.

The ledger's record comes first, so that no clip is without its origin. A process that is killed between the two leaves
the finished clip in its scratch folder; the size and hash in its record tell it from half-done files.
"""

from __future__ import annotations

from kinetics_tfds.acquire.ledger.ledger_files import read_ledger
from kinetics_tfds.acquire.store.clip_store import ClipStore, file_digest


def reclaim(store: ClipStore) -> int:
    """Makes such clips visible, before scratch folders of dead processes are removed; returns how many there were."""
    sizes = {size for path in store.abandoned_files() if (size := path.stat().st_size)}
    if not sizes:
        return 0
    visible = set(store.listing().media)
    lacking: dict[tuple[str | None, int | None], set[str]] = {}
    for attempt in read_ledger(store):
        if attempt.path is not None and attempt.bytes in sizes and attempt.path not in visible:
            lacking.setdefault((attempt.sha256, attempt.bytes), set()).add(attempt.path)
    reclaimed = 0
    for path in store.abandoned_files():
        if paths := lacking.get(file_digest(path)):
            store.publish(path, paths.pop())
            reclaimed += 1
    return reclaimed
