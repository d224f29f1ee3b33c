"""Which rows a store has an intact file for: an empty or cut-off file is no clip."""

from __future__ import annotations

import dataclasses
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence

from kinetics_tfds.acquire.ledger.ledger import read_ledger
from kinetics_tfds.acquire.siblings import Siblings, others_of
from kinetics_tfds.acquire.store.clip_store import ClipStore
from kinetics_tfds.annotations.clip import Clip
from kinetics_tfds.annotations.versions import KineticsVersion
from kinetics_tfds.clips.match import match_clips
from kinetics_tfds.clips.media import MediaFile
from kinetics_tfds.decode.pool import DecodePool
from kinetics_tfds.decode.types import DecodedClip, DecodeRequest, DecodeSettings

# Every frame is decoded; the pictures themselves are thrown away, so they may be tiny.
_CHECK = DecodeSettings(short_side=16, fps=None, quality=1)


def intact_clips(
    clips: Sequence[Clip], store: ClipStore, version: KineticsVersion, siblings: Siblings, check: bool = False
) -> dict[Clip, MediaFile]:
    """Returns the rows that a store has an intact file for, with the file.

    A file of the size that the ledger knows was decoded before it was stored. One of another size is decoded now. Of
    files that the ledger does not know only the size is looked at: an empty one does not count.

    Args:
        clips: the rows.
        store: the store.
        version: of Kinetics.
        siblings: as `find_siblings` gives them for all rows of the version.
        check: decode every file.
    """
    wanted = frozenset(clips)
    listing = store.listing()
    sizes = store.sizes(listing.media)
    listing = dataclasses.replace(listing, media=tuple(path for path in listing.media if sizes[path]))
    matched = match_clips((*clips, *others_of(wanted, siblings)), listing, version).found
    found = {clip: file for clip, file in matched.items() if clip in wanted}
    known: dict[str, bool] = {}  # paths in the ledger, and whether any attempt stored a file of this size there
    for attempt in read_ledger(store):
        if attempt.path in sizes:
            known[attempt.path] = known.get(attempt.path, False) or attempt.bytes == sizes[attempt.path]
    doubtful = {clip: file for clip, file in found.items() if check or not known.get(file.path, True)}
    damaged = set(_damaged(store, doubtful)) if doubtful else set()
    return {clip: file for clip, file in found.items() if clip.key not in damaged}


def _damaged(store: ClipStore, files: Mapping[Clip, MediaFile]) -> Iterator[str]:
    """Yields the keys of clips whose files do not decode."""
    with tempfile.TemporaryDirectory(prefix="kinetics-check-") as folder, DecodePool(_CHECK) as pool:
        requests = (
            DecodeRequest(clip.key, store.local_path(file.path, folder), file.span, clip.time_start, clip.time_end)
            for clip, file in files.items()
        )
        for request, decoded in pool.decode(requests):
            if not store.is_local:
                os.unlink(request.path)
            if not isinstance(decoded, DecodedClip):
                yield request.key
