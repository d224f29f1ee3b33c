from __future__ import annotations

import concurrent.futures
import json
import multiprocessing
import os
import pathlib
import signal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinetics_tfds.acquire.ledger import records as ledger
from kinetics_tfds.acquire.ledger.attempts import AttemptsByClip, KeySet, LastAttempt
from kinetics_tfds.acquire.outcome import OutcomeClass, Reason
from kinetics_tfds.acquire.store.clip_store import open_store
from kinetics_tfds.annotations.clip import Clip, Split


def record(youtube_id: str = "abc_DEF-123", reason: Reason = Reason.STORED, **fields) -> ledger.Record:
    values = {
        "split": "train",
        "time_start": 1.0,
        "time_end": 11.0,
        "source": "youtube",
        "unit": youtube_id,
        "time": 5.0,
    }
    return ledger.Record(youtube_id=youtube_id, outcome_class=reason.outcome_class, reason=reason, **(values | fields))


def test_every_reason_has_one_class():
    assert {reason.outcome_class for reason in Reason} == set(OutcomeClass)


def test_what_is_written_is_read(tmp_path):
    store = open_store(tmp_path / "clips")
    written = [
        record(),
        record("-0000000000", Reason.PRIVATE, message="Private video.\nSign in “now”\ud800", attempt=3),
    ]
    with ledger.LedgerWriter(store) as writer:
        writer.write(written)
    assert list(ledger.read_ledger(store)) == written


@pytest.mark.parametrize("root", ["local", "memory://bucket/clips"])
def test_many_writers_and_torn_lines(tmp_path, root):
    store = open_store(tmp_path if root == "local" else f"{root}/{tmp_path.name}")
    writers = [ledger.LedgerWriter(store) for _ in range(3)]
    for number, writer in enumerate(writers):
        writer.write([record(f"{number:011d}")])
        writer.write([record(f"{number + 10:011d}")])
    for name in store.list_hidden("ledger")[:1]:
        lines = b"".join(store.read_lines(name))
        store.write_hidden(name, lines + lines[:40])  # the machine lost power while writing
    assert len(list(ledger.read_ledger(store))) == 6


def test_a_ledger_in_a_bucket_is_few_objects(tmp_path):
    """However many attempts there are; and no object is written twice within a second."""
    from kinetics_tfds.acquire.store.bucket import BucketStore, _Segments

    store = BucketStore(f"memory://bucket/{tmp_path.name}")
    now, written = [0.0], []
    appender = _Segments(store, "ledger/x.jsonl", clock=lambda: now[0])
    real = store.write_hidden
    store.write_hidden = lambda name, data: (written.append((name, now[0])), real(name, data))[1]
    lines = [ledger._line(record(f"{number:011d}")) for number in range(5000)]
    for line in lines:
        appender.append(line)
        now[0] += 0.1  # ten a second
    appender.close()
    names = store.list_hidden("ledger")
    assert len(names) < 30
    last: dict[str, float] = {}
    for name, moment in written:
        assert moment - last.get(name, -9) >= 1.0 - 1e-9
        last[name] = moment
    assert sorted(line for name in names for line in store.read_lines(name)) == sorted(lines)


def _write(root: str, number: int) -> None:
    with ledger.LedgerWriter(open_store(root)) as writer:
        for attempt in range(1, 51):
            writer.write([record(f"{number:011d}", Reason.TIMEOUT, attempt=attempt, time=float(attempt))])


def test_many_processes_write_at_once(tmp_path):
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_write, args=(str(tmp_path), number)) for number in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    records = list(ledger.read_ledger(open_store(tmp_path)))
    assert len(records) == 150
    states = AttemptsByClip(records)
    found = [states.get(each.key, "youtube") for each in records]
    assert {(state.reason, state.attempts) for state in found if state} == {(Reason.TIMEOUT, 50)}


def _write_and_die(root: str) -> None:
    writer = ledger.LedgerWriter(open_store(root))
    for number in range(100):
        writer.write([record(f"{number:011d}", Reason.PRIVATE)])
    os.kill(os.getpid(), signal.SIGKILL)


def test_what_was_written_outlives_a_killed_process(tmp_path):
    process = multiprocessing.get_context("spawn").Process(target=_write_and_die, args=(str(tmp_path),))
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    assert len(list(ledger.read_ledger(open_store(tmp_path)))) == 100


def test_what_is_synced_is_clips_and_not_every_failure(tmp_path, monkeypatch):
    synced = []
    real = os.fsync
    with ledger.LedgerWriter(open_store(tmp_path)) as writer:
        monkeypatch.setattr(os, "fsync", lambda descriptor: (synced.append(descriptor), real(descriptor)))
        for number in range(50):
            writer.write([record(f"{number:011d}", Reason.PRIVATE)])
        assert len(synced) <= 5  # the first, and one for each second
        before = len(synced)
        writer.write([record("stored_____1"[:11])])
        assert len(synced) == before + 1


def test_threads_of_one_writer(tmp_path):
    store = open_store(tmp_path)
    with ledger.LedgerWriter(store) as writer, concurrent.futures.ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda number: writer.write([record(f"{number:011d}")]), range(200)))
        assert len({r.youtube_id for r in ledger.read_ledger(store)}) == 200  # on disk before the file is closed


def test_fold_keeps_the_last_by_time_at_each_source():
    records = [
        record(reason=Reason.TIMEOUT, time=2.0, attempt=1),
        record(reason=Reason.PRIVATE, time=3.0, attempt=2),
        record(reason=Reason.SERVER_ERROR, time=1.0, attempt=1),  # from a file that sorts later
        record(reason=Reason.NOT_IN_SOURCE, time=1.0, source="mirror"),
    ]
    states = AttemptsByClip([*records, *records])
    assert states.get(records[0].key, "youtube") == LastAttempt(Reason.PRIVATE, 2, 3.0)
    assert states.get(records[0].key, "mirror") == LastAttempt(Reason.NOT_IN_SOURCE, 1, 1.0)
    assert states.get(records[0].key, "folder") is None
    assert not states.stored_since(records[0].key, 0.0)


def test_run_level_ends_do_not_count_as_attempts():
    records = [record(reason=Reason.TIMEOUT, attempt=1), record(reason=Reason.BOT_CHECK, attempt=2, time=6.0)]
    state = AttemptsByClip(records).get(records[0].key, "youtube")
    assert state is not None
    assert state.attempts == 1


@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.sampled_from(["a", "b"]), st.integers(0, 50), st.sampled_from(list(Reason)))
    )
)
def test_states_are_the_last_records(drawn):
    """Against a plain dictionary."""
    times = {}
    records = []
    for place, (number, source, moment, reason) in enumerate(drawn):
        records.append(record(f"{number:011d}", reason, source=source, time=moment + place / 1000))
    for each in sorted(records, key=lambda r: r.time):
        times[each.key, each.source] = each
    states = AttemptsByClip(records)
    for (key, source), last in times.items():
        state = states.get(key, source)
        assert state is not None
        assert (state.reason, state.time) == (last.reason, last.time)
    stored = {key for (key, _), last in times.items() if last.reason is Reason.STORED and last.time >= 25}
    assert {r.key for r in records if states.stored_since(r.key, 25.0)} == stored


@given(st.sets(st.text()), st.sets(st.text()))
def test_key_sets(inside, others):
    keys = KeySet(inside)
    assert len(keys) == len(inside)
    assert all(key in keys for key in inside)
    assert not any(key in keys for key in others - inside)


def test_merging_is_copying_files(tmp_path):
    for name in ("a", "b"):
        with ledger.LedgerWriter(open_store(tmp_path / name)) as writer:
            writer.write([record("aaaaaaaaaaa" if name == "a" else "bbbbbbbbbbb")])
    for file in (tmp_path / "a/.acquire/ledger").iterdir():
        (tmp_path / "b/.acquire/ledger" / file.name).write_bytes(file.read_bytes())
    assert {r.youtube_id for r in ledger.read_ledger(open_store(tmp_path / "b"))} == {"aaaaaaaaaaa", "bbbbbbbbbbb"}


def test_table_has_a_column_for_each_field():
    table = ledger.to_table([record(time=7.0), record(reason=Reason.GONE, time=6.0)])
    assert table.column_names[:4] == ["split", "youtube_id", "time_start", "time_end"]
    assert table["reason"].to_pylist() == ["gone", "stored"]
    assert str(table["time"].to_pylist()[0]) == "1970-01-01 00:00:06+00:00"


@given(st.binary(max_size=200))
def test_no_line_breaks_the_reader(line):
    parsed = ledger.parse_line(line)
    assert parsed is None or isinstance(parsed, ledger.Record)


@given(st.text(), st.floats(0, 1e6), st.integers(1, 99))
def test_any_message_survives(message, time, attempt):
    line = ledger._line(record(reason=Reason.UNKNOWN, message=message[:2000], time=time, attempt=attempt))
    assert line.count(b"\n") == 1
    assert ledger.parse_line(line) == record(reason=Reason.UNKNOWN, message=message[:2000], time=time, attempt=attempt)


def test_a_field_of_a_later_version_is_passed_over():
    line = json.loads(ledger._line(record())) | {"colour": "blue"}
    assert ledger.parse_line(json.dumps(line).encode()) == record()


def test_key_names_the_row():
    clip = Clip(Split.TRAIN, "abc_DEF-123", 1, 11)
    assert record().key == ledger.clip_key(clip)


def test_ledger_lies_where_no_listing_looks(tmp_path):
    with ledger.LedgerWriter(open_store(tmp_path)) as writer:
        writer.write([record()])
    (tmp_path / ".acquire" / "x.mp4").write_bytes(b"x")
    assert open_store(tmp_path).listing().media == ()
    assert pathlib.Path(tmp_path, ".acquire/ledger").is_dir()
