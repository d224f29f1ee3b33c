"""Filtering, counting and sorting rows by columns gives what plain loops over the rows give."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from kinetics_tfds.browse.clip_table import FACETS, NO_LABEL, SCHEMA, SORTS, ClipTable, Query

FLAGS = ("static", "tiny")

rows_strategy = st.lists(
    st.fixed_dictionaries(
        {
            "split": st.sampled_from(["train", "validation", "test"]),
            "youtube_id": st.sampled_from(["aaaaaaaaaaa", "-b_bbbbbbbb", "ccccccccccC"]),
            "time_start": st.integers(0, 3).map(float),
            "label": st.sampled_from(["zumba", "yoga", None]),
            "state": st.sampled_from(["written", "missing", "failed"]),
            "reason": st.sampled_from(["", "truncated"]),
            "source": st.sampled_from(["", "mirror"]),
            "path": st.sampled_from([None, "train/Zumba/x.mp4"]),
            "frames": st.none() | st.integers(1, 9),
            "bytes": st.none() | st.integers(1, 9),
            "flags": st.sets(st.sampled_from(FLAGS)),
        }
    ),
    max_size=12,
)
query_strategy = st.builds(
    Query,
    label=st.sampled_from(["", "zumba", "yoga", NO_LABEL, "no such class"]),
    split=st.sampled_from(["", "train", "test"]),
    state=st.sampled_from(["", "written", "failed"]),
    reason=st.sampled_from(["", "truncated"]),
    source=st.sampled_from(["", "mirror"]),
    flag=st.sampled_from(["", *FLAGS, "unheard_of"]),
    text=st.sampled_from(["", "CCC", "zumba", "_000001"]),
    marked=st.booleans(),
    sort=st.sampled_from(SORTS),
)
MARKS = frozenset({"-b_bbbbbbbb"})


def make_table(rows: list[dict]) -> ClipTable:
    for row in rows:
        row["time_end"] = row["time_start"] + 10
        row["id"] = f"{row['youtube_id']}_{int(row['time_start']):06d}_{int(row['time_end']):06d}"
    columns = {name: [row[name] for row in rows] for name in SCHEMA.names}
    flags = {flag: np.array([flag in row["flags"] for row in rows], bool) for flag in FLAGS}
    return ClipTable(pa.table(columns, schema=SCHEMA), flags)


def matches(row: dict, query: Query, without: str = "") -> bool:
    facets = all(
        not wanted or (row[name] or NO_LABEL if name == "label" else row[name]) == wanted
        for name in FACETS
        if name != without
        for wanted in [getattr(query, name)]
    )
    text = query.text.lower() in row["id"].lower() or query.text.lower() in (row["path"] or "").lower()
    flag = without == "flag" or not query.flag or query.flag in row["flags"]
    return facets and text and flag and (not query.marked or row["youtube_id"] in MARKS)


@given(rows_strategy, query_strategy)
def test_a_query_chooses_and_counts_what_a_loop_does(rows: list[dict], query: Query) -> None:
    table = make_table(rows)
    chosen = [number for number, row in enumerate(rows) if matches(row, query)]
    assert sorted(table.select(query, MARKS).tolist()) == chosen

    counts = table.count(query, MARKS)
    for name in FACETS:
        if name != "label":
            expected = {value: 0 for row in rows if (value := row[name])}
            for row in rows:
                if row[name] and matches(row, query, without=name):
                    expected[row[name]] += 1
            assert {each["value"]: each["count"] for each in counts["facets"][name]} == expected
    for each in counts["facets"]["flag"]:
        assert each["count"] == sum(matches(row, query, "flag") and each["value"] in row["flags"] for row in rows)
    for each in counts["classes"]:
        own = [row for row in rows if (row["label"] or NO_LABEL) == each["name"]]
        assert each["rows"] == len(own)
        assert each["available"] == sum(row["state"] == "written" for row in own)
        assert each["matching"] == sum(matches(row, query, without="label") for row in own)


@given(rows_strategy, st.sampled_from(SORTS))
def test_orders(rows: list[dict], sort: str) -> None:
    table = make_table(rows)
    chosen = [rows[number] for number in table.select(Query(sort=sort)).tolist()]
    keys = {
        "order": lambda row: 0,
        "id": lambda row: row["id"],
        "class": lambda row: (row["label"] is None, row["label"] or ""),
        "shortest": lambda row: (row["frames"] is None, row["frames"] or 0),
        "longest": lambda row: (row["frames"] is None, -(row["frames"] or 0)),
        "smallest": lambda row: (row["bytes"] is None, row["bytes"] or 0),
        "largest": lambda row: (row["bytes"] is None, -(row["bytes"] or 0)),
    }
    assert [keys[sort](row) for row in chosen] == sorted(keys[sort](row) for row in rows)


@given(rows_strategy)
def test_clips_are_found_by_split_and_id(rows: list[dict]) -> None:
    table = make_table(rows)
    for row in rows:
        found = table.find(row["split"], row["id"])
        assert (rows[found]["split"], rows[found]["id"]) == (row["split"], row["id"])
        assert [rows[number]["youtube_id"] for number in table.of_video(row["youtube_id"])] == [
            each["youtube_id"] for each in rows if each["youtube_id"] == row["youtube_id"]
        ]
    assert table.find("holdout_test", "aaaaaaaaaaa_000000_000010") is None


def test_values_are_listed_in_the_order_of_the_field() -> None:
    states = ["missing", "failed", "written"]
    rows = [
        {"split": split, "youtube_id": "a" * 11, "time_start": 0.0, "label": label, "state": state, "reason": "", "source": "",
         "path": None, "frames": None, "bytes": None, "flags": set()}
        for split, state, label in zip(["test", "validation", "train"], states, [None, "zumba", "Yoga"], strict=True)
    ]  # fmt: skip
    counts = make_table(rows).count(Query())
    assert [each["value"] for each in counts["facets"]["split"]] == ["train", "validation", "test"]
    assert [each["value"] for each in counts["facets"]["state"]] == ["written", "failed", "missing"]
    assert [each["name"] for each in counts["classes"]] == ["Yoga", "zumba", NO_LABEL]
