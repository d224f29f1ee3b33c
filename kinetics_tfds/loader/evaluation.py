"""Scores of an evaluation: views averaged by video, every video counted once, hosts merged."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from kinetics_tfds.errors import LoaderError


@dataclasses.dataclass
class _Video:
    label: int
    total: np.ndarray
    views: int


class Scores:
    """Collects logits (or probabilities) and gives accuracies.

    `add` takes whatever a step gives: all views of a batch at once, or one row a view in any order and over several
    batches. Rows with `mask` False are left out. A video that comes twice with all its views counts once, since views
    are averaged by id.

    >>> scores = Scores()
    >>> batch = {"id": [b"a", b"b", b""], "label": [0, 1, -1], "mask": [True, True, False]}
    >>> scores.add([[[2.0, 1.0], [0.0, 0.5]], [[1.0, 0.0], [1.0, 0.0]], [[0.0, 0.0], [0.0, 0.0]]], batch)
    >>> scores.result()["top1"]
    0.5
    """

    def __init__(self) -> None:
        self._videos: dict[bytes, _Video] = {}
        self._skipped = 0

    def add(self, logits: Any, batch: Mapping[str, Any]) -> None:
        """Adds the outcome of one step.

        Args:
            logits: [B, classes], or [B, V, classes] with the views of each row; an array of NumPy, TensorFlow or JAX.
            batch: `id` [B], `label` int [B] (-1: unlabelled) and `mask` bool [B]; `skipped` where there is one.

        Raises:
            LoaderError: the shapes do not fit each other, one id has two labels, or logits are NaN.
        """
        values = np.asarray(logits, np.float64)
        keys, labels = np.asarray(batch["id"]), np.asarray(batch["label"])
        mask = np.asarray(batch["mask"]).astype(bool)
        if values.ndim not in (2, 3) or not len(values) == len(keys) == len(labels) == len(mask):
            raise LoaderError(
                f"Logits {values.shape} do not go with ids {keys.shape}, labels {labels.shape} and mask {mask.shape}.",
                "Give one row of logits a row of the batch: [B, classes] or [B, views, classes], this host's own rows.",
            )
        rows = values if values.ndim == 3 else values[:, None]
        if np.isnan(rows[mask]).any():
            raise LoaderError("Logits hold NaN, which has no rank.", "Look for the step at which the model broke down.")
        for row, key, label in zip(rows[mask], keys[mask], labels[mask], strict=True):
            self._add_video(_bytes(key), _Video(int(label), row.sum(0), len(row)))
        if "skipped" in batch:
            self._skipped = max(self._skipped, int(np.max(np.asarray(batch["skipped"]))))

    def merge(self, other: Scores) -> None:
        """Adds what another host collected. Scores can be pickled to get there."""
        for key, video in other._videos.items():
            self._add_video(key, dataclasses.replace(video))
        self._skipped += other._skipped

    def result(self) -> dict[str, float]:
        """Returns the accuracies over all labelled videos.

        Returns:
            `top1`, `top5`: shares of the videos; `mean_class`: top-1 within each class, averaged over the classes that
            have videos; `videos`: how many were scored; `unlabelled`: how many have no label; `skipped`: how many were
            left out as damaged. Classes that score the same as the right one do not count against it if they come
            after it. Without labelled videos the accuracies are NaN.
        """
        labelled = [video for video in self._videos.values() if video.label >= 0]
        counts = {
            "videos": len(labelled),
            "unlabelled": len(self._videos) - len(labelled),
            "skipped": self._skipped,
        }
        if not labelled:
            return {"top1": float("nan"), "top5": float("nan"), "mean_class": float("nan"), **counts}
        labels = np.array([video.label for video in labelled])
        ranks = np.array([_rank(video.total / video.views, video.label) for video in labelled])
        right = ranks < 1
        of_class = [right[labels == label].mean() for label in np.unique(labels)]
        return {
            "top1": float(right.mean()),
            "top5": float((ranks < 5).mean()),
            "mean_class": float(np.mean(of_class)),
            **counts,
        }

    def predictions(self) -> dict[str, np.ndarray]:
        """Returns each video's averaged logits by id."""
        return {key.decode(): video.total / video.views for key, video in self._videos.items()}

    def _add_video(self, key: bytes, video: _Video) -> None:
        known = self._videos.setdefault(key, video)
        if known is video:
            return
        if known.label != video.label or known.total.shape != video.total.shape:
            raise LoaderError(
                f"Video {key.decode()!r} came with the labels {known.label} and {video.label}, "
                f"and logits {known.total.shape} and {video.total.shape}.",
                "Use one Scores for one split and one model.",
            )
        known.total = known.total + video.total
        known.views += video.views


def _rank(logits: np.ndarray, label: int) -> int:
    """Returns how many classes come before `label`; one with the same score does if its index is smaller."""
    if label >= len(logits):
        raise LoaderError(f"Label {label} has no logit among {len(logits)}.", "Give the model as many outputs.")
    return int((logits > logits[label]).sum() + (logits[:label] == logits[label]).sum())


def _bytes(key: Any) -> bytes:
    return key.encode() if isinstance(key, str) else bytes(key)
