"""What a store remembers of its last run, for reports: its sources, and how often they are tried."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence

from kinetics_tfds.acquire.config import RetrySettings
from kinetics_tfds.acquire.run.schedule import RetryRules
from kinetics_tfds.acquire.store.clip_store import ClipStore

_NAME = "settings.json"


def save_settings(store: ClipStore, sources: Sequence[str], retry: RetrySettings) -> None:
    """Writes the names of the config's sources, in order, and its retries."""
    store.write_hidden(_NAME, json.dumps({"sources": [*sources], "retry": dataclasses.asdict(retry)}).encode())


def load_settings(store: ClipStore) -> tuple[list[str], RetryRules]:
    """Returns what `save_settings` wrote; no sources and the defaults where nothing was."""
    try:
        values = json.loads(b"".join(store.read_lines(_NAME)))
        return values["sources"], RetryRules(RetrySettings(**values["retry"]))
    except (OSError, ValueError, TypeError, KeyError):
        return [], RetryRules(RetrySettings())
