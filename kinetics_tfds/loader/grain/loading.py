"""`make_dataset`: batches as a `grain.MapDataset`."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import grain
import numpy as np

from kinetics_tfds.loader.random_access.clips_in_order import ClipsInOrder, rows_of


def make_dataset(dataset: Any, split: str, *, batch_size: int, **choices: Any) -> grain.MapDataset:
    """Returns batches of clips, as `loader.make_dataset` gives them to TensorFlow.

    In training a batch is `{"video": uint8 [B, T, H, W, 3], "label": int32 [B], "id": bytes [B], "mask": bool [B]}` of
    NumPy; in evaluation `video` is [B, V, T, H, W, 3], and rows that only fill up have `mask` False, `label` -1 and an
    empty `id`. All processes get the same number of batches. Grain brings threads (`to_iter_dataset`), processes
    (`mp_prefetch`) and iterators whose state can be saved at any step.

    Args:
        dataset: the folder of a prepared dataset, as a path or URL; or a TFDS builder of one.
        split: a split's name, or a part of it in TFDS's notation.
        batch_size: rows of this process, B. Views drawn from one video (`RandomClip(clips=…)`) are rows of their own
            in training, and must divide it.
        choices: `preset`, `recipe`, `training`, `seed`, `epochs`, `shard`, `start` and `classes` of `ClipsInOrder`.

    Raises:
        LoaderError: the folder holds no dataset that this project built.
        ConfigError: a choice is out of range or contradicts another.
    """
    clips = ClipsInOrder(dataset, split, **choices)
    items = clips.items_per_batch(batch_size)
    size = None if clips.training else batch_size
    batch = functools.partial(_batch, training=clips.training, size=size, **clips.mixing)
    source: Any = clips  # a sequence in all that Grain asks of one
    return grain.MapDataset.source(source).batch(items, drop_remainder=clips.training, batch_fn=batch)


def _batch(items: Sequence[dict[str, Any]], **choices: Any) -> dict[str, np.ndarray]:
    rows = rows_of(items, **choices)
    label = rows["label"]
    return {
        **rows,
        "label": label.astype(np.int32) if label.ndim == 1 else label,
        "id": np.array(rows["id"], np.bytes_),
    }
