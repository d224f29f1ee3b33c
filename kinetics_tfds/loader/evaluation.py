"""Scores of an evaluation: views averaged by video, every video counted once, hosts merged."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np

from kinetics_tfds.errors import LoaderError


@dataclasses.dataclass(frozen=True)
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
        self._classes = 0  # 0: no video yet

    def add(self, logits: Any, batch: Mapping[str, Any]) -> None:
        """Adds the outcome of one step.

        Args:
            logits: [B, classes], or [B, V, classes] with the views of each row; an array of NumPy, TensorFlow, JAX or
                PyTorch.
            batch: `id` [B], `label` int [B] (-1: unlabelled) and `mask` bool [B]; `skipped` where there is one.

        Raises:
            LoaderError: the shapes do not fit each other, one id has two labels, a label has no logit, or logits are
                NaN.
        """
        keys, labels, mask = _columns(batch)
        values = np.asarray(_on_host(logits), np.float64)
        _require_rows(values, keys, labels, mask)
        rows = values if values.ndim == 3 else values[:, None]
        for row, key, label in zip(rows[mask], keys[mask], labels[mask], strict=True):
            self._add_video(_bytes(key), _Video(int(label), row.sum(0), len(row)))
        if "skipped" in batch:
            self._skipped = max(self._skipped, int(np.max(np.asarray(_on_host(batch["skipped"])))))

    def merge(self, other: Scores) -> None:
        """Adds what another host collected. Scores can be pickled to get there."""
        for key, video in other._videos.items():
            self._add_video(key, video)
        self._skipped += other._skipped

    def result(self) -> dict[str, float]:
        """Returns the accuracies over all labelled videos.

        Returns:
            `top1`, `top5`: shares of the videos; `challenge_error`: the mean of top-1 and top-5 error, by which the
            Kinetics challenges at ActivityNet ranked their entries; `mean_class`: top-1 within each class, averaged
            over the classes that have videos; `videos`: how many were scored; `unlabelled`: how many have no label;
            `skipped`: how many were left out as damaged. Classes that score the same as the right one do not count
            against it if they come after it. Without labelled videos the accuracies are NaN.
        """
        labelled = [video for video in self._videos.values() if video.label >= 0]
        counts = {
            "videos": len(labelled),
            "unlabelled": len(self._videos) - len(labelled),
            "skipped": self._skipped,
        }
        if not labelled:
            return {**dict.fromkeys(("top1", "top5", "challenge_error", "mean_class"), float("nan")), **counts}
        labels = np.array([video.label for video in labelled])
        ranks = np.array([_rank(video.total / video.views, video.label) for video in labelled])
        right, among_five = ranks < 1, ranks < 5
        of_class = [right[labels == label].mean() for label in np.unique(labels)]
        return {
            "top1": float(right.mean()),
            "top5": float(among_five.mean()),
            "challenge_error": float(1 - (right.mean() + among_five.mean()) / 2),
            "mean_class": float(np.mean(of_class)),
            **counts,
        }

    def predictions(self) -> dict[str, np.ndarray]:
        """Returns each video's averaged logits by id."""
        return {key.decode(): video.total / video.views for key, video in self._videos.items()}

    def _add_video(self, key: bytes, video: _Video) -> None:
        known = self._videos.get(key)
        if known is not None and known.label != video.label:
            raise LoaderError(
                f"Video {key.decode()!r} came with the labels {known.label} and {video.label}.",
                "Use one Scores for one split of one dataset.",
            )
        classes = len(video.total)
        if classes != (self._classes or classes):
            raise LoaderError(
                f"Video {key.decode()!r} has {classes} logits, earlier ones have {self._classes}.",
                "Use one Scores for one split and one model.",
            )
        if video.label >= classes:
            raise LoaderError(
                f"Video {key.decode()!r} has the label {video.label}, but there are {classes} logits.",
                "Give the model one output a class of the dataset.",
            )
        if known is not None:
            video = _Video(video.label, known.total + video.total, known.views + video.views)
        # Infinite logits of opposite signs give NaN too, and only once they meet.
        if np.isnan(video.total).any():
            raise LoaderError(
                f"Logits of video {key.decode()!r} hold NaN, which has no rank.",
                "Look for the step at which the model broke down.",
            )
        self._classes = classes
        self._videos[key] = video


def _columns(batch: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns ids, labels and mask of a batch."""
    missing = [name for name in ("id", "label", "mask") if name not in batch]
    if missing:
        raise LoaderError(
            f"The batch has no {missing[0]!r}; it has {', '.join(sorted(batch)) or 'nothing'}.",
            "Give the batch as the loader made it: without its ids and mask, videos cannot be counted.",
        )
    keys, labels, mask = (np.asarray(_on_host(batch[name])) for name in ("id", "label", "mask"))
    return keys, labels, mask.astype(bool)


def _on_host(values: Any) -> Any:
    """Returns what NumPy can take: PyTorch's tensors may need gradients, lie on a GPU or be bfloat16."""
    torch = sys.modules.get("torch")
    if torch is None or not isinstance(values, torch.Tensor):
        return values
    values = values.detach().cpu()
    return (values.float() if values.is_floating_point() else values).numpy()


def _require_rows(values: np.ndarray, keys: np.ndarray, labels: np.ndarray, mask: np.ndarray) -> None:
    if labels.ndim != 1:
        raise LoaderError(
            f"Labels have the shape {labels.shape}: those of mixed training batches.",
            "Evaluate batches made with training=False, whose labels are numbers.",
        )
    if values.ndim in (2, 3) and len(values) == len(keys) == len(labels) == len(mask):
        return
    views = len(values) // len(keys) if values.ndim == 2 and len(keys) and len(values) % len(keys) == 0 else 0
    reshape = f" If these are {views} views a row: logits.reshape({len(keys)}, {views}, -1)." if views > 1 else ""
    raise LoaderError(
        f"Logits {values.shape} do not go with ids {keys.shape}, labels {labels.shape} and mask {mask.shape}.",
        "Give one row of logits a row of the batch: [B, classes] or [B, views, classes], this host's own rows."
        + reshape,
    )


def _rank(logits: np.ndarray, label: int) -> int:
    """Returns how many classes come before `label`; one with the same score does if its index is smaller."""
    return int((logits > logits[label]).sum() + (logits[:label] == logits[label]).sum())


def _bytes(key: Any) -> bytes:
    return key.encode() if isinstance(key, str) else bytes(key)
