"""`make_dataloader`: worker processes, batches and pinned memory around a `ClipDataset`."""

from __future__ import annotations

import functools
import math
import os
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch  # pyright: ignore[reportMissingImports]
import torch.utils.data  # pyright: ignore[reportMissingImports]
from torchdata.stateful_dataloader import StatefulDataLoader  # pyright: ignore[reportMissingImports]

from kinetics_tfds.errors import ConfigError
from kinetics_tfds.loader.random_access.clips_in_order import rows_of
from kinetics_tfds.loader.torch.dataset import ClipDataset

Layout = Literal["NCTHW", "NTHWC"]


def make_dataloader(
    dataset: Any,
    split: str,
    *,
    batch_size: int,
    num_workers: int | None = None,
    layout: Layout = "NCTHW",
    pin_memory: bool | None = None,
    prefetch: int = 2,
    **choices: Any,
) -> StatefulDataLoader:
    """Returns batches of clips, as `loader.make_dataset` gives them to TensorFlow.

    In training a batch is `{"video": uint8 [B, C, T, H, W], "label": int64 [B], "id": list of B, "mask": bool [B]}`; in
    evaluation `video` is [B, V, C, T, H, W] with the V views (clips times crops) of each video, every video comes once,
    and rows that only fill up have `mask` False, `label` -1 and an empty `id`. All ranks take the same number of steps.
    The same arguments give the same batches, however many workers there are, and the clips, frames and windows of
    TensorFlow's pipeline. `state_dict()` and `load_state_dict()` save and restore the place at any step.

    Args:
        dataset: the folder of a prepared dataset, as a path or URL; or a TFDS builder of one.
        split: a split's name, or a part of it in TFDS's notation.
        batch_size: rows of this rank, B. Views drawn from one video (`RandomClip(clips=…)`) are rows of their own in
            training, and must divide it.
        num_workers: processes that read and decode; None: one per core; 0: this one.
        layout: `NCTHW`, for convolutions in channels-last memory order, or `NTHWC`.
        pin_memory: copies batches to memory that a GPU reads by itself; None: where there is a GPU.
        prefetch: batches that each worker makes ahead.
        choices: `preset`, `recipe`, `training`, `seed`, `epochs`, `shard`, `start`, `classes` and `encoded` of
            `ClipDataset`.

    Raises:
        LoaderError: the folder holds no dataset that this project built.
        ConfigError: a choice is out of range or contradicts another.
    """
    if layout not in ("NCTHW", "NTHWC"):
        raise ConfigError(f"layout is {layout!r}.", "Choose 'NCTHW' or 'NTHWC'.")
    clips = ClipDataset(dataset, split, **choices)
    items = clips.items_per_batch(batch_size)
    if clips.encoded and (not clips.training or clips.recipe.augment or clips.recipe.mix):
        raise ConfigError(
            "Encoded views can be neither augmented or mixed on the host nor filled up in evaluation.",
            "Train with a recipe without `augment` and `mix`, and change the clips on the device.",
        )
    workers = len(os.sched_getaffinity(0)) if num_workers is None else num_workers
    return StatefulDataLoader(
        clips,
        batch_size=items,
        shuffle=False,  # ClipDataset's order is shuffled already
        drop_last=clips.training,
        num_workers=workers,
        prefetch_factor=prefetch if workers else None,
        collate_fn=functools.partial(
            collate, layout=layout, training=clips.training, size=None if clips.training else batch_size, **clips.mixing
        ),
        pin_memory=torch.cuda.is_available() if pin_memory is None else pin_memory,
    )


def collate(
    items: Sequence[dict[str, Any]],
    *,
    layout: Layout = "NCTHW",
    training: bool = True,
    size: int | None = None,
    **mixing: Any,
) -> dict[str, Any]:
    """Returns a batch of a `ClipDataset`'s items.

    Args:
        items: in the order of the batch's rows.
        layout: of `video`.
        training: views become rows; otherwise a row is a video with its views.
        size: rows, to be filled up with padding; None: as many as there are.
        mixing: `ClipDataset.mixing`.
    """
    shared: list[torch.Tensor] = []
    rows = rows_of(items, training=training, size=size, empty=functools.partial(_empty, shared), **mixing)
    if "video" in rows:
        whole = torch.from_numpy(rows["video"])
        if shared and shared[0].data_ptr() == whole.data_ptr():
            whole = shared[0].view(whole.shape)
        rows["video"] = torch.movedim(whole, -1, -4) if layout == "NCTHW" else whole
    return {**rows, "label": torch.from_numpy(rows["label"]), "mask": torch.from_numpy(rows["mask"])}


def _empty(shared: list[torch.Tensor], shape: tuple[int, ...]) -> np.ndarray:
    """Returns uint8, in a worker in the memory that it shares with the trainer: so the batch is not copied there again.

    Args:
        shared: takes the tensor that holds that memory.
        shape: of the array.
    """
    if torch.utils.data.get_worker_info() is None:
        return np.empty(shape, np.uint8)
    storage = torch.UntypedStorage._new_shared(math.prod(shape))
    shared.append(torch.empty(0, dtype=torch.uint8).set_(storage).view(shape))
    return shared[0].numpy()
