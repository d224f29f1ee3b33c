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

from kinetics_tfds.acquire.ledger.attempt import Attempt, ledger_table, parse_line, to_line
from kinetics_tfds.acquire.ledger.attempts_by_clip import AttemptsByClip, LastAttempt
from kinetics_tfds.acquire.ledger.ledger import LedgerWriter, read_ledger
from kinetics_tfds.acquire.outcome import Outcome, OutcomeClass, Reason
from kinetics_tfds.acquire.store.clip_store import ClipStore, open_store
from kinetics_tfds.annotations.clip import Clip, Split


def attempt(youtube_id: str = "abc_DEF-123", reason: Reason = Reason.STORED, **fields) -> Attempt:
    clip = Clip(Split.TRAIN, youtube_id, 1.0, 11.0)
    return Attempt(**({"clip": clip, "source": "youtube", "reason": reason, "unit": youtube_id, "time": 5.0} | fields))


def test_every_reason_has_one_class():
    assert {reason.outcome_class for reason in Reason} == set(OutcomeClass)


def test_what_is_written_is_read(tmp_path):
    store = open_store(tmp_path / "clips")
    written = [
        attempt(),
        attempt("-0000000000", Reason.PRIVATE, message="Private video.\nSign in “now”", attempt=3),
    ]
    with LedgerWriter(store) as writer:
        writer.write(written)
    assert list(read_ledger(store)) == written


@pytest.mark.parametrize("root", ["local", "memory://bucket/clips"])
def test_many_writers_and_torn_lines(tmp_path, root):
    store = open_store(tmp_path if root == "local" else f"{root}/{tmp_path.name}")
    writers = [LedgerWriter(store) for _ in range(3)]
    for number, writer in enumerate(writers):
        writer.write([attempt(f"{number:011d}")])
        writer.write([attempt(f"{number + 10:011d}")])
    for name in [*store.hidden_sizes("ledger")][:1]:
        lines = b"".join(store.read_lines(name))
        store.write_hidden(name, lines + lines[:40])  # the machine lost power while writing
    assert len(list(read_ledger(store))) == 6


@pytest.mark.parametrize("reason", [Reason.STORED, Reason.TIMEOUT])
def test_a_ledger_in_a_bucket_is_few_objects(tmp_path, monkeypatch, reason):
    """However many attempts there are; and no object is written twice within a second."""
    store = open_store(f"memory://bucket/{tmp_path.name}")
    now, written = [100.0], []

    def write(self, name: str, data: bytes) -> None:
        written.append((name, now[0]))
        real(self, name, data)

    real = ClipStore.write_hidden
    monkeypatch.setattr(ClipStore, "write_hidden", write)
    attempts = [attempt(f"{number:011d}", reason) for number in range(3000)]
    with LedgerWriter(store, clock=lambda: now[0]) as writer:
        for each in attempts:
            writer.write([each])
            now[0] += 0.1  # ten a second
    assert len(store.hidden_sizes("ledger")) < 30
    assert len(written) <= (3000 if reason is Reason.STORED else 310)
    last: dict[str, float] = {}
    for name, moment in written:
        assert moment - last.get(name, -9) >= 1.0 - 1e-9
        last[name] = moment
    assert sorted(read_ledger(store), key=lambda each: each.clip) == attempts


def test_names_that_are_not_utf8_are_read_as_text_that_every_report_can_write(tmp_path):
    with LedgerWriter(open_store(tmp_path)) as writer:
        writer.write([attempt(origin="a.tar:caf\udce9.mp4")])
    (read,) = read_ledger(open_store(tmp_path))
    assert read.origin == "a.tar:caf\\udce9.mp4"


def test_a_writer_that_writes_nothing_leaves_no_file(tmp_path):
    with LedgerWriter(open_store(tmp_path)) as writer:
        writer.write([])
    assert not (tmp_path / ".acquire/ledger").exists()


@pytest.mark.parametrize("root", ["local", "memory://bucket/clips"])
def test_what_was_read_is_not_read_again(tmp_path, root):
    store = open_store(tmp_path if root == "local" else f"{root}/{tmp_path.name}")
    with LedgerWriter(store) as old, LedgerWriter(store) as new:
        old.write([attempt("old________")])
        (before,) = store.hidden_sizes("ledger")
        offsets = store.hidden_sizes("ledger")
        assert list(read_ledger(store, offsets)) == []
        store.write_hidden(before, b"x" * store.hidden_sizes("ledger")[before])  # would not parse if it were read
        new.write([attempt("new________")])
        assert [each.clip.youtube_id for each in read_ledger(store, offsets)] == ["new________"]
        assert list(read_ledger(store, offsets)) == []


def _write(root: str, number: int) -> None:
    with LedgerWriter(open_store(root)) as writer:
        for tries in range(1, 51):
            writer.write([attempt(f"{number:011d}", Reason.TIMEOUT, attempt=tries, time=float(tries))])


def test_many_processes_write_at_once(tmp_path):
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_write, args=(str(tmp_path), number)) for number in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    records = list(read_ledger(open_store(tmp_path)))
    assert len(records) == 150
    states = AttemptsByClip(records)
    found = [states.get(each.clip.key, "youtube") for each in records]
    assert {(state.reason, state.attempts) for state in found if state} == {(Reason.TIMEOUT, 50)}


def _write_and_die(root: str) -> None:
    writer = LedgerWriter(open_store(root))
    for number in range(100):
        writer.write([attempt(f"{number:011d}", Reason.PRIVATE)])
    os.kill(os.getpid(), signal.SIGKILL)


def test_what_was_written_outlives_a_killed_process(tmp_path):
    process = multiprocessing.get_context("spawn").Process(target=_write_and_die, args=(str(tmp_path),))
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    assert len(list(read_ledger(open_store(tmp_path)))) == 100


def test_what_is_synced_is_clips_and_not_every_failure(tmp_path, monkeypatch):
    synced, now = [], [100.0]
    real = os.fsync
    with LedgerWriter(open_store(tmp_path), clock=lambda: now[0]) as writer:
        writer.write([attempt()])
        monkeypatch.setattr(os, "fsync", lambda descriptor: (synced.append(descriptor), real(descriptor)))
        for number in range(50):
            writer.write([attempt(f"{number:011d}", Reason.PRIVATE)])
        assert synced == []
        now[0] += 1.0
        writer.write([attempt(reason=Reason.PRIVATE)])
        writer.write([attempt("stored_____")])
        assert len(synced) == 2


def test_threads_of_one_writer(tmp_path):
    store = open_store(tmp_path)
    with LedgerWriter(store) as writer, concurrent.futures.ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda number: writer.write([attempt(f"{number:011d}")]), range(200)))
        assert len({r.clip.youtube_id for r in read_ledger(store)}) == 200  # on disk before the file is closed


def test_fold_keeps_the_last_by_time_at_each_source():
    records = [
        attempt(reason=Reason.TIMEOUT, time=2.0, attempt=1),
        attempt(reason=Reason.PRIVATE, time=3.0, attempt=2),
        attempt(reason=Reason.SERVER_ERROR, time=1.0, attempt=1),  # from a file that sorts later
        attempt(reason=Reason.NOT_IN_SOURCE, time=1.0, source="mirror"),
    ]
    states = AttemptsByClip([*records, *records])
    assert states.get(records[0].clip.key, "youtube") == LastAttempt(Reason.PRIVATE, 2, 3.0)
    assert states.get(records[0].clip.key, "mirror") == LastAttempt(Reason.NOT_IN_SOURCE, 1, 1.0)
    assert states.get(records[0].clip.key, "folder") is None
    assert not states.stored_since(records[0].clip.key, 0.0)


def test_run_level_ends_do_not_count_as_attempts():
    records = [attempt(reason=Reason.TIMEOUT, attempt=1), attempt(reason=Reason.BOT_CHECK, attempt=2, time=6.0)]
    state = AttemptsByClip(records).get(records[0].clip.key, "youtube")
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
        records.append(attempt(f"{number:011d}", reason, source=source, time=moment + place / 1000))
    for each in sorted(records, key=lambda r: r.time):
        times[each.clip.key, each.source] = each
    states = AttemptsByClip(records)
    for (key, source), last in times.items():
        state = states.get(key, source)
        assert state is not None
        assert (state.reason, state.time) == (last.reason, last.time)
    stored = {key for (key, _), last in times.items() if last.reason is Reason.STORED and last.time >= 25}
    assert {r.clip.key for r in records if states.stored_since(r.clip.key, 25.0)} == stored


def test_merging_is_copying_files(tmp_path):
    for name in ("a", "b"):
        with LedgerWriter(open_store(tmp_path / name)) as writer:
            writer.write([attempt("aaaaaaaaaaa" if name == "a" else "bbbbbbbbbbb")])
    for file in (tmp_path / "a/.acquire/ledger").iterdir():
        (tmp_path / "b/.acquire/ledger" / file.name).write_bytes(file.read_bytes())
    assert {r.clip.youtube_id for r in read_ledger(open_store(tmp_path / "b"))} == {"aaaaaaaaaaa", "bbbbbbbbbbb"}


def test_table_has_a_column_for_each_field():
    table = ledger_table([attempt(time=7.0), attempt(reason=Reason.GONE, time=6.0)])
    assert table.column_names[:4] == ["split", "youtube_id", "time_start", "time_end"]
    assert table["reason"].to_pylist() == ["gone", "stored"]
    assert str(table["time"].to_pylist()[0]) == "1970-01-01 00:00:06+00:00"


@given(st.binary(max_size=200))
def test_no_line_breaks_the_reader(line):
    parsed = parse_line(line)
    assert parsed is None or isinstance(parsed, Attempt)


@given(st.text(), st.floats(0, 1e6), st.integers(1, 99))
def test_any_message_survives(message, time, number):
    written = attempt(reason=Reason.UNKNOWN, time=time, attempt=number).with_outcome(
        Outcome(Reason.UNKNOWN, message[:2000]), time
    )
    line = to_line(written)
    assert line.count(b"\n") == 1
    assert parse_line(line) == written


def test_a_field_of_a_later_version_is_passed_over():
    line = json.loads(to_line(attempt())) | {"colour": "blue"}
    assert parse_line(json.dumps(line).encode()) == attempt()


def test_ledger_lies_where_no_listing_looks(tmp_path):
    with LedgerWriter(open_store(tmp_path)) as writer:
        writer.write([attempt()])
    (tmp_path / ".acquire" / "x.mp4").write_bytes(b"x")
    assert open_store(tmp_path).listing().media == ()
    assert pathlib.Path(tmp_path, ".acquire/ledger").is_dir()
