"""The rows of a collection as columns: filtered, counted and sorted with numpy, half a million rows in milliseconds.

Only what the page filters, sorts or lists is kept in memory, about 100 bytes per row. Everything else about a clip is
read from disk when the clip is opened.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kinetics_tfds.annotations.clip import Split, clip_schema

NO_LABEL = "(no label)"

SCHEMA = clip_schema(
    ("id", pa.string()),  # {youtube_id}_{time_start:06d}_{time_end:06d}
    ("state", pa.string()),
    ("reason", pa.string()),  # of the state; empty where none is needed
    ("source", pa.string()),  # where the clip was acquired from; empty where that is not known
    ("path", pa.string()),  # of the clip's file, relative to its folder; null where there is none
    ("frames", pa.int32()),  # null where it is not known, as in the next column
    ("bytes", pa.int64()),
)

# Columns with few distinct values, by which the page filters.
FACETS = ("label", "split", "state", "reason", "source")
# States that have frames to show; coverage counts them.
AVAILABLE = frozenset({"written", "there"})
# Facets whose values have an order of their own.
_ORDERS = {
    "split": [str(split) for split in Split],
    "state": ["written", "there", "failed", "gone", "needs_access", "pending", "missing", "excluded"],
}

_BY_NUMBER = {"shortest": ("frames", 1), "longest": ("frames", -1), "smallest": ("bytes", 1), "largest": ("bytes", -1)}
SORTS = ("order", "id", "class", *_BY_NUMBER)


@dataclasses.dataclass(frozen=True)
class Query:
    """Which rows to show, in which order. Empty texts do not filter.

    Attributes:
        label: raw class name, or NO_LABEL.
        split: the split.
        state: `written`, `missing`, …
        reason: of a failure, exclusion or absence.
        source: that the clip was acquired from.
        flag: a quality flag that the clip has.
        text: part of the clip's id or path, in any case.
        marked: only clips of marked videos.
        sort: one of SORTS.
    """

    label: str = ""
    split: str = ""
    state: str = ""
    reason: str = ""
    source: str = ""
    flag: str = ""
    text: str = ""
    marked: bool = False
    sort: str = "order"


@dataclasses.dataclass(frozen=True)
class _Facet:
    """One column with few distinct values.

    Attributes:
        values: the distinct values, in the order in which they are listed.
        codes: int32 [N], which of the values each row has.
    """

    values: tuple[str, ...]
    codes: np.ndarray

    def is_value(self, value: str) -> np.ndarray:
        """Returns bool [N]: the rows with the value; none where no row has it."""
        code = self.values.index(value) if value in self.values else -1
        return self.codes == code

    def count(self, rows: np.ndarray | None = None) -> dict[str, int]:
        """Returns how many of the rows, a bool [N] or None for all, have each value."""
        codes = self.codes if rows is None else self.codes[rows]
        counts = np.bincount(codes, minlength=len(self.values))
        return dict(zip(self.values, counts.tolist(), strict=True))


class ClipTable:
    """The rows of a collection.

    Attributes:
        rows: the columns of SCHEMA, N rows.
    """

    def __init__(self, rows: pa.Table, flags: Mapping[str, np.ndarray] | None = None):
        """Takes the rows.

        Args:
            rows: with the columns of SCHEMA.
            flags: by quality flag, bool [N]: the clips that have it.
        """
        texts = {name: rows[name].combine_chunks().fill_null("") for name in FACETS}
        texts["label"] = pc.if_else(pc.equal(texts["label"], ""), NO_LABEL, texts["label"])
        self._facets = {name: _facet(column, _ORDERS.get(name, ())) for name, column in texts.items()}
        self._flags = dict(flags or {})
        self.rows = rows.drop_columns(list(FACETS))
        # Caches of this table, not of the class: paging asks the same question again and again.
        self.select = functools.lru_cache(maxsize=8)(self._select)
        self.of_videos = functools.lru_cache(maxsize=2)(self._of_videos)

    def __len__(self) -> int:
        return self.rows.num_rows

    @property
    def flags(self) -> tuple[str, ...]:
        """The quality flags that are known."""
        return tuple(self._flags)

    def value(self, facet: str, row: int) -> str:
        """Returns the value of a facet in one row."""
        found = self._facets[facet]
        return found.values[found.codes[row]]

    def codes(self, facet: str) -> np.ndarray:
        """Returns int32 [N], a number for each value of a facet."""
        return self._facets[facet].codes

    def flags_of(self, row: int) -> list[str]:
        """Returns the quality flags of one clip."""
        return [name for name, rows in self._flags.items() if rows[row]]

    def find(self, split: str, clip_id: str) -> int | None:
        """Returns the row of a clip, None where there is none."""
        rows = np.flatnonzero(pc.equal(self.rows["id"], clip_id).to_numpy(zero_copy_only=False))
        return next((row for row in rows.tolist() if self.value("split", row) == split), None)

    def of_video(self, youtube_id: str) -> list[int]:
        """Returns the rows of a video's clips."""
        return np.flatnonzero(self.of_videos(frozenset({youtube_id}))).tolist()

    def _of_videos(self, youtube_ids: frozenset[str]) -> np.ndarray:
        """Returns bool [N]: the clips of these videos."""
        ids = pa.array(list(youtube_ids), pa.string())
        return pc.is_in(self.rows["youtube_id"], ids).to_numpy(zero_copy_only=False)

    def _masks(self, query: Query, marks: frozenset[str]) -> dict[str, np.ndarray]:
        """Returns, for each thing that the query asks, bool [N]: the rows that have it."""
        masks = {
            name: facet.is_value(wanted) for name, facet in self._facets.items() if (wanted := getattr(query, name))
        }
        if query.flag:
            masks["flag"] = self._flags.get(query.flag, np.zeros(len(self), bool))
        if query.text:
            masks["text"] = np.logical_or(*(self._contains(name, query.text) for name in ("id", "path")))
        if query.marked:
            masks["marked"] = self.of_videos(marks)
        return masks

    def _contains(self, column: str, text: str) -> np.ndarray:
        found = pc.match_substring(self.rows[column], text, ignore_case=True)
        return found.fill_null(False).to_numpy(zero_copy_only=False)

    def _select(self, query: Query, marks: frozenset[str] = frozenset()) -> np.ndarray:
        """Returns the rows that a query asks for, int32 [M], in its order."""
        rows = np.flatnonzero(self._all(self._masks(query, marks))).astype(np.int32)
        if query.sort in _BY_NUMBER:
            column, sign = _BY_NUMBER[query.sort]
            values = self.rows[column].fill_null(-1).to_numpy()[rows].astype(np.int64)
            # Clips without the number come last either way.
            return rows[np.lexsort((sign * values, values < 0))]
        if query.sort == "class":
            return rows[np.argsort(self._facets["label"].codes[rows], kind="stable")]
        if query.sort == "id":
            return rows[np.argsort(self._id_ranks[rows], kind="stable")]
        return rows

    @functools.cached_property
    def _id_ranks(self) -> np.ndarray:
        ranks = np.empty(len(self), np.int64)
        ranks[pc.sort_indices(self.rows["id"]).to_numpy()] = np.arange(len(self))
        return ranks

    def _all(self, masks: Mapping[str, np.ndarray], without: str = "") -> np.ndarray:
        chosen = [mask for name, mask in masks.items() if name != without]
        return np.logical_and.reduce(chosen) if chosen else np.ones(len(self), bool)

    def count(self, query: Query, marks: frozenset[str] = frozenset()) -> dict[str, Any]:
        """Counts what the page shows beside the clips.

        Returns:
            `facets`: by facet, its values with the number of rows that each would show given all other filters;
            `flags` likewise; `classes`: of each class its name, how many rows it has in all, how many of them have a
            clip, and how many match.
        """
        masks = self._masks(query, marks)
        facets = {
            name: [{"value": value, "count": count} for value, count in counts.items() if value]
            for name, facet in self._facets.items()
            if name != "label"
            for counts in [facet.count(self._all(masks, name))]
        }
        others = self._all(masks, "flag")
        flags = [{"value": name, "count": int((rows & others).sum())} for name, rows in self._flags.items()]
        labels = self._facets["label"]
        matching = labels.count(self._all(masks, "label"))
        totals, available = self._class_totals
        classes = [
            {"name": name, "rows": totals[name], "available": available[name], "matching": matching[name]}
            for name in labels.values
        ]
        return {"facets": {**facets, "flag": flags}, "classes": classes}

    @functools.cached_property
    def _class_totals(self) -> tuple[dict[str, int], dict[str, int]]:
        states = self._facets["state"]
        is_available = np.array([value in AVAILABLE for value in states.values], bool)
        labels = self._facets["label"]
        return labels.count(), labels.count(is_available[states.codes])

    def states_by_split(self) -> dict[str, dict[str, int]]:
        """Returns how many rows of each split are in which state."""
        splits, states = self._facets["split"], self._facets["state"]
        counts = {name: states.count(splits.is_value(name)) for name in splits.values}
        return {name: {state: rows for state, rows in found.items() if rows} for name, found in counts.items()}


def _facet(column: pa.Array, listed: Sequence[str]) -> _Facet:
    """Encodes a column: values in the order of `listed`, others sorted, NO_LABEL last."""
    encoded = column.dictionary_encode()
    found = encoded.dictionary.to_pylist()
    listed = [value for value in listed if value in found]
    more = sorted(set(found) - set(listed), key=lambda value: (value == NO_LABEL, value))
    values = (*listed, *more)
    places = {value: place for place, value in enumerate(values)}
    codes = np.array([places[value] for value in found], np.int32)
    return _Facet(values, codes[encoded.indices.to_numpy()])
